"""The audit trail: a chain of entries, each holding the digest of the one before."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from crisislens.store.database import Database
from crisislens.store.models import Audit
from crisislens.store.records import AuditRow
from crisislens.store.transaction import GENESIS, audit_hash, canonical

__all__ = ["AuditTrail", "audit_rows", "broken_entry"]

_SHOWN = [Audit.__table__.c[name] for name in AuditRow.model_fields]


class AuditTrail:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        actor: str,
        action: str,
        thing: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds an entry; for what the store does not note itself. No text of posts and no secrets in it."""
        self._database.write(lambda tx: tx.audit(actor, action, thing, before=before, after=after))

    def list(
        self, *, before_id: int | None = None, most: int = 100, thing: str | None = None
    ) -> tuple[AuditRow, ...]:
        """The newest entries first, all or of one object."""
        with self._database.read() as connection:
            return tuple(audit_rows(connection, before_id=before_id, most=most, thing=thing))

    def broken_at(self) -> int | None:
        """The id of the first entry that does not follow from the one before; None where the chain holds.

        Entries that were cut off at the end cannot be seen from within: note the newest `hash` elsewhere.
        """
        with self._database.read() as connection:
            return broken_entry(connection)


def audit_rows(
    connection: Connection, *, before_id: int | None = None, most: int = 100, thing: str | None = None
) -> "list[AuditRow]":
    """The newest entries first."""
    wanted = select(*_SHOWN).order_by(Audit.id.desc()).limit(most)
    if before_id is not None:
        wanted = wanted.where(Audit.id < before_id)
    if thing is not None:
        wanted = wanted.where(Audit.object == thing)
    return [AuditRow.model_construct(**row) for row in connection.execute(wanted).mappings()]


def broken_entry(connection: Connection) -> int | None:
    """See `AuditTrail.broken_at`."""
    previous = GENESIS
    entries = connection.execute(select(Audit.__table__).order_by(Audit.id)).mappings()
    for entry in entries:
        if entry["previous"] != previous or entry["hash"] != audit_hash(previous, canonical(entry)):
            return int(entry["id"])
        previous = entry["hash"]
    return None
