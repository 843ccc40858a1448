"""Opening the two databases.

SQLite: one writing process, held by a lock beside the file, and one writing connection in it (WAL,
`synchronous=FULL`, `BEGIN IMMEDIATE`: a transaction that begins as a reader and then writes is told "database
is locked" at once, whatever the time-out). Everybody else reads (`query_only`, no checkpoints). Versions
3.7.0 to 3.51.2 can damage a file when the write-ahead log is reset (fixed in 3.51.3,
https://sqlite.org/wal.html#walresetbug), so they are refused; `pysqlite3` brings a sound one.
"""

import sqlite3
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool

from crisislens.core.errors import MissingExtraError, StoreError
from crisislens.core.optional import require

__all__ = ["database_file", "engine_for", "parsed_url", "sqlite_module"]

_SOUND_SQLITE = (3, 51, 3)
_BUSY_MS = 5_000
_CACHE_KB = 64_000
# pages of 4 kB: the log is written back after 16 MB
_CHECKPOINT_PAGES = 4_000
_POSTGRES = "postgresql+psycopg"


def parsed_url(url: str) -> URL:
    """A database's address; a path alone is a SQLite file.

    >>> parsed_url("crisis.db").database
    'crisis.db'
    >>> parsed_url("postgres://ann@db/crisis").drivername
    'postgresql+psycopg'

    Raises:
        StoreError: If it is neither SQLite nor PostgreSQL.
    """
    if "://" not in url:
        return URL.create("sqlite", database=url)
    try:
        parsed = make_url(url)
    except ArgumentError:
        # the address may hold a password, so it is not repeated
        raise StoreError(
            "this is no address of a database; give sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    if parsed.drivername in ("postgres", "postgresql", _POSTGRES):
        return parsed.set(drivername=_POSTGRES)
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise StoreError(
            f"{parsed.drivername}:// cannot hold a store; give sqlite:///FILE or postgresql://USER@HOST/NAME"
        )
    return parsed


def database_file(url: URL) -> Path | None:
    """The file of a SQLite address; None of PostgreSQL."""
    return Path(str(url.database)) if url.drivername == "sqlite" else None


def sqlite_module() -> ModuleType:
    """The SQLite that is used: `pysqlite3` where it is installed, else Python's own.

    Raises:
        MissingExtraError: If its version can damage a store.
    """
    try:
        module = require("pysqlite3.dbapi2", extra="serve")
    except MissingExtraError:
        module = sqlite3
    if module.sqlite_version_info < _SOUND_SQLITE:
        raise MissingExtraError(
            f"SQLite {module.sqlite_version} can damage a store (it lacks the fix of 3.51.3); {_sound_one()}"
        )
    return module


def _sound_one() -> str:
    # pysqlite3 has no packages for other systems
    if sys.platform == "linux":
        return "install a sound one with: pip install 'crisislens[serve]'"
    return "use a Python that brings 3.51.3 or newer (its sqlite3.sqlite_version says which), or PostgreSQL"


def engine_for(url: URL, *, write: bool, connections: int) -> Engine:
    """An engine of SQLAlchemy; nothing is opened yet.

    Arguments:
        url: From `parsed_url`.
        write: Whether its connections write; those of SQLite that do not cannot.
        connections: How many there may be at most.

    Raises:
        MissingExtraError: If the driver is not installed.
    """
    # a connection that was cut is found out before it is used
    pool: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 30}
    if url.drivername != "sqlite":
        require("psycopg", extra="postgres")
        return _for_pages(create_engine(url, pool_pre_ping=True, **pool))
    engine = create_engine(
        url,
        module=sqlite_module(),
        poolclass=QueuePool,
        connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000},
        **pool,
    )
    begin = "BEGIN IMMEDIATE" if write else "BEGIN"

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # the driver's own way of beginning transactions begins them as readers, and too late
        connection.isolation_level = None
        for pragma in _writing() if write else _reading():
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _for_pages(engine: Engine) -> Engine:
    """PostgreSQL that answers many short questions: to compile one, or to start helpers for it, takes longer
    than the whole answer (a page of two labels among a million posts took three times as long).
    """

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        for setting in ("jit = off", "max_parallel_workers_per_gather = 0"):
            connection.execute(f"SET {setting}")
        connection.commit()

    return engine


def _writing() -> tuple[str, ...]:
    return (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        # what is deleted is overwritten
        "secure_delete=ON",
        f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        f"cache_size=-{_CACHE_KB}",
        "temp_store=MEMORY",
    )


def _reading() -> tuple[str, ...]:
    return (
        f"busy_timeout={_BUSY_MS}",
        "query_only=ON",
        # whoever ends a transaction last would write the log back, in a page's request
        "wal_autocheckpoint=0",
        f"cache_size=-{_CACHE_KB // 4}",
        "temp_store=MEMORY",
    )
