"""Messages on their way: taken by lease, sent at least once, tried again, given up and sent anew by a person.

A message that was sent and not yet marked when its sender died is sent once more when the lease is over, with
the same id and the same body, by which its receiver knows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from crisislens.core.errors import ConflictError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.models import Delivery, Outlet
from crisislens.store.outlets import outlet_rows
from crisislens.store.records import DeliveryRow, OutletRow
from crisislens.store.transaction import Transaction

__all__ = ["BACKOFF_S", "Deliveries", "Outgoing"]

BACKOFF_S = (5, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
"""Seconds from one try to the next; after ten tries a message is given up."""
_LEASE_S = 60
_AT_ONCE = 2
_MOST_SAID = 2_000


@dataclass(frozen=True)
class Outgoing:
    """A message that was taken for sending.

    Attributes:
        row: The message.
        outlet: Where it goes.
        secrets: What it is signed with: the secret, and the former one as long as that is good.
    """

    row: DeliveryRow
    outlet: OutletRow
    secrets: tuple[str, ...]


class Deliveries:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        *,
        outlet_id: int | None = None,
        alert_id: int | None = None,
        state: str | None = None,
        before_id: int | None = None,
        most: int = 100,
    ) -> tuple[DeliveryRow, ...]:
        """The newest first."""
        chosen = {Delivery.outlet_id: outlet_id, Delivery.alert_id: alert_id, Delivery.state: state}
        terms = [column == value for column, value in chosen.items() if value is not None]
        if before_id is not None:
            terms.append(Delivery.id < before_id)
        with self._database.read() as connection:
            return tuple(_rows(connection, *terms, most=most))

    def get(self, delivery_id: int) -> DeliveryRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, delivery_id)

    def claim(self, worker: str, *, most: int = 16, lease_s: float = _LEASE_S) -> Sequence[Outgoing]:
        """Takes messages that are due, two a way out at most, so that one that hangs holds nobody else.

        Arguments:
            worker: Who takes them.
            most: How many.
            lease_s: For how long, in seconds.
        """

        with self._database.read() as connection:
            # asked every second, and mostly there is nothing: no write for that
            if connection.execute(_due(datetime.now(UTC)).limit(1)).first() is None:
                return ()

        def take(tx: Transaction) -> Sequence[Outgoing]:
            due = _due(tx.now).where(Delivery.id.in_(_first_of_each(tx.now))).limit(most)
            locked = due.with_for_update(of=Delivery, skip_locked=True)
            chosen = list(tx.connection.execute(locked).scalars())
            if not chosen:
                return ()
            until = tx.now + timedelta(seconds=lease_s)
            leased = {"state": "leased", "lease_by": worker, "lease_until": until}
            tx.connection.execute(update(Delivery).where(Delivery.id.in_(chosen)).values(leased))
            return _outgoing(tx, chosen)

        return self._database.write(take)

    def sent(self, worker: str, delivery_id: int, *, status: int | None, said: str = "") -> bool:
        """Marks a message as sent; False where somebody else has it by now."""

        def mark(tx: Transaction) -> bool:
            outlet = _mine(tx, worker, delivery_id)
            if outlet is None:
                return False
            values: dict[str, Any] = {"state": "sent", "sent_at": tx.now, "tries": Delivery.tries + 1}
            _end_lease(tx, delivery_id, {**values, "status": status, "said": said[:_MOST_SAID]})
            good = {"last_ok_at": tx.now, "failing_since": None, "said": None}
            tx.connection.execute(update(Outlet).where(Outlet.id == outlet).values(good))
            return True

        return self._database.write(mark)

    def missed(
        self,
        worker: str,
        delivery_id: int,
        said: str,
        *,
        status: int | None = None,
        wait_s: float | None = None,
        final: bool = False,
        switch_off: bool = False,
    ) -> bool:
        """Marks a try that failed; False where somebody else has the message by now.

        Arguments:
            worker: Who tried.
            delivery_id: The message.
            said: Why, in one sentence.
            status: The HTTP status, where there was one.
            wait_s: When to try again, in seconds; None goes by `BACKOFF_S`.
            final: Whether there is no use in trying again.
            switch_off: Whether the receiver said that it is gone for good.
        """

        def mark(tx: Transaction) -> bool:
            outlet = _mine(tx, worker, delivery_id)
            if outlet is None:
                return False
            tries = (
                1
                + tx.connection.execute(select(Delivery.tries).where(Delivery.id == delivery_id)).scalar_one()
            )
            over = final or tries > len(BACKOFF_S)
            pause = 0.0 if over else max(wait_s or 0.0, float(BACKOFF_S[tries - 1]))
            values: dict[str, Any] = {"state": "failed" if over else "waiting", "tries": tries}
            values |= {"status": status, "said": said[:_MOST_SAID]}
            values |= {"next_at": tx.now + timedelta(seconds=pause)}
            _end_lease(tx, delivery_id, values)
            bad: dict[str, Any] = {"failing_since": func.coalesce(Outlet.failing_since, tx.now)}
            bad |= {"said": said[:_MOST_SAID]} | ({"enabled": False} if switch_off else {})
            tx.connection.execute(update(Outlet).where(Outlet.id == outlet).values(bad))
            if over:
                tx.event("delivery.failed", delivery=delivery_id, outlet=outlet)
            return True

        return self._database.write(mark)

    def redeliver(self, delivery_id: int, *, actor: str) -> DeliveryRow:
        """Sends a message once more, with its id and its body, now.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it waits or is being sent anyway, or its way out was removed.
        """

        def again(tx: Transaction) -> DeliveryRow:
            before = _get(tx.connection, delivery_id)
            if before.state not in ("sent", "failed"):
                raise ConflictError(f"message {delivery_id} is still on its way; nothing is to be done")
            if not outlet_rows(tx.connection, Outlet.id == before.outlet_id):
                raise ConflictError(f"the way out of message {delivery_id} was removed; add it again first")
            fresh = {"state": "waiting", "tries": 0, "next_at": tx.now}
            tx.connection.execute(update(Delivery).where(Delivery.id == delivery_id).values(fresh))
            tx.audit(actor, "delivery.again", f"delivery:{delivery_id}", before={"state": before.state})
            tx.event("delivery.again", delivery=delivery_id)
            return _get(tx.connection, delivery_id)

        return self._database.write(again)


def _due(now: datetime) -> Any:
    over = and_(Delivery.state == "leased", Delivery.lease_until < now)
    waits = and_(Delivery.state == "waiting", Delivery.next_at <= now)
    wanted = select(Delivery.id).join(Outlet, Outlet.id == Delivery.outlet_id)
    # a trial message is sent through one that is switched off, which is how to find out what is wrong
    wanted = wanted.where(or_(over, waits), or_(Outlet.enabled, Delivery.kind == "ping"))
    return wanted.where(Outlet.removed_at.is_(None)).order_by(Delivery.next_at, Delivery.id)


def _first_of_each(now: datetime) -> Any:
    """The messages that have waited longest at each way out, however many wait at one of them."""
    order = (Delivery.next_at, Delivery.id)
    place = func.row_number().over(partition_by=Delivery.outlet_id, order_by=order).label("place")
    numbered = _due(now).order_by(None).add_columns(place).subquery()
    return select(numbered.c.id).where(numbered.c.place <= _AT_ONCE)


def _outgoing(tx: Transaction, ids: Sequence[int]) -> Sequence[Outgoing]:
    rows = _rows(tx.connection, Delivery.id.in_(ids))
    outlets = {row.id: row for row in outlet_rows(tx.connection)}
    wanted = select(Outlet.id, Outlet.secret, Outlet.old_secret, Outlet.old_until)
    kept = {row.id: row for row in tx.connection.execute(wanted)}
    found = []
    for row in reversed(rows):
        one = kept[row.outlet_id]
        old = one.old_secret if one.old_until is not None and one.old_until > tx.now else None
        signing = tuple(secret for secret in (one.secret, old) if secret)
        found.append(Outgoing(row, outlets[row.outlet_id], signing))
    return tuple(found)


def _mine(tx: Transaction, worker: str, delivery_id: int) -> int | None:
    """The way out of a message that a worker holds."""
    wanted = select(Delivery.outlet_id).where(Delivery.id == delivery_id, Delivery.state == "leased")
    wanted = wanted.where(Delivery.lease_by == worker).with_for_update()
    found = tx.connection.execute(wanted).scalar()
    return None if found is None else int(found)


def _end_lease(tx: Transaction, delivery_id: int, values: dict[str, Any]) -> None:
    free = {"lease_by": None, "lease_until": None}
    tx.connection.execute(update(Delivery).where(Delivery.id == delivery_id).values({**values, **free}))


def _rows(connection: Connection, *terms: Any, most: int | None = None) -> "list[DeliveryRow]":
    columns = [c for c in Delivery.__table__.c if c.name in DeliveryRow.model_fields]
    wanted = select(*columns, Outlet.name.label("outlet")).join(Outlet, Outlet.id == Delivery.outlet_id)
    wanted = wanted.where(*terms).order_by(Delivery.id.desc()).limit(most)
    return [DeliveryRow(**row) for row in connection.execute(wanted).mappings()]


def _get(connection: Connection, delivery_id: int) -> DeliveryRow:
    rows = _rows(connection, Delivery.id == delivery_id)
    if not rows:
        raise NotFoundError(f"there is no message {delivery_id}; the page of alerts lists them")
    return rows[0]
