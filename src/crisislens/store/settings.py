"""Values that people set and that jobs remember, by name."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from crisislens.store.database import Database
from crisislens.store.models import Setting
from crisislens.store.reading import pairs
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Settings"]


class Settings:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> dict[str, Any] | None:
        """The value of a name; None where nobody set one."""
        with self._database.read() as connection:
            return connection.execute(select(Setting.value).where(Setting.name == name)).scalar()

    def put(self, name: str, value: Mapping[str, Any], *, actor: str) -> None:
        """Sets a value; the audit trail holds the one before."""

        def set_value(tx: Transaction) -> None:
            before = tx.connection.execute(select(Setting.value).where(Setting.name == name)).scalar()
            row = {"name": name, "value": dict(value), "at": tx.now}
            statement = upsert(tx.connection, Setting).values(row)
            new = {"value": dict(value), "at": tx.now}
            statement = statement.on_conflict_do_update(index_elements=[Setting.name], set_=new)
            tx.connection.execute(statement)
            tx.audit(actor, "setting.put", f"setting:{name}", before=before, after=value)

        self._database.write(set_value)

    def all(self) -> dict[str, dict[str, Any]]:
        """All of them."""
        with self._database.read() as connection:
            return pairs(connection, select(Setting.name, Setting.value))
