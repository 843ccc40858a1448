"""Keeping what could not become a post."""

from collections.abc import Sequence

from sqlalchemy import insert

from crisislens.store.models import DeadLetter
from crisislens.store.records import Unread
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul

__all__ = ["insert_dead"]

_MOST_RAW_BYTES = 65_536
_MOST_REASON = 500


def insert_dead(tx: Transaction, source: int, name: str, letters: Sequence[Unread]) -> None:
    """Inserts dead letters of a source, in their order."""
    if not letters:
        return
    rows = []
    for letter in letters:
        kept = letter.raw.encode("utf-8", "replace")[:_MOST_RAW_BYTES].decode("utf-8", "ignore")
        rows.append(
            {
                "source_id": source,
                "raw": without_nul(kept),
                "reason": without_nul(letter.reason[:_MOST_REASON]),
                "at": tx.now,
            }
        )
    tx.connection.execute(insert(DeadLetter), rows)
    tx.event("source.changed", name=name)
