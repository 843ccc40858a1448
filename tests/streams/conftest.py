"""Stores to stream into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.store import Store, open_store
from store_template import new_file


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source waits a second for what may come, and is only then told to stop: a test waits for that
    second at the end of every reader.
    """
    for name in ("jetstream", "mastodon", "kafka_topic"):
        monkeypatch.setattr(f"crisislens.streams.{name}._WAIT_S", 0.1)
    monkeypatch.setattr("crisislens.streams.redis_stream._WAIT_MS", 100)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The file of an empty store."""
    (tmp_path / "store").mkdir()
    return new_file(tmp_path / "store" / "crisis.db")


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(str(db), least_free_bytes=0) as opened:
        yield opened
