"""Whose turn it is, where one process of several is to do a thing."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update

from crisislens.store.database import Database
from crisislens.store.models import Setting
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Leases"]

_PREFIX: Final = "lease:"


class Leases:
    """Made by the store. A lease that is not renewed runs out: nobody has to notice that its holder died."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, holder: str, seconds: float, *, rank: int = 0) -> bool:
        """Takes a lease or prolongs it; whether it is the holder's. A row is written when half of its
        time is over.

        Arguments:
            name: Of what.
            holder: By whom.
            seconds: For how long.
            rank: Who has a higher one takes it from who has a lower one.
        """
        there = self._there(name)
        now = datetime.now(UTC)
        if there is not None and there["holder"] == holder and _left_s(there, now) > seconds / 2:
            return True
        if there is not None and not _free(there, holder, rank, now):
            return False

        def claim(tx: Transaction) -> bool:
            row = {"name": _PREFIX + name, "value": {}, "at": tx.now}
            made = upsert(tx.connection, Setting).values(row).on_conflict_do_nothing()
            tx.connection.execute(made)
            # of two processes of PostgreSQL the second waits here, and then sees what the first wrote
            wanted = select(Setting.value).where(Setting.name == row["name"]).with_for_update()
            held: Mapping[str, Any] = tx.connection.execute(wanted).scalar_one()
            if held and not _free(held, holder, rank, tx.now):
                return False
            until = (tx.now + timedelta(seconds=seconds)).isoformat()
            value = {"holder": holder, "until": until, "rank": rank}
            changed = update(Setting).where(Setting.name == row["name"]).values(value=value, at=tx.now)
            tx.connection.execute(changed)
            return True

        return self._database.write(claim)

    def give_back(self, name: str, holder: str) -> None:
        """Ends a lease, if it is the holder's, so that the next one need not wait."""

        def end(tx: Transaction) -> None:
            wanted = select(Setting.value).where(Setting.name == _PREFIX + name).with_for_update()
            held = tx.connection.execute(wanted).scalar()
            if held and held["holder"] == holder:
                tx.connection.execute(delete(Setting).where(Setting.name == _PREFIX + name))

        self._database.write(end)

    def _there(self, name: str) -> Mapping[str, Any] | None:
        with self._database.read() as connection:
            found = connection.execute(select(Setting.value).where(Setting.name == _PREFIX + name)).scalar()
        return found or None


def _left_s(held: Mapping[str, Any], now: datetime) -> float:
    return (datetime.fromisoformat(held["until"]) - now).total_seconds()


def _free(held: Mapping[str, Any], holder: str, rank: int, now: datetime) -> bool:
    return held["holder"] == holder or int(held["rank"]) < rank or _left_s(held, now) <= 0
