"""A server in a thread, and visitors who speak to it byte by byte."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import uvicorn

__all__ = ["running", "visit"]

Address = tuple[str, int]


@contextlib.contextmanager
def running(server: uvicorn.Server, listening: socket.socket) -> Iterator[Address]:
    """Runs a server until the block ends.

    Arguments:
        server: What is run.
        listening: Where it listens; closed at the end.
    """
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[:2]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
    assert not thread.is_alive(), "the server did not end"


def visit(
    address: Address,
    parts: Sequence[bytes],
    *,
    pause_s: float = 0.0,
    half_closed: bool = False,
    patience_s: float = 10.0,
) -> bytes:
    """Sends parts and reads until the server ends the connection.

    Arguments:
        address: Of the server.
        parts: What is sent.
        pause_s: Between two parts, in seconds.
        half_closed: Whether to say behind them that nothing more comes.
        patience_s: How long nothing may come before it counts as a hang, in seconds.

    Raises:
        TimeoutError: If the server neither answers nor ends it.
    """
    with socket.create_connection(address, timeout=patience_s) as stream:
        # a server that has heard enough ends the connection while we speak
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for number, part in enumerate(parts):
                if number and pause_s:
                    time.sleep(pause_s)
                stream.sendall(part)
        if half_closed:
            # not connected any more, says the system, where the server was quicker
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_WR)
        found = []
        with contextlib.suppress(ConnectionResetError):
            while part := stream.recv(65_536):
                found.append(part)
        return b"".join(found)
