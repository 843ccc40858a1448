"""Mastodon: a hashtag or a timeline, by pages and by listening.

Pages are the truth and listening makes them quick. At the start, after each break and every `--every`
seconds the timeline is paged from a while before the last known post on: a post of another server gets its
place by when it was written and may arrive later, a listener may have been deaf without a word, and what
came twice is one post in the store. In between the server's events are heard: new posts, edits and
deletions. Deletions made while nobody listened are told by no server.

The server's own events are listened to before the pages are asked for, so that nothing falls between.
"""

import json
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from crisislens.core.guarded import Guard, fetch
from crisislens.core.guarded_rules import RefusedError
from crisislens.core.guarded_streams import lines_of
from crisislens.core.http_answers import RequestError
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch
from crisislens.streams.listener import Listener
from crisislens.streams.mastodon_posts import status_id, status_post
from crisislens.streams.mastodon_timeline import Timeline
from crisislens.streams.server_events import events_of
from crisislens.streams.strange import read_one
from crisislens.streams.tokens import Token

__all__ = ["MastodonSource", "Timeline"]

_JSON = ("application/json",)
_MOST_PAGES = 500
_OVERLAP_MS = 10 * 60 * 1000
_MASTODON_BITS = 16
_WAIT_S = 1.0
_SOON_S = 2.0
_NO_LISTENING = frozenset({400, 401, 403, 404, 405, 410, 422})


class MastodonSource:
    """Reads a timeline.

    Arguments:
        timeline: Which.
        name: Of the source.
        guard: What may be asked.
        token: Of an account at the server; most servers let nobody listen without one.
        every_s: How often the timeline is paged while the server is listened to, in seconds.
        once: Whether to page once and not to listen.
        batch: Events that are taken in together, at most.
    """

    kind = "mastodon"
    edits = True

    def __init__(
        self,
        timeline: Timeline,
        name: str,
        *,
        guard: Guard | None = None,
        token: Token | None = None,
        every_s: float = 300.0,
        once: bool = False,
        batch: int = 200,
    ) -> None:
        self.name, self.every_s = name, 0.0
        self._timeline, self._guard, self._token = timeline, guard or Guard(), token
        self._page_every_s, self._once, self._batch = every_s, once, batch
        self._listener: Listener[tuple[str, str]] | None = None
        self._deaf, self._paged_at, self._paged = once, 0.0, False
        self._since: str | None = None
        self._moved = False

    def ended(self) -> bool:
        """Once, when the pages were read."""
        return self._once and self._paged

    def close(self) -> None:
        """Stops listening."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """What is new; waits a second for events where the pages are read."""
        if self._listener is None and not self._deaf:
            note = self._listen()
            if note:
                yield Batch(note=note)
        if not self._paged or time.monotonic() - self._paged_at > self._page_every_s:
            # until all pages were read, a look after a break begins with them again
            self._paged = False
            yield from self._pages(cursor)
            self._paged, self._paged_at, self._since = True, time.monotonic(), None
        elif self._listener is not None:
            yield from self._heard(cursor)
        else:
            time.sleep(min(_WAIT_S, self._page_every_s))

    def _listen(self) -> str | None:
        """Begins to listen; says so where the server does not let us."""
        try:
            origin, known = self._events_at()
            listener = Listener(lambda: _stream(self._timeline.events(origin), known, self._guard))
            # the first item says that the answer has begun
            self._listener = listener
            if listener.get(self._guard.seconds) is None:
                raise RequestError(f"{self._timeline.host} does not begin to speak", transient=True)
        except RequestError as error:
            self.close()
            if isinstance(error, RefusedError) or error.status in _NO_LISTENING:
                self._deaf = True
                why = error.status or "refused"
                return (
                    f"{self._timeline.host} lets nobody listen like this ({why}); it is asked "
                    f" every {self._page_every_s:.0f} s instead. A token may help: --token-file"
                )
            self._paged = False
            raise
        self._paged, self._since = False, None
        return None

    def _events_at(self) -> tuple[str, dict[str, str]]:
        """Where the server's events are, and the headers that may be sent there."""
        own, origin = self._timeline, self._timeline.origin
        try:
            value = self._asked(f"{origin}/api/v2/instance")
        except RequestError as error:
            if error.transient:
                raise
            value = {}
        configuration = value.get("configuration") if isinstance(value, dict) else None
        urls = configuration.get("urls") if isinstance(configuration, dict) else None
        said = urls.get("streaming") if isinstance(urls, dict) else None
        if isinstance(said, str) and said.startswith(("wss://", "ws://")):
            origin = _named_origin(said, origin)
        # a token goes to the server that it is of and to its own subdomains, whatever that server names
        host = urlsplit(origin).hostname or ""
        trusted = host == own.host or host.endswith(f".{own.host}")
        return origin, self._headers() if trusted else {}

    def _headers(self) -> dict[str, str]:
        return self._token.header("Bearer") if self._token else {}

    def _asked(self, url: str) -> Any:
        answer = fetch(url, types=_JSON, headers=self._headers(), guard=self._guard)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise RequestError(f"{self._timeline.host} answers what is not JSON", transient=True) from None

    def _pages(self, cursor: Mapping[str, Any] | None) -> Iterator[Batch]:
        newest = (cursor or {}).get("id")
        known = newest if isinstance(newest, str) and newest.isalnum() else None
        # pages that broke off are gone on with where they did, or a server that often fails is never read
        since = self._since or (_before(known) if known else None)
        for _ in range(_MOST_PAGES):
            asked = {} if since is None else {"min_id": since}
            found = self._page(asked)
            if not found:
                return
            statuses = sorted(found, key=lambda status: _rank(status_id(status) or ""))
            last = status_id(statuses[-1]) or ""
            known = max(filter(None, (known, last)), key=_rank, default=None)
            yield self._batch_of(statuses, known)
            self._moved = True
            # a server that gives the same page again and again is not asked for ever
            if since is None or not last or _rank(last) <= _rank(since):
                return
            since = self._since = last

    def _page(self, asked: Mapping[str, str]) -> list[Any]:
        """One page; one that fails behind others that came is asked for again soon, or a server that fails at
        every fourth page would be waited for ever longer.
        """
        moved, self._moved = self._moved, False
        try:
            found = self._asked(self._timeline.page(**asked))
            if not isinstance(found, list):
                raise RequestError(f"{self._timeline.host} gives no list of posts", transient=True)
        except RequestError as error:
            if moved and error.wait_s is None:
                error.wait_s = _SOON_S
            raise
        return found

    def _batch_of(self, statuses: list[Any], newest: str | None) -> Batch:
        made = [_made(status, self._timeline.host) for status in statuses if isinstance(status, dict)]
        posts = tuple(post for post in made if isinstance(post, NewPost))
        dead = tuple(post for post in made if isinstance(post, Unread))
        return Batch(posts, dead, None if newest is None else {"id": newest})

    def _heard(self, cursor: Mapping[str, Any] | None) -> Iterator[Batch]:
        assert self._listener is not None
        newest = (cursor or {}).get("id")
        heard = _Heard(self._timeline.host, newest if isinstance(newest, str) else None)
        failed: Exception | None = None
        try:
            for name, data in self._listener.some(self._batch, wait_s=_WAIT_S):
                heard.event(name, data)
        except (RequestError, EOFError) as error:
            failed = error
        if heard.any:
            yield heard.batch()
        if failed is not None:
            self.close()
            raise (
                failed
                if isinstance(failed, RequestError)
                else RequestError(f"{self._timeline.host} stopped speaking", transient=True)
            )


class _Heard:
    """Events that are taken in together; of a post that is told twice the last word counts."""

    def __init__(self, host: str, newest: str | None) -> None:
        self._host, self._newest = host, newest
        self._posts: dict[str, NewPost] = {}
        self._dead: list[Unread] = []
        self._gone: dict[str, None] = {}
        self.any = False

    def event(self, name: str, data: str) -> None:
        if name == "delete" and data.strip().isalnum() and len(data) <= 100:
            self._gone[data.strip()], self.any = None, True
            self._posts.pop(data.strip(), None)
            return
        if name not in ("update", "status.update"):
            return
        self.any = True
        try:
            status = json.loads(data)
        except (ValueError, RecursionError):
            self._dead.append(Unread(raw=data, reason="the event holds no JSON"))
            return
        made = _made(status, self._host) if isinstance(status, dict) else None
        if isinstance(made, Unread):
            self._dead.append(made)
        elif made is not None and made.external_id not in self._gone:
            before = self._posts.get(made.external_id)
            if (
                before is None
                or before.edited_at is None
                or (made.edited_at or before.edited_at) > before.edited_at
            ):
                self._posts[made.external_id] = made
            if name == "update":
                self._newest = max(self._newest or "", made.external_id, key=_rank)

    def batch(self) -> Batch:
        cursor = None if self._newest is None else {"id": self._newest}
        return Batch(tuple(self._posts.values()), tuple(self._dead), cursor, gone=tuple(self._gone))


def _made(status: Mapping[str, Any], host: str) -> NewPost | Unread | None:
    return read_one(status, partial(status_post, status, host))


def _named_origin(said: str, origin: str) -> str:
    """Where the server says that its events are; its own origin where that is of no use."""
    try:
        parts = urlsplit(said)
    except ValueError:
        return origin
    secure = parts.scheme == "wss" or not origin.startswith("https:")
    if not secure or not parts.hostname or parts.path not in ("", "/"):
        return origin
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc}"


def _stream(url: str, headers: Mapping[str, str], guard: Guard) -> Iterator[tuple[str, str]]:
    lines = lines_of(url, types=("text/event-stream",), headers=headers, guard=guard)
    next(lines)
    yield "begun", ""
    yield from events_of(lines)


def _rank(name: str) -> tuple[int, str]:
    """Ids are numbers of any length or, of servers that only speak the API, words of one length."""
    return len(name), name


def _before(name: str) -> str:
    """An id of a while before; where an id holds no time, the id itself."""
    if not name.isdecimal() or len(name) < 12:
        return name
    return str(max(0, int(name) - (_OVERLAP_MS << _MASTODON_BITS)))
