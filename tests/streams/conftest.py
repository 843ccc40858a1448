"""Stores to stream into."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.store import Store, open_store


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; to copy it is quicker than to make one."""
    file = tmp_path_factory.mktemp("template") / "empty.db"
    open_store(str(file)).close()
    return file


@pytest.fixture
def db(template: Path, tmp_path: Path) -> Path:
    """The file of an empty store."""
    (tmp_path / "store").mkdir()
    return Path(shutil.copy(template, tmp_path / "store" / "crisis.db"))


@pytest.fixture
def store(db: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(str(db), least_free_bytes=0) as opened:
        yield opened
