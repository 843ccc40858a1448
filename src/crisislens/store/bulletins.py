"""Messages of the Common Alerting Protocol: drafted from an alert, decided and released by a person."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from crisislens.core.errors import ConflictError, NotFoundError
from crisislens.store.alerts import alert_rows
from crisislens.store.database import Database
from crisislens.store.models import Alert, Bulletin
from crisislens.store.outbox import enqueue
from crisislens.store.records import BulletinRow
from crisislens.store.transaction import Transaction

__all__ = ["Bulletins"]


class Bulletins:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self, *, alert_id: int | None = None, state: str | None = None, most: int = 100
    ) -> tuple[BulletinRow, ...]:
        """The newest first."""
        terms = [] if alert_id is None else [Bulletin.alert_id == alert_id]
        terms += [] if state is None else [Bulletin.state == state]
        with self._database.read() as connection:
            return tuple(_rows(connection, *terms, most=most))

    def get(self, bulletin_id: int) -> BulletinRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, bulletin_id)

    def draft(self, alert_id: int, identifier: str, fields: Mapping[str, Any], *, actor: str) -> BulletinRow:
        """Keeps a draft.

        Raises:
            NotFoundError: If there is no such alert.
        """

        def make(tx: Transaction) -> BulletinRow:
            if not alert_rows(tx.connection, Alert.id == alert_id):
                raise NotFoundError(f"there is no alert {alert_id}; the page of alerts lists them")
            row = {"identifier": identifier, "alert_id": alert_id, "state": "draft", "fields": dict(fields)}
            row |= {"made_at": tx.now, "made_by": actor}
            number = tx.connection.execute(insert(Bulletin).returning(Bulletin.id), row).scalar_one()
            tx.audit(actor, "bulletin.draft", f"bulletin:{identifier}", after={"alert": alert_id})
            return _get(tx.connection, number)

        return self._database.write(make)

    def release(self, bulletin_id: int, fields: Mapping[str, Any], xml: str, *, actor: str) -> BulletinRow:
        """Releases a draft as the XML that it will be for ever.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it is no draft any more.
        """
        return self._end(bulletin_id, "released", actor, {"fields": dict(fields), "xml": xml})

    def withdraw(self, bulletin_id: int, *, actor: str) -> BulletinRow:
        """Throws a draft away; one that was released is taken back by a message of type Cancel.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it is no draft any more.
        """
        return self._end(bulletin_id, "withdrawn", actor, {})

    def _end(self, bulletin_id: int, state: str, actor: str, more: Mapping[str, Any]) -> BulletinRow:
        def end(tx: Transaction) -> BulletinRow:
            before = _get(tx.connection, bulletin_id, lock=True)
            if before.state != "draft":
                raise ConflictError(
                    f"the message was {before.state} already; an Update or a Cancel of it is a new draft"
                )
            values = {"state": state, "released_at": tx.now, "released_by": actor, **more}
            tx.connection.execute(update(Bulletin).where(Bulletin.id == bulletin_id).values(values))
            row = _get(tx.connection, bulletin_id)
            decided = {name: row.fields.get(name) for name in ("status", "urgency", "severity", "certainty")}
            tx.audit(actor, f"bulletin.{state}", f"bulletin:{row.identifier}", after=decided)
            if state == "released":
                tx.event("bulletin.released", bulletin=bulletin_id, alert=row.alert_id)
                [alert] = alert_rows(tx.connection, Alert.id == row.alert_id)
                enqueue(tx, "bulletin.released", alert, cap={"identifier": row.identifier, "xml": row.xml})
            return row

        return self._database.write(end)


def _rows(
    connection: Connection, *terms: Any, most: int | None = None, lock: bool = False
) -> "list[BulletinRow]":
    wanted = select(Bulletin.__table__).where(*terms).order_by(Bulletin.id.desc()).limit(most)
    wanted = wanted.with_for_update() if lock else wanted
    return [BulletinRow(**row) for row in connection.execute(wanted).mappings()]


def _get(connection: Connection, bulletin_id: int, *, lock: bool = False) -> BulletinRow:
    rows = _rows(connection, Bulletin.id == bulletin_id, lock=lock)
    if not rows:
        raise NotFoundError(f"there is no message {bulletin_id}; the alert's page lists its own")
    return rows[0]
