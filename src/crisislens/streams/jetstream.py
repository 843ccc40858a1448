"""Bluesky by Jetstream, second version: every public post of the network, filtered here.

The server counts events (`seq`), and one goes on at a number, here a few events earlier. Numbers are
each server's own, so at another server one goes on at a time in microseconds, some seconds earlier. What
comes twice is one post in the store. A number that was forgotten there, or that a new server has not
reached, is answered with a notice that is passed on: then posts are missing.

The first version (`/subscribe`, cursors in microseconds) is another protocol, which is not spoken here.

Deletions of posts are obeyed, and an account that was deleted or taken down takes its posts along. The
network takes back posts a second that nobody here kept; of those nothing is remembered, since the server
gives the events of an account in their order.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard
from crisislens.core.guarded_rules import parsed_address
from crisislens.core.guarded_streams import connected
from crisislens.core.http_answers import RequestError
from crisislens.core.optional import require
from crisislens.streams.batch import Batch
from crisislens.streams.jetstream_events import BACK_EVENTS, HeardEvents
from crisislens.streams.jetstream_posts import COLLECTION

__all__ = ["DEFAULT_HOST", "JetstreamSource"]

DEFAULT_HOST: Final = "wss://jetstream.us-east.bsky.network"
_METHOD: Final = "network.bsky.jetstream.subscribeEvents"
_PROTOCOL: Final = "xrpc.v1.json"
_MOST_MESSAGE: Final = 1 << 20
_WAIT_S = 1.0
_LINGER_S = 0.05
_SILENT_S = 90.0
_BACK_US = 10_000_000
_MOST_EVENTS = 2_000


class JetstreamSource:
    """Listens to a server of Jetstream.

    Arguments:
        host: As `wss://jetstream.example`.
        name: Of the source.
        guard: What may be asked.
        batch: Posts that are taken in together, at most.
        collections: Of which records there are events.
    """

    kind = "jetstream"
    edits = True

    def __init__(
        self,
        host: str,
        name: str,
        *,
        guard: Guard | None = None,
        batch: int = 200,
        collections: tuple[str, ...] = (COLLECTION,),
    ) -> None:
        self.name, self.every_s = name, 0.0
        self._host, self._guard, self._batch = _checked(host), guard or Guard(), batch
        self._collections = collections
        self._client = require("websockets.sync.client", extra="streams")
        self._errors = require("websockets.exceptions", extra="streams")
        self._socket: Any = None
        self._spoke_at = 0.0

    def ended(self) -> bool:
        """Never: the network goes on."""
        return False

    def close(self) -> None:
        """Hangs up."""
        if self._socket is not None:
            # no handshake of parting: a server that is gone would keep us waiting for it
            self._socket.close_socket()
            self._socket = None

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """What is heard within a second, or a batch."""
        if self._socket is None:
            self._connect(cursor)
        heard = HeardEvents(self._host, cursor)
        failed = self._hear(heard)
        if heard.any:
            yield heard.batch()
        if failed is not None:
            self.close()
            raise RequestError(f"{self._host} {failed}", transient=True)

    def _hear(self, heard: HeardEvents) -> str | None:
        """Takes what comes; says what broke, so that what came before it is not lost."""
        ends, got = time.monotonic() + _WAIT_S, 0
        try:
            while heard.posts < self._batch and got < _MOST_EVENTS:
                left = max(0.0, ends - time.monotonic())
                # what came is not kept waiting for what may come
                wait = min(left, _LINGER_S) if got else left
                message = self._socket.recv(timeout=wait, decode=True)
                self._spoke_at, got = time.monotonic(), got + 1
                problem = heard.message(message)
                if problem:
                    return problem
        except TimeoutError:
            if time.monotonic() - self._spoke_at > _SILENT_S:
                return f"has been silent for {_SILENT_S:.0f} s"
        except self._errors.WebSocketException as error:
            return f"hung up ({type(error).__name__})"
        return None

    def _connect(self, cursor: Mapping[str, Any] | None) -> None:
        asked = [("kinds", "commit"), ("kinds", "account")]
        asked += [("collections", name) for name in self._collections]
        start = _start(self._host, cursor)
        asked += [("cursor", str(start))] if start is not None else []
        secure = self._host.startswith("wss:")
        rest = self._host.partition("://")[2]
        path = f"{rest}/xrpc/{_METHOD}?{urlencode(asked)}"
        found, context, host = connected(f"{'https' if secure else 'http'}://{path}", guard=self._guard)
        try:
            self._socket = self._client.connect(
                f"{'wss' if secure else 'ws'}://{path}",
                sock=found,
                ssl=context,
                server_hostname=host if secure else None,
                subprotocols=[_PROTOCOL],
                max_size=_MOST_MESSAGE,
                # few wait here: a service that is full holds the server, which may hang up
                max_queue=16,
                open_timeout=self._guard.seconds,
                compression=None,
                proxy=None,
                legacy=True,
                user_agent_header="crisislens",
            )
        except self._errors.InvalidStatus as error:
            found.close()
            raise _refused(self._host, error.response) from None
        # ValueError: a server that sends us elsewhere, which is not followed
        except (self._errors.WebSocketException, OSError, EOFError, ValueError) as error:
            found.close()
            raise RequestError(
                f"{self._host} cannot be reached ({type(error).__name__})", transient=True
            ) from None
        self._spoke_at = time.monotonic()


def _start(host: str, cursor: Mapping[str, Any] | None) -> int | None:
    """Where to go on: some events before the number, or at another server some seconds before the time.
    What comes again is in the store, and what changed its place with the last event is not lost.
    """
    if not cursor:
        return None
    seq, moment = cursor.get("seq"), cursor.get("us")
    if cursor.get("host") == host and isinstance(seq, int):
        return max(0, seq - BACK_EVENTS)
    return moment - _BACK_US if isinstance(moment, int) else None


def _refused(host: str, response: Any) -> RequestError:
    """What a server's refusal means; its body names the reason, as `CursorTooOld`."""
    status = int(response.status_code)
    after = str(response.headers.get("Retry-After", ""))
    said = bytes(response.body or b"")[:500].decode("utf-8", "replace")
    if "CursorTooOld" in said:
        return RequestError(
            f"{host} no longer has the events after our last ones; erase the source's cursor by giving it "
            "another --name to begin at now",
            status=status,
        )
    wait = float(after) if after.isdecimal() and len(after) < 10 else None
    transient = status in (408, 425, 429) or status >= 500
    return RequestError(f"{host} answered {status}", status=status, transient=transient, wait_s=wait)


def _checked(host: str) -> str:
    """The server's address without a path.

    Raises:
        InputError: If it is none.
        RefusedError: If it is one that is not asked.
    """
    given = host or DEFAULT_HOST
    if "://" not in given:
        given = f"wss://{given}"
    scheme, _, rest = given.partition("://")
    if scheme in ("wss", "ws") and rest:
        # the same rules as for a page of it
        parsed_address(f"{'https' if scheme == 'wss' else 'http'}://{rest}")
    parts = urlsplit(given)
    if parts.scheme not in ("wss", "ws") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise InputError(f"jetstream:{host!r:.80} is no server; give jetstream: or jetstream:HOST")
    return f"{parts.scheme}://{parts.netloc}"
