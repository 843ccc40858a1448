"""Ways out: servers of others and mailboxes, and the secrets that messages are signed with.

A secret must be had in plain to sign with it, so it stands in the database as it is; no answer, page, event
or entry of the audit trail holds one but the answer that made it.
"""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.models import AlertRule, Delivery, Outlet
from crisislens.store.outbox import KINDS, USUAL_KINDS, enqueue
from crisislens.store.reading import pairs
from crisislens.store.records import OutletRow
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul

__all__ = ["Outlets", "outlet_rows"]

_MOST_OUTLETS = 50
_MOST_NAME, _MOST_TARGET = 80, 2_000
_SECRET_BYTES = 24


class Outlets:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[OutletRow, ...]:
        """Those that were not removed, by name."""
        with self._database.read() as connection:
            return tuple(outlet_rows(connection))

    def get(self, outlet_id: int) -> OutletRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, outlet_id)

    def add(
        self,
        name: str,
        kind: Literal["webhook", "mail"],
        target: str,
        *,
        kinds: Sequence[str] = USUAL_KINDS,
        rules: Sequence[int] = (),
        actor: str,
    ) -> tuple[str | None, OutletRow]:
        """Adds a way out; returns the secret of a webhook, this once, and the row.

        Raises:
            ConflictError: If the name is taken.
            InputError: If a value cannot be used, there is no such rule, or there are fifty.
        """
        clean, where = without_nul(name).strip(), without_nul(target).strip()
        if not 0 < len(clean) <= _MOST_NAME or not 0 < len(where) <= _MOST_TARGET:
            raise InputError(f"a way out has a name of 1 to {_MOST_NAME} characters, and an address")
        unknown = set(kinds) - set(KINDS)
        if unknown or not kinds:
            raise InputError(f"there are the events {', '.join(KINDS)}; give one or more of them")
        secret = _new_secret() if kind == "webhook" else None

        def make(tx: Transaction) -> OutletRow:
            there = outlet_rows(tx.connection)
            if any(row.name == clean for row in there):
                raise ConflictError(f"there is a way out {clean!r} already; take another name")
            if len(there) >= _MOST_OUTLETS:
                raise InputError(f"{_MOST_OUTLETS} ways out are all that are kept; remove one first")
            _check_rules(tx, rules)
            row = {"name": clean, "kind": kind, "target": where, "kinds": sorted(set(kinds)), "enabled": True}
            row |= {"rules": sorted(set(rules)), "secret": secret, "made_at": tx.now}
            number = tx.connection.execute(insert(Outlet).returning(Outlet.id), row).scalar_one()
            # the address may hold a token of its own, so that only its kind is noted
            tx.audit(actor, "outlet.add", f"outlet:{clean}", after={"kind": kind, "kinds": row["kinds"]})
            return _get(tx.connection, number)

        made = self._database.write(make)
        return secret, made

    def switch(self, outlet_id: int, enabled: bool, *, actor: str) -> OutletRow:
        """Switches it on or off; what waits meanwhile is sent afterwards.

        Raises:
            NotFoundError: If there is none.
        """

        def set_it(tx: Transaction) -> OutletRow:
            before = _get(tx.connection, outlet_id)
            tx.connection.execute(update(Outlet).where(Outlet.id == outlet_id).values(enabled=enabled))
            was, now = {"enabled": before.enabled}, {"enabled": enabled}
            tx.audit(actor, "outlet.switch", f"outlet:{before.name}", before=was, after=now)
            return _get(tx.connection, outlet_id)

        return self._database.write(set_it)

    def rotate(self, outlet_id: int, *, keep_h: float = 24.0, actor: str) -> str:
        """Makes a new secret and returns it, this once; messages are signed with both for `keep_h` hours.

        Raises:
            NotFoundError: If there is none.
            InputError: If it is a mailbox, which has no secret.
        """
        secret = _new_secret()

        def change(tx: Transaction) -> None:
            before = _get(tx.connection, outlet_id)
            if before.kind != "webhook":
                raise InputError("mail is not signed, so there is no secret to renew")
            until = tx.now + timedelta(hours=keep_h)
            values = {"secret": secret, "old_secret": Outlet.secret, "old_until": until}
            tx.connection.execute(update(Outlet).where(Outlet.id == outlet_id).values(values))
            tx.audit(actor, "outlet.rotate", f"outlet:{before.name}", after={"keep_h": keep_h})

        self._database.write(change)
        return secret

    def remove(self, outlet_id: int, *, actor: str) -> None:
        """Removes it with its secret; what was sent stays listed, what waits is given up.

        Raises:
            NotFoundError: If there is none.
        """

        def take_out(tx: Transaction) -> None:
            row = _get(tx.connection, outlet_id)
            gone = {"removed_at": tx.now, "enabled": False, "secret": None, "old_secret": None}
            gone["name"] = f"{row.name} (removed {outlet_id})"
            tx.connection.execute(update(Outlet).where(Outlet.id == outlet_id).values(gone))
            waiting = update(Delivery).where(Delivery.outlet_id == outlet_id, Delivery.state == "waiting")
            tx.connection.execute(waiting.values(state="failed", said="its way out was removed"))
            tx.audit(actor, "outlet.remove", f"outlet:{row.name}")

        self._database.write(take_out)

    def ping(self, outlet_id: int, *, actor: str) -> None:
        """Sends a trial message, also where it is switched off.

        Raises:
            NotFoundError: If there is none.
        """

        def send(tx: Transaction) -> None:
            row = _get(tx.connection, outlet_id)
            enqueue(tx, "ping", None, only=outlet_id, outlet=row.name)
            tx.audit(actor, "outlet.ping", f"outlet:{row.name}")
            tx.event("outlet.pinged", outlet=outlet_id)

        self._database.write(send)


def outlet_rows(connection: Connection, *terms: Any) -> list[OutletRow]:
    """Ways out by name, with how many messages wait and were given up."""
    columns = [c for c in Outlet.__table__.c if c.name in OutletRow.model_fields]
    wanted = select(*columns).where(Outlet.removed_at.is_(None), *terms).order_by(Outlet.name)
    counted = select(Delivery.outlet_id, Delivery.state, func.count()).group_by(
        Delivery.outlet_id, Delivery.state
    )
    counts = {(number, state): n for number, state, n in connection.execute(counted)}
    found = []
    for row in connection.execute(wanted).mappings():
        number = row["id"]
        waiting = counts.get((number, "waiting"), 0) + counts.get((number, "leased"), 0)
        found.append(OutletRow(**{**row, "waiting": waiting, "failed": counts.get((number, "failed"), 0)}))
    return found


def _check_rules(tx: Transaction, rules: Sequence[int]) -> None:
    """Refuses rules that there are not: nothing would ever be sent."""
    wanted = select(AlertRule.id, AlertRule.name).where(AlertRule.removed_at.is_(None))
    there = pairs(tx.connection, wanted.order_by(AlertRule.id))
    missing = sorted(set(rules) - there.keys())
    if missing:
        known = ", ".join(f"{number} ({name})" for number, name in there.items()) or "none yet"
        named = ", ".join(map(str, missing))
        raise InputError(f"there is no rule {named:.100}; there are: {known:.500}")


def _get(connection: Connection, outlet_id: int) -> OutletRow:
    rows = outlet_rows(connection, Outlet.id == outlet_id)
    if not rows:
        raise NotFoundError(f"there is no way out {outlet_id}; the page of alerts lists them")
    return rows[0]


def _new_secret() -> str:
    """As Standard Webhooks writes them: 24 random bytes in base64, with a prefix that scanners know."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
