"""A Redis server for tests: its own port on this computer, nothing kept, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

__all__ = ["running_redis"]


@contextmanager
def running_redis() -> Iterator[str]:
    """The address of a server; skips where the program is missing and need not be there."""
    program = shutil.which("redis-server")
    if program is None:
        assert not os.environ.get("CRISISLENS_REQUIRE_REDIS"), "redis-server is missing and was required"
        pytest.skip("redis-server is not installed")
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        given = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        process = subprocess.Popen([program, *given], stdout=subprocess.DEVNULL)
        try:
            _wait(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def _wait(port: int) -> None:
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("redis-server did not start")
