"""A store and a tiny bundle for the worker processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.assess import AnalystSpec
from crisislens.store import Store, open_store
from store_template import new_file
from tiny_bundles import write_bundle

QUICK = ("places", "place_types")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store of SQLite."""
    with open_store(str(new_file(tmp_path / "crisis.db")), least_free_bytes=0) as opened:
        yield opened


@pytest.fixture
def spec(tmp_path: Path) -> AnalystSpec:
    """A tiny bundle that reads English."""
    folder = write_bundle(tmp_path / "bundle", languages=("en",))
    return AnalystSpec((str(folder),), leave_out=QUICK)
