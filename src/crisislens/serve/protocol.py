"""How requests are read from a connection: by httptools where it is installed (a fifth of what h11 takes),
with the bound on a request's head that it lacks.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from crisislens.core.errors import MissingExtraError
from crisislens.core.optional import require

__all__ = ["HEAD_BYTES", "http_protocol"]

HEAD_BYTES: Final = 65_536
"""The longest line and headers of a request; what h11 allows as well."""
_STATUS: Final = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


def http_protocol() -> "type[asyncio.Protocol] | str":
    """What uvicorn is to read requests with."""
    try:
        require("httptools", extra="serve")
    except MissingExtraError:
        return "h11"
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class BoundedProtocol(HttpToolsProtocol):
        """Closes a connection whose request does not come to the end of its head."""

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._head_bytes, self._in_body = 0, False

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
