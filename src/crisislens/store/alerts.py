"""Alerts: raised once a rule, place and window, made graver and not repeated, closed by people.

Who evaluates rules reads events from `cursor` on, and hands over what it found together with the cursor
that it began at (`apply`). Where another process was quicker, the cursor has moved and nothing is written; so
an event counts once, however many processes evaluate and wherever one is killed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, func, select, update

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store.alert_hits import hits
from crisislens.store.database import Database
from crisislens.store.models import Alert, AlertPost, AlertRule, Setting
from crisislens.store.outbox import enqueue
from crisislens.store.records import AlertRow, AlertState, Finding, Hit, RuleRow, RuleSpec
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Alerts", "alert_rows"]

_CURSOR = "alerts.cursor"
_MOST_NOTE = 2_000


class Alerts:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        *,
        state: AlertState | None = None,
        place: str | None = None,
        before_id: int | None = None,
        most: int = 100,
    ) -> tuple[AlertRow, ...]:
        """The newest first."""
        terms: list[Any] = [] if state is None else [Alert.state == state]
        terms += [] if place is None else [Alert.place == place]
        terms += [] if before_id is None else [Alert.id < before_id]
        with self._database.read() as connection:
            return tuple(alert_rows(connection, *terms, most=most))

    def get(self, alert_id: int) -> AlertRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, alert_id)

    def count_open(self) -> int:
        """How many wait for a person."""
        wanted = select(func.count()).select_from(Alert).where(Alert.state == "open")
        with self._database.read() as connection:
            return int(connection.execute(wanted).scalar_one())

    def hits(self, spec: RuleSpec, **chosen: Any) -> tuple[Hit, ...]:
        """The posts that a rule counts; see `alert_hits.hits` for what may be chosen."""
        with self._database.read() as connection:
            return tuple(hits(connection, spec, **chosen))

    def close(
        self, alert_id: int, state: Literal["answered", "dismissed"], *, note: str | None = None, actor: str
    ) -> AlertRow:
        """Says that somebody takes care of it, or that it was a false alarm.

        The posts of an answered alert count for no rule any more, those of a false alarm not for its own.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If it is closed already.
        """
        if note is not None and len(note) > _MOST_NOTE:
            raise InputError(f"the note has {len(note)} characters, and {_MOST_NOTE} may be; shorten it")

        def end(tx: Transaction) -> AlertRow:
            # of two who close it at once the second sees what the first did
            tx.connection.execute(select(Alert.id).where(Alert.id == alert_id).with_for_update())
            before = _get(tx.connection, alert_id)
            if before.state != "open":
                raise ConflictError(f"alert {alert_id} was {before.state} by {before.closed_by} already")
            values = {"state": state, "closed_by": actor, "note": note, "changed_at": tx.now}
            tx.connection.execute(update(Alert).where(Alert.id == alert_id).values(values))
            row = _get(tx.connection, alert_id)
            tx.audit(actor, f"alert.{state}", f"alert:{alert_id}", after={"posts": list(row.post_ids)})
            tx.event("alert.closed", alert=alert_id, state=state)
            enqueue(tx, "alert.closed", row)
            return row

        return self._database.write(end)

    def cursor(self) -> int | None:
        """The number of the last event that was evaluated; None where none ever was."""
        with self._database.read() as connection:
            return _cursor(connection)

    def apply(self, before: int | None, after: int, found: Sequence[Finding]) -> Sequence[int] | None:
        """Writes what events brought, if nobody else has meanwhile.

        Arguments:
            before: The cursor that the events were read from.
            after: The number of the last one.
            found: What rules saw.

        Returns:
            The alerts that were raised or became graver; None where another process was quicker.
        """

        def write(tx: Transaction) -> Sequence[int] | None:
            if not _move_cursor(tx, before, after):
                return None
            told = [_raise(tx, finding) for finding in found]
            return [number for number in told if number is not None]

        return self._database.write(write)


def alert_rows(connection: Connection, *terms: Any, most: int | None = None) -> list[AlertRow]:
    """Alerts with their posts, the newest first."""
    columns = [Alert.__table__.c[name] for name in AlertRow.model_fields if name not in ("rule", "post_ids")]
    wanted = select(*columns, AlertRule.name.label("rule")).join(AlertRule, AlertRule.id == Alert.rule_id)
    rows = connection.execute(wanted.where(*terms).order_by(Alert.id.desc()).limit(most)).mappings().all()
    posts: dict[int, list[int]] = defaultdict(list)
    members = select(AlertPost.alert_id, AlertPost.post_id).order_by(AlertPost.at, AlertPost.post_id)
    for number, post in connection.execute(
        members.where(AlertPost.alert_id.in_([row["id"] for row in rows]))
    ):
        posts[number].append(post)
    return [AlertRow.model_validate({**row, "post_ids": tuple(posts[row["id"]])}) for row in rows]


def _get(connection: Connection, alert_id: int) -> AlertRow:
    rows = alert_rows(connection, Alert.id == alert_id)
    if not rows:
        raise NotFoundError(f"there is no alert {alert_id}; the page of alerts lists them")
    return rows[0]


def _cursor(connection: Connection, *, lock: bool = False) -> int | None:
    wanted = select(Setting.value).where(Setting.name == _CURSOR)
    value = connection.execute(wanted.with_for_update() if lock else wanted).scalar()
    return None if value is None else int(value["seq"])


def _move_cursor(tx: Transaction, before: int | None, after: int) -> bool:
    if before is None:
        row = {"name": _CURSOR, "value": {"seq": after}, "at": tx.now}
        made = upsert(tx.connection, Setting).values(row).on_conflict_do_nothing().returning(Setting.name)
        return tx.connection.execute(made).scalar() is not None
    if _cursor(tx.connection, lock=True) != before:
        return False
    moved = update(Setting).where(Setting.name == _CURSOR)
    tx.connection.execute(moved.values(value={"seq": after}, at=tx.now))
    return True


def _raise(tx: Transaction, finding: Finding) -> int | None:
    """Opens an alert or adds to the one that is open; its number where that is news."""
    [rule] = [RuleRow.model_validate(dict(row)) for row in _rule(tx, finding.rule_id)]
    window = rule.spec.window
    same = (Alert.rule_id == finding.rule_id, Alert.place == finding.place, Alert.state == "open")
    near = (Alert.full_at >= finding.began_at - window, Alert.began_at <= finding.full_at + window)
    there = tx.connection.execute(
        select(Alert.__table__).where(*same, *near).order_by(Alert.id.desc())
    ).first()
    number, news = (_open(tx, rule, finding), True) if there is None else _add(tx, rule, there, finding)
    if number is None:
        return None
    rows = [{"alert_id": number, "post_id": post, "at": at} for post, at in finding.posts]
    tx.connection.execute(upsert(tx.connection, AlertPost).on_conflict_do_nothing(), rows)
    if not news:
        return None
    kind = "alert.opened" if there is None else "alert.escalated"
    level = rule.spec.level(finding.most)
    tx.event(kind, alert=number, rule=rule.name, place=finding.place, level=level)
    enqueue(tx, kind, _get(tx.connection, number))
    return number


def _rule(tx: Transaction, rule_id: int) -> Any:
    return tx.connection.execute(select(AlertRule.__table__).where(AlertRule.id == rule_id)).mappings()


def _open(tx: Transaction, rule: RuleRow, finding: Finding) -> int | None:
    began_at = _free_moment(tx, finding)
    if began_at is None:
        return None
    row = {
        "uid": _uid(finding.rule_id, finding.place, began_at),
        "rule_id": finding.rule_id,
        "spec": rule.spec.model_dump(mode="json"),
        "place": finding.place,
        "place_name": finding.place_name,
        "state": "open",
        "level": rule.spec.level(finding.most),
        "most": finding.most,
        "began_at": began_at,
        "full_at": finding.full_at,
        "opened_at": tx.now,
        "changed_at": tx.now,
        "closed_by": None,
        "note": None,
    }
    made = upsert(tx.connection, Alert).values(row).on_conflict_do_nothing().returning(Alert.id)
    number = tx.connection.execute(made).scalar()
    return None if number is None else int(number)


def _add(tx: Transaction, rule: RuleRow, there: Any, finding: Finding) -> tuple[int, bool]:
    most = max(there.most, finding.most)
    level = max(there.level, rule.spec.level(most))
    values = {
        "most": most,
        "level": level,
        "full_at": max(there.full_at, finding.full_at),
        "changed_at": tx.now,
    }
    tx.connection.execute(update(Alert).where(Alert.id == there.id).values(values))
    return int(there.id), level > there.level


def _free_moment(tx: Transaction, finding: Finding) -> datetime | None:
    """When an alert is said to have begun. Of a source that gives days alone all posts are of one moment, and
    a closed alert may hold it: new posts then begin the next free microsecond. None where the alert that
    holds it rests on these very posts, as when it was closed while they were looked at.
    """
    began_at = finding.began_at
    first = [post for post, _ in finding.posts[:1]]
    same = select(Alert.id).where(Alert.rule_id == finding.rule_id, Alert.place == finding.place)
    while True:
        number = tx.connection.execute(same.where(Alert.began_at == began_at)).scalar()
        if number is None:
            return began_at
        shared = select(AlertPost.post_id).where(AlertPost.alert_id == number, AlertPost.post_id.in_(first))
        if not first or tx.connection.execute(shared).first() is not None:
            return None
        began_at += timedelta(microseconds=1)


def _uid(rule_id: int, place: str, began_at: datetime) -> str:
    """The same however often it is made."""
    digest = hashlib.sha256(f"{rule_id}\n{place}\n{began_at.isoformat()}".encode())
    return digest.hexdigest()[:32]
