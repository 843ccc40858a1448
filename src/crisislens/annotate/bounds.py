"""What a local server allows: whom it answers, and how much of its time and memory one visitor
gets.

A page of another site may reach a server on this computer through a name of its own that points
here (DNS rebinding). So only requests that name this server by an address, or by the name that it
was given, are answered.
"""

import ipaddress
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crisislens.annotate.connections import BoundedH11, ConnectionBounds

__all__ = ["BODY_S", "BOUNDS", "MOST_BODY_BYTES", "BoundedServer", "Guard", "answers_to"]

MOST_BODY_BYTES: Final = 1_000_000
BODY_S: Final = 10.0
"""How long a body may take to arrive, in seconds."""
# the application says 408 for a late body, so the connection waits a little longer for it
BOUNDS: Final = ConnectionBounds(most=32, head_s=10.0, body_s=BODY_S + 2, stall_s=10.0, whole_s=30.0)
_MOST_HEAD_BYTES: Final = 16_384
_GRACE_S: Final = 3

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    # one request a connection: so the time of a connection bounds that of a request
    "Connection": "close",
}


class Guard:
    """Middleware: answers who names this server and knows the token, and sets the headers of every
    answer.

    Arguments:
        app: What is guarded; it sees paths without the token.
        host: The address that the server listens at.
        token: The first part of every path.
    """

    def __init__(self, app: ASGIApp, *, host: str, token: str) -> None:
        self.app, self.host, self.token = app, host, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        token, _, rest = scope["path"].removeprefix("/").partition("/")
        # in equal time, whatever is wrong with it: the token must not be found letter by letter
        known = secrets.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        if known and "/" in scope["path"][1:] and answers_to(Headers(scope=scope).get("host", ""), self.host):
            await self.app({**scope, "path": "/" + rest, "root_path": ""}, receive, send_with_headers)
            return
        said = "nothing stands at this address; use the one that the command printed"
        await JSONResponse({"error": said}, 404)(scope, receive, send_with_headers)


def answers_to(header: str, host: str) -> bool:
    """Whether a request that names this host is meant for a server at this address.

    Arguments:
        header: The header `Host`.
        host: The address that the server listens at.

    >>> answers_to("localhost:8000", "127.0.0.1"), answers_to("evil.example:8000", "127.0.0.1")
    (True, False)
    >>> answers_to("192.0.2.7:8000", "127.0.0.1"), answers_to("192.0.2.7:8000", "0.0.0.0")
    (False, True)
    """
    name = header.rpartition("]")[0].lstrip("[") if header.startswith("[") else header.partition(":")[0]
    address = _address(name)
    if address is None:
        return name.lower() in ("localhost", host.lower())
    bound = _address(host)
    # where others may come in, they come by the computer's address, which no foreign name can stand
    # for
    return address.is_loopback or name == host or (bound is not None and not bound.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


class _PageProtocol(BoundedH11):
    """A connection of the annotation page."""

    bounds = BOUNDS


class BoundedServer(uvicorn.Server):
    """Serves an application silently, with bounds on connections, and remembers what ended it.

    Arguments:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_PageProtocol,
                ws="none",
                lifespan="off",
                # the terminal shows the address and nothing else
                log_config=None,
                log_level="critical",
                access_log=False,
                # a header must not decide who is asking
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self.ended_by: int | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends serving at Ctrl+C and SIGTERM; does not raise them again, as the caller has a word
        to say.
        """
        # only the main thread may set handlers, and a test serves from another one
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Remembers the signal; a second one does not wait for open requests."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self.ended_by = sig
