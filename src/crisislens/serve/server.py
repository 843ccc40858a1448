"""Runs the application: one process, one port, an end within five seconds and with one sentence."""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from crisislens.core.errors import InputError
from crisislens.serve.headers import JsonFormatter
from crisislens.serve.protocol import MOST_CONNECTIONS, http_protocol
from crisislens.serve.service import Service

__all__ = ["ServiceServer", "log_to_stderr"]

_GRACE_S: Final = 3
_BACKLOG: Final = 2_048
_IDLE_S: Final = 30


class ServiceServer(uvicorn.Server):
    """Serves until a signal arrives or `close` is called.

    Arguments:
        app: The application.
        host: The address that it listens at.
        port: The port; 0 takes a free one.

    Raises:
        InputError: If the port or the address cannot be had.
    """

    def __init__(self, app: FastAPI, *, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self.socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"port {port} of {host} cannot be used ({reason}); give another --port or --host"
            ) from error
        super().__init__(
            uvicorn.Config(
                app,
                http=http_protocol(),
                ws="none",
                lifespan="on",
                # what is logged, and how, is ours
                log_config=None,
                access_log=False,
                # a header must not decide who is asking
                proxy_headers=False,
                server_header=False,
                date_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self.host, self.ended_by = host, 0
        self._service: Service = app.state.service

    @property
    def url(self) -> str:
        """Where it is reached."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.socket.getsockname()[1]}"

    def serve_until_stopped(self) -> int:
        """Serves.

        Returns:
            The number of the signal that ended it; 0 where `close` did.
        """
        try:
            self.run(sockets=[self.socket])
        finally:
            self.socket.close()
        return self.ended_by

    def close(self) -> None:
        """Stops serving; open requests get three seconds."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the open streams first, which would otherwise be waited for."""
        self._service.news.end()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends serving at Ctrl+C and SIGTERM; does not raise them again, as the caller has a word to say."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
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


def log_to_stderr(*, verbose: bool = False) -> Callable[[], None]:
    """Writes the log as lines of JSON; returns what ends that.

    Arguments:
        verbose: Whether every request is told, not only those that failed.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    log = logging.getLogger("crisislens")
    log.addHandler(handler)
    log.setLevel(logging.INFO if verbose else logging.WARNING)
    log.propagate = False
    # uvicorn's own words on what the application could not catch
    theirs = logging.getLogger("uvicorn.error")
    theirs.addHandler(handler)
    theirs.setLevel(logging.ERROR)
    theirs.propagate = False

    def end() -> None:
        for each in (log, theirs):
            each.removeHandler(handler)

    return end
