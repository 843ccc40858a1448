"""A store with a past: three days in which four posts of ten asked for water, and a last hour of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.store import Store, open_store
from store_template import new_file


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store of SQLite."""
    with open_store(str(new_file(tmp_path / "crisis.db")), least_free_bytes=0) as opened:
        yield opened
