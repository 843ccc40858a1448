"""A service over a fresh store, with one person and one key of each role."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from serve_site import Site, open_site

from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """The service, its store and its people. Streams end at once, so that no test waits for one."""
    settings = ServeSettings(host="testserver", limits=Limits(stream_s=0.05, calls_s=10_000))
    with open_site(tmp_path, settings) as found:
        yield found
