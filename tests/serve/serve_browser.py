"""A service at a port of its own, for tests that look at it with a real browser."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI

from crisislens.serve.app import create_app
from crisislens.serve.server import ServiceServer
from crisislens.serve.service import ServeSettings
from crisislens.store import Store


def chromium_or_skip() -> str:
    """Where Chromium is; skips the test where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium here; install it to test the service in a browser")


@contextmanager
def at_a_port(store: Store, settings: ServeSettings) -> Iterator[tuple[str, FastAPI]]:
    """A service of its own on a store: that of a site runs in the loop of its client."""
    app = create_app(store, settings)
    server = ServiceServer(app, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    try:
        yield server.url, app
    finally:
        server.close()
        thread.join(timeout=15)
        assert not thread.is_alive()
