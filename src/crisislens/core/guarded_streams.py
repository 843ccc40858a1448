"""Listening to what somebody else named: an answer that never ends, and a socket for a protocol of its own.

The rules are those of `core.guarded`: every address is looked at before anything is sent, the connection
goes to the address that was looked at, nothing of the environment is used. What differs is time. Until the
answer begins, the guard's deadline holds; afterwards only silence ends it, since a stream that speaks may
go on for weeks. Redirects are not followed: nobody listens for weeks to whom they did not name.
"""

import socket
import ssl
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from typing import Final

import httpcore2

from crisislens.core.errors import InputError
from crisislens.core.guarded import check_status, check_type
from crisislens.core.guarded_backend import Deadline, GuardedBackend
from crisislens.core.guarded_rules import Guard, RefusedError, certificates, parsed_address
from crisislens.core.http_answers import RequestError, shown_address

__all__ = ["connected", "lines_of"]

_MOST_LINE: Final = 1 << 20


class _Patience(Deadline):
    """A deadline until the answer begins, and from then on as long for each read."""

    def __init__(self, seconds: float, idle_s: float) -> None:
        super().__init__(seconds)
        self._idle_s, self._listening = idle_s, False

    def listen(self) -> None:
        """From now on only silence counts."""
        self._listening = True

    def left(self) -> float:
        """Seconds that the next step may take."""
        return self._idle_s if self._listening else super().left()


def lines_of(
    url: str,
    *,
    types: Collection[str],
    headers: Mapping[str, str] | None = None,
    guard: Guard | None = None,
    idle_s: float = 90.0,
) -> Iterator[bytes]:
    """The lines of an answer that goes on and on. The first item is empty: the answer has begun.

    Arguments:
        url: http or https.
        types: Media types that are read, as `text/event-stream`.
        headers: More headers.
        guard: What may be asked; its `seconds` hold until the answer begins, its `most_bytes` for nothing.
        idle_s: After how long a silence the connection is given up, in seconds.

    Raises:
        RefusedError: If the address or the answer is none that may be used.
        RequestError: If there is no answer in time, it is an error, is cut off or falls silent.
    """
    guard = guard or Guard()
    scheme, host, port, target = parsed_address(url)
    patience, shown = _Patience(guard.seconds, idle_s), shown_address(url)
    backend = GuardedBackend(
        guard.addresses(scheme, host, port, within_s=patience.left()), patience, dial=guard.dial
    )
    sent = {"User-Agent": "crisislens", "Accept": ", ".join(types), **(headers or {}), "Connection": "close"}
    where = httpcore2.URL(scheme=scheme, host=host, port=port, target=target)
    context = certificates() if scheme == "https" else None
    try:
        with (
            closing(httpcore2.ConnectionPool(ssl_context=context, network_backend=backend)) as pool,
            pool.stream("GET", where, headers=list(sent.items())) as answer,
        ):
            said = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
            check_status(shown, answer.status, said)
            check_type(shown, said, types)
            patience.listen()
            yield b""
            yield from _cut(shown, answer.iter_stream())
    except httpcore2.TimeoutException:
        raise RequestError(f"{shown} has been silent for {idle_s:g} s", transient=True) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise RequestError(
            f"{shown} cannot be reached or cut its answer off ({error})", transient=True
        ) from None
    except UnicodeEncodeError:
        raise InputError(f"a header for {shown} holds characters that no header may") from None


def _cut(shown: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines; what follows the last line's end when the answer ends is half of one, and left out."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.removesuffix(b"\r") for line in whole)
        if len(rest) > _MOST_LINE:
            raise RefusedError(f"{shown} sends a line of more than {_MOST_LINE:,} bytes")


def connected(url: str, *, guard: Guard | None = None) -> tuple[socket.socket, ssl.SSLContext | None, str]:
    """A socket that is connected to an address that was looked at, for a client of another protocol.

    Arguments:
        url: http or https; the client speaks its own scheme over it.
        guard: What may be asked.

    Returns:
        The socket, still without TLS; the context for TLS, or None for http; the host's name for it.

    Raises:
        RefusedError: If the address is none that may be used.
        RequestError: If it cannot be reached.
    """
    guard = guard or Guard()
    scheme, host, port, _ = parsed_address(url)
    deadline, shown = Deadline(guard.seconds), shown_address(url)
    backend = GuardedBackend(
        guard.addresses(scheme, host, port, within_s=deadline.left()), deadline, dial=guard.dial
    )
    try:
        stream = backend.connect_tcp(host, port)
    except (httpcore2.TimeoutException, httpcore2.NetworkError) as error:
        raise RequestError(f"{shown} cannot be reached ({error})", transient=True) from None
    found: socket.socket = stream.get_extra_info("socket")
    # from here on its user decides how long to wait
    found.settimeout(None)
    return found, certificates() if scheme == "https" else None, host
