"""Sends what waits: each message at least once, none for ever, and every failure where people see it."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from crisislens.alerts.mail import MailServer, send_mail
from crisislens.alerts.webhooks import send_webhook
from crisislens.core.errors import CrisisLensError
from crisislens.core.guarded_rules import Guard, RefusedError
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.deliveries import Outgoing

__all__ = ["Postman", "Ways"]

_GONE: Final = 410
_AT_ONCE: Final = 4
_LONGEST_WAIT_S: Final = 43_200.0


@dataclass(frozen=True)
class Ways:
    """How messages leave.

    Attributes:
        guard: Which servers may be sent to.
        mail: Where mail is handed over; None where there is none.
        base_url: Where people reach the service, for links in mail.
    """

    guard: Guard = field(default_factory=Guard)
    mail: MailServer | None = None
    base_url: str = ""


class Postman:
    """Takes messages by lease and sends them, some at once.

    Arguments:
        store: Open for writing.
        ways: How messages leave.
        before_mark: Called between sending and marking; for tests of dying just there.
    """

    def __init__(self, store: Store, ways: Ways, *, before_mark: Callable[[], None] = lambda: None) -> None:
        self._store, self._ways, self._before_mark = store, ways, before_mark
        self._name = f"postman-{uuid.uuid4().hex[:12]}"

    def step(self) -> int:
        """Sends what is due; how many messages were tried."""
        tried = 0
        while batch := self._store.deliveries.claim(self._name):
            with ThreadPoolExecutor(min(_AT_ONCE, len(batch)), thread_name_prefix="postman") as pool:
                # the list raises what a thread raised, as where the store cannot be written
                list(pool.map(self._send, batch))
            tried += len(batch)
        return tried

    def _send(self, message: Outgoing) -> None:
        mark = self._store.deliveries
        outcome = self._tried(message)
        if isinstance(outcome, _Taken):
            self._before_mark()
            mark.sent(self._name, message.row.id, status=outcome.status, said=outcome.said)
            return
        mark.missed(
            self._name,
            message.row.id,
            outcome.said,
            status=outcome.status,
            wait_s=outcome.wait_s,
            final=outcome.final,
            switch_off=outcome.gone,
        )

    def _tried(self, message: Outgoing) -> "_Taken | _Missed":
        try:
            if message.outlet.kind == "mail":
                return _Taken(None, self._mailed(message))
            answer = send_webhook(message, self._ways.guard)
        except RefusedError as error:
            # the address itself is what is wrong: to ask again would change nothing
            return _Missed(str(error), final=True)
        except RequestError as error:
            refused = message.outlet.kind == "mail" and not error.transient
            return _Missed(str(error), status=error.status or None, final=refused)
        except CrisisLensError as error:
            return _Missed(str(error), final=True)
        if 200 <= answer.status < 300:
            return _Taken(answer.status, answer.said)
        after = answer.headers.get("retry-after", "")
        wait = min(float(after), _LONGEST_WAIT_S) if after.isascii() and after.isdecimal() else None
        said = f"answered {answer.status}" + (f": {answer.said}" if answer.said else "")
        gone = answer.status == _GONE
        return _Missed(said, status=answer.status, wait_s=wait, final=gone, gone=gone)

    def _mailed(self, message: Outgoing) -> str:
        if self._ways.mail is None:
            raise RequestError("no mail server is named; start the service with --smtp", transient=True)
        return send_mail(message, self._ways.mail, self._ways.base_url)


@dataclass(frozen=True)
class _Taken:
    """A yes."""

    status: int | None
    said: str


@dataclass(frozen=True)
class _Missed:
    """A no, or no answer; see `Deliveries.missed`."""

    said: str
    status: int | None = None
    wait_s: float | None = None
    final: bool = False
    gone: bool = False
