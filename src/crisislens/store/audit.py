"""The audit trail: a chain of entries, each holding the digest of the one before."""

from collections.abc import Mapping
from typing import Any

from crisislens.store.database import Database
from crisislens.store.records import AuditRow

__all__ = ["AuditTrail"]


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
    ) -> AuditRow:
        """Adds an entry; for what the store does not note itself. No text of posts and no secrets in it."""
        raise NotImplementedError

    def list(
        self, *, before_id: int | None = None, most: int = 100, thing: str | None = None
    ) -> tuple[AuditRow, ...]:
        """The newest entries first, all or of one object."""
        raise NotImplementedError

    def broken_at(self) -> int | None:
        """The id of the first entry that does not follow from the one before; None where the chain holds."""
        raise NotImplementedError
