"""How requests are read from a connection: by httptools where it is installed (a fifth of what h11 takes),
with the bound on a request's head that it lacks, and with bounds on how long a visitor may take.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from crisislens.annotate.connections import BoundedH11, BoundedTimes, ConnectionBounds, Part
from crisislens.core.errors import MissingExtraError
from crisislens.core.optional import require

__all__ = ["BOUNDS", "HEAD_BYTES", "MOST_CONNECTIONS", "http_protocol"]

HEAD_BYTES: Final = 65_536
"""The longest line and headers of a request; what h11 allows as well."""
MOST_CONNECTIONS: Final = 1_000
"""Beyond these a visitor is told to come back."""
# still more get no answer; a body of 20 MB in this time needs 1.4 Mbit/s; a stream of events may last
BOUNDS: Final = ConnectionBounds(most=MOST_CONNECTIONS + 200, head_s=20.0, body_s=120.0, stall_s=30.0)
_STATUS: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class _ByH11(BoundedH11):
    bounds = BOUNDS


def http_protocol() -> type[asyncio.Protocol]:
    """What uvicorn is to read requests with."""
    try:
        require("httptools", extra="serve")
    except MissingExtraError:
        return _ByH11
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class BoundedProtocol(BoundedTimes, HttpToolsProtocol):
        """Closes a connection whose request does not come to the end of its head."""

        bounds = BOUNDS

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._head_bytes, self._in_body = 0, False

        def missing(self) -> Part | None:
            """By what the parser has told."""
            if self._in_body:
                return "body"
            return None if self.cycle is not None and not self.cycle.response_complete else "head"

        def data_received(self, data: bytes) -> None:
            """Reads what came."""
            self._head_bytes += len(data)
            super().data_received(data)
            if self._in_body:
                self._head_bytes = 0
            # where a head or a body ended within the data, it begins at nothing
            elif self._head_bytes > HEAD_BYTES:
                self._hang_up()

        def _hang_up(self) -> None:
            if not self.transport.is_closing():
                said = f"HTTP/1.1 {_STATUS.value} {_STATUS.phrase}"
                end = "connection: close\r\ncontent-length: 0\r\n\r\n"
                self.transport.write(f"{said}\r\n{end}".encode("ascii"))
                self.transport.close()

        def on_headers_complete(self) -> None:
            """The head has ended."""
            self._head_bytes, self._in_body = 0, True
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            """The request has ended; what follows is the head of the next."""
            self._head_bytes, self._in_body = 0, False
            super().on_message_complete()

    return BoundedProtocol
