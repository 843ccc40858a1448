"""What stands around every answer: whom the server answers, the headers that keep a browser from running
what a post brings, and the id under which a request stands in the log.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crisislens.annotate.bounds import answers_to
from crisislens.serve.metrics import Metrics

__all__ = ["POLICY", "HostGuard", "JsonFormatter", "RequestLog", "SafeHeaders"]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content security policy of every answer: own files only, nothing inline, no eval, no frame."""
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_ENCODED: Final = tuple((name.lower().encode(), value.encode()) for name, value in _HEADERS.items())
_NAMES: Final = frozenset(name for name, _ in _ENCODED)
_NO_STORE: Final = (b"cache-control", b"no-store")
_KNOWN_NAMES: Final = 256
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SafeHeaders:
    """Middleware: sets the headers of every answer; nothing is kept by caches but what says so itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                theirs = [pair for pair in message.get("headers", ()) if pair[0].lower() not in _NAMES]
                kept = any(name.lower() == b"cache-control" for name, _ in theirs)
                message["headers"] = [*theirs, *_ENCODED] if kept else [*theirs, *_ENCODED, _NO_STORE]
            await send(message)

        await self.app(scope, receive, send_with_headers)


class HostGuard:
    """Middleware: answers only requests that name this server, so that a page of another site cannot reach
    it through a name that points here (DNS rebinding).

    Arguments:
        app: What is guarded.
        host: The address that the server listens at.
        names: Further names that it may be called by, such as that of a proxy in front.
    """

    def __init__(self, app: ASGIApp, *, host: str, names: tuple[str, ...] = ()) -> None:
        self.app, self.host = app, host
        self.names = frozenset(name.lower() for name in names)
        # the same few names come with every request; the bound is for those who make up others
        self._means_us = lru_cache(maxsize=_KNOWN_NAMES)(self._is_ours)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or self._means_us(Headers(scope=scope).get("host", "")):
            await self.app(scope, receive, send)
            return
        said = "this server does not go by that name; start it with --public-name NAME to allow it"
        body = {"type": "about:blank", "title": "Misdirected Request", "status": 421, "detail": said}
        await JSONResponse(body, 421, media_type="application/problem+json")(scope, receive, send)

    def _is_ours(self, header: str) -> bool:
        return header.rpartition(":")[0].lower() in self.names or (
            header.lower() in self.names or answers_to(header, self.host)
        )


class RequestLog:
    """Middleware: gives each request an id, counts it, and writes one line: who, what, how long; never a
    body, a query or a header.

    Arguments:
        app: The application.
        metrics: Where requests are counted.
        clock: Seconds that never go back.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.app, self.metrics, self.clock = app, metrics, clock
        self.log = logging.getLogger("crisislens.serve")
        # to ask the system for random bytes lets go of the interpreter, which a busy thread then keeps
        self._process, self._numbers = secrets.token_hex(6), count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        # a foreign id is taken where it is plain, so that a proxy's log and ours can be joined
        name = given if _REQUEST_ID.fullmatch(given) else f"{self._process}-{next(self._numbers):x}"
        scope["request_id"] = name
        status, began = 500, self.clock()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = name
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._tell(scope, status, self.clock() - began)

    def _tell(self, scope: Scope, status: int, took_s: float) -> None:
        route = scope.get("route")
        # the route's pattern, since a path may hold anything
        path = getattr(route, "path", "") or "(none)"
        self.metrics.count(scope["method"], path, status, took_s)
        level = logging.ERROR if status >= 500 else logging.INFO
        if not self.log.isEnabledFor(level):
            return
        seen = {
            "request_id": scope["request_id"],
            "method": scope["method"],
            "route": path,
            "status": status,
            "ms": round(took_s * 1000, 2),
            "who": scope.get("who", ""),
        }
        self.log.log(level, "request", extra={"fields": seen})


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; the fields of a record stand beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "log": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            # the kind and the place of a fault, not its words: they may quote a post
            line["error"] = record.exc_info[0].__name__
            line["where"] = _places(record)
        return json.dumps(line, ensure_ascii=True)


def _places(record: logging.LogRecord) -> list[str]:
    trace = record.exc_info[2] if record.exc_info else None
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found[-12:]
