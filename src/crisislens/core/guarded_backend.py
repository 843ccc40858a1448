"""Connections that go to addresses that were looked at, under one deadline. See `core.guarded`."""

import time
from collections.abc import Iterable, Sequence
from ssl import SSLContext
from typing import Any

import httpcore2

__all__ = ["Deadline", "GuardedBackend"]


class Deadline:
    """When an exchange must be over.

    Arguments:
        seconds: From now on.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            httpcore2.ReadTimeout: If none are.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore2.ReadTimeout("the deadline is over")
        return left


class GuardedBackend(httpcore2.NetworkBackend):
    """Connects to given addresses, whatever name it is asked for; the name still counts for the certificate.

    Arguments:
        addresses: Tried in their order.
        deadline: For all that is done.
        dial: What makes the connections.
    """

    def __init__(
        self, addresses: Sequence[str], deadline: Deadline, *, dial: httpcore2.NetworkBackend | None = None
    ) -> None:
        self._addresses, self._deadline = addresses, deadline
        self._dial = dial or httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first address that takes one."""
        failed: Exception = httpcore2.ConnectError("there is no address")
        for address in self._addresses:
            try:
                stream = self._dial.connect_tcp(address, port, timeout=self._deadline.left())
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
            else:
                return _TimedStream(stream, self._deadline)
        raise failed

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        """Never: a socket of this computer is no address of the network."""
        raise httpcore2.ConnectError("sockets of this computer are not asked")


class _TimedStream(httpcore2.NetworkStream):
    """A connection; a server that sends one byte a second holds it until the deadline and no longer."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bytes that came."""
        return self._stream.read(max_bytes, timeout=self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends bytes."""
        self._stream.write(buffer, timeout=self._deadline.left())

    def close(self) -> None:
        """Ends it."""
        self._stream.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """The same, encrypted."""
        left = self._deadline.left()
        secured = self._stream.start_tls(ssl_context, server_hostname=server_hostname, timeout=left)
        return _TimedStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """What is known of it."""
        return self._stream.get_extra_info(info)
