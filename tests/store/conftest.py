"""Stores to test on: every test that takes `store` runs on SQLite and on PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from sqlalchemy import Engine, create_engine, text

from crisislens.store import Store, open_store
from crisislens.store.models import Base
from postgres_server import PostgresServer, missing_programs
from store_template import new_file


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test run alone."""
    missing = missing_programs()
    if missing:
        if os.environ.get("CRISISLENS_REQUIRE_POSTGRES") == "1":
            pytest.fail(f"PostgreSQL should be here, and is not: {missing}")
        pytest.skip(f"PostgreSQL's server is not here: {missing}")
    server = PostgresServer.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_store(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same on PostgreSQL: its address. All tests share it, and it is emptied before each."""
    address = postgres.database("crisis")
    open_store(address, blobs=tmp_path_factory.mktemp("blobs")).close()
    return address


@pytest.fixture(scope="session")
def emptying(postgres_store: str) -> Iterator[Engine]:
    """A connection that stays open: to make one takes longer than to empty the tables."""
    address = postgres_store.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(address, pool_size=1, pool_pre_ping=True)
    yield engine
    engine.dispose()


# an insert that was refused has left no row, and has counted all the same
_USED = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
UNION SELECT d.refobjid::regclass::text FROM pg_depend d JOIN pg_sequence s ON d.objid = s.seqrelid
WHERE d.refclassid = 'pg_class'::regclass AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
"""


def _emptied(engine: Engine) -> None:
    """Leaves the store of PostgreSQL without a row, at the price of the tables that were written to."""
    with engine.begin() as connection:
        used = {name.strip('"') for name in connection.scalars(text(_USED))} & {*Base.metadata.tables}
        if used:
            names = ", ".join(f'"{name}"' for name in sorted(used))
            connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


Opened = Callable[..., Store]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{new_file(tmp_path / 'crisis.db')}"
    _emptied(request.getfixturevalue("emptying"))
    given: str = request.getfixturevalue("postgres_store")
    return given


@pytest.fixture
def opened(address: str, tmp_path: Path) -> Iterator[Opened]:
    """Opens stores of one database; they are closed after the test."""
    stores: list[Store] = []

    def open_it(**given: Any) -> Store:
        given.setdefault("least_free_bytes", 0)
        store = open_store(address, blobs=tmp_path / "blobs", **given)
        stores.append(store)
        return store

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def new_sqlite(tmp_path: Path) -> Iterator[Opened]:
    """Makes empty stores of SQLite, as many as are asked for; for what no database answers another way."""
    stores: list[Store] = []

    def make(**given: Any) -> Store:
        file = new_file(tmp_path / f"new-{len(stores)}.db")
        stores.append(open_store(str(file), **{"least_free_bytes": 0, **given}))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def quick(new_sqlite: Opened) -> Store:
    """One of them."""
    return new_sqlite()


@pytest.fixture
def store(opened: Opened) -> Store:
    """An empty store."""
    return opened()
