"""Which version of the tables a store has, and how it gets to this one."""

from functools import cache
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from crisislens.core.errors import StoreError
from crisislens.store.models import Base

__all__ = [
    "SEARCH_TABLE",
    "check_version",
    "downgrade",
    "drift",
    "head",
    "ours",
    "refuse_others",
    "upgrade",
    "upgrade_known",
    "version",
]

SEARCH_TABLE = "post_words"
"""SQLite's index of words; PostgreSQL has a column and an index of that name."""

# Alembic's own; it stays, without a row, where a store is taken back to nothing
_VERSIONS = "alembic_version"
# every version of a store has it
_POSTS = "post"


def ours(thing: Any, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
    """Whether the models describe a thing; what searches does its own database's way is left out."""
    return not (name or "").startswith((SEARCH_TABLE, f"ix_{SEARCH_TABLE}", "post_box"))


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("crisislens.store") / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def _steps() -> tuple[str, frozenset[str]]:
    """The newest version and all that are known; read once, since Alembic loads every migration for it."""
    scripts = ScriptDirectory.from_config(_config())
    return str(scripts.get_current_head()), frozenset(step.revision for step in scripts.walk_revisions())


def head() -> str:
    """The version that this crisislens works with."""
    return _steps()[0]


def version(connection: Connection) -> str | None:
    """The version that a store has; None where it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, to: str = "head") -> None:
    """Brings a store to a version, inside the connection's transaction."""
    command.upgrade(_config(connection), to)


def upgrade_known(connection: Connection) -> str:
    """Brings a store to this version, but for one of a newer crisislens; returns the version.

    Raises:
        StoreError: If it is of a version that this crisislens does not know, or a file of SQLite that holds
            tables of something else.
    """
    found = refuse_others(connection)
    if connection.dialect.name != "sqlite":
        # several processes may start at once
        connection.execute(text("SELECT pg_advisory_xact_lock(7431019652)"))
    if found != head():
        upgrade(connection)
    return head()


def refuse_others(connection: Connection) -> str | None:
    """Looks, and writes nothing, whether a database may become a store or is one; returns its version.

    Raises:
        StoreError: If it is of a version that this crisislens does not know, or a file of SQLite that holds
            tables of something else.
    """
    # PostgreSQL's extensions bring tables of their own, so there others are no sign
    names = set(inspect(connection).get_table_names()) if connection.dialect.name == "sqlite" else set()
    others = sorted(names - {_VERSIONS})
    # many programs use Alembic, so a version alone makes no store; nor can theirs always be read
    if others and _POSTS not in names:
        raise _of_others(others[0])
    found = version(connection)
    if found is None and others:
        raise _of_others(others[0])
    if found is not None and names == {_VERSIONS}:
        raise _of_others(_VERSIONS)
    if found is not None and found not in _steps()[1]:
        raise _unknown(found)
    return found


def downgrade(connection: Connection, to: str) -> None:
    """Takes a store back to a version."""
    command.downgrade(_config(connection), to)


def check_version(connection: Connection) -> None:
    """Holds a store against this crisislens.

    Raises:
        StoreError: If it is of another version, or none.
    """
    found, wanted = refuse_others(connection), head()
    if found == wanted:
        return
    if found is None:
        raise StoreError("the database is empty; crisislens serve or crisislens store upgrade makes a store")
    raise StoreError(f"the store is of version {found}, this is {wanted}; run: crisislens store upgrade")


def _of_others(table: str) -> StoreError:
    return StoreError(
        f"the file holds tables of something else ({table:.40}, say) and no store of crisislens; nothing was "
        "written to it; name another file"
    )


def _unknown(found: str) -> StoreError:
    return StoreError(
        f"the store is of version {found}, which this crisislens does not know; install the newer one that "
        "made it"
    )


def drift(connection: Connection) -> list[Any]:
    """What the tables have otherwise than the models say; nothing, if the migrations are right."""
    options = {"include_object": ours, "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))
