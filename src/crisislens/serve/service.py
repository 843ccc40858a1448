"""What the parts of a running service share: the store, bounds, counters, news, who was seen lately."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar, cast

from starlette.requests import Request

from crisislens.alerts.mail import MailServer
from crisislens.core.guarded_rules import Guard
from crisislens.serve.later import Later
from crisislens.serve.limits import Limits, RateLimiter
from crisislens.serve.metrics import Metrics
from crisislens.serve.news import News
from crisislens.serve.oidc import OidcSettings, Provider
from crisislens.store import Store
from crisislens.store.records import KeyRow, PostDetail, SessionRow, silent_minutes

__all__ = ["Explain", "Recent", "ServeSettings", "Service", "service_of"]

T = TypeVar("T")
Explain = Callable[[int], str | None]
_RECENT_S = 5.0
_MOST_RECENT = 10_000


@dataclass(frozen=True)
class ServeSettings:
    """How a service runs.

    Attributes:
        host: The address that it listens at.
        names: Further names that it answers to.
        secure: Whether browsers reach it by https, so that cookies are sent by https only.
        proxies: Networks of the proxies that are believed when they say whom they speak for.
        demo: Whether the posts are made up; pages say so.
        base_map: The file of the base map (PMTiles); None takes the one that ships.
        limits: Its bounds.
        hold_s: How long a reviewer holds a post, in seconds.
        hand: How many posts a reviewer is given at once.
        guard: Which servers messages may be sent to.
        mail: Where mail is handed over.
        cap_sender: Who messages of the Common Alerting Protocol are from.
        session_h: How long somebody stays signed in, in hours.
        oidc: The provider of identities at which people may sign in too; None for none.
    """

    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    secure: bool = False
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    demo: bool = False
    base_map: Path | None = None
    limits: Limits = field(default_factory=Limits)
    hold_s: int = 600
    hand: int = 10
    guard: Guard = field(default_factory=Guard)
    mail: MailServer | None = None
    cap_sender: str = "crisislens@example.invalid"
    session_h: float = 12.0
    oidc: OidcSettings | None = None

    @property
    def public_url(self) -> str:
        """Where others reach the service by its first public name; empty without one."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{self.names[0]}" if self.names else ""


class Recent(Generic[T]):
    """Answers of the store on keys and sessions, kept for five seconds: a key that sends a thousand posts is
    looked up once. What this process ends itself is forgotten at once; what another one ends, within those
    five seconds.

    Arguments:
        keep_s: How long an answer is kept, in seconds.
        clock: Seconds that never go back.
    """

    def __init__(self, keep_s: float = _RECENT_S, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s, self._clock, self._lock = keep_s, clock, Lock()
        self._kept: OrderedDict[str, tuple[float, T]] = OrderedDict()

    def get(self, name: str) -> T | None:
        """What was answered lately."""
        with self._lock:
            at, value = self._kept.get(name, (float("-inf"), None))
            return value if self._clock() - at < self._keep_s else None

    def put(self, name: str, value: T) -> None:
        """Keeps an answer."""
        with self._lock:
            self._kept[name] = (self._clock(), value)
            while len(self._kept) > _MOST_RECENT:
                self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forgets all, as when somebody's rights were changed."""
        with self._lock:
            self._kept.clear()


class Service:
    """One running service.

    Arguments:
        store: What is remembered.
        settings: How it runs.
        explain: Makes the evidence of a post, as JSON; None where nobody can.
    """

    def __init__(self, store: Store, settings: ServeSettings, *, explain: Explain | None = None) -> None:
        self.explain = explain
        self.store, self.settings, self.limits = store, settings, settings.limits
        limits = settings.limits
        self.news = News(store.events, most=limits.streams)
        self.metrics = Metrics(self._depth, self._lags)
        self.calls = RateLimiter(limits.calls_s, limits.calls_s * 10)
        self.sign_ins = RateLimiter(limits.sign_ins_min / 60, limits.sign_ins_min)
        self.keys: Recent[KeyRow] = Recent()
        self.sessions: Recent[SessionRow] = Recent()
        self.later = Later()
        self.provider = None if settings.oidc is None else Provider(settings.oidc)

    def forget(self) -> None:
        """Has keys and sessions looked up anew."""
        self.keys.clear()
        self.sessions.clear()

    def evidence(self, detail: PostDetail) -> str | None:
        """The rationale of a post's current answer as JSON: the one that was made, or a new one."""
        if detail.rationale is not None or self.explain is None or detail.row.model is None:
            return detail.rationale
        return self.explain(detail.row.id)

    def silent_sources(self) -> list[str]:
        """The names of sources that bring nothing for longer than they should."""
        now = datetime.now(UTC)
        return [row.name for row in self.store.sources.all() if silent_minutes(row, now) is not None]

    def _lags(self) -> dict[str, float]:
        now = datetime.now(UTC)
        rows = [row for row in self.store.sources.all() if row.enabled]
        return {row.name: (now - (row.last_at or row.made_at)).total_seconds() for row in rows}

    def _depth(self) -> dict[str, float]:
        depth = self.store.queue.depth()
        return {
            "queued": depth.queued,
            "photos": depth.photos,
            "background": depth.background,
            "leased": depth.leased,
            "failed": depth.failed,
        }


def service_of(request: Request) -> Service:
    """The service that answers a request."""
    return cast(Service, request.app.state.service)
