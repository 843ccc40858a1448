"""One transaction that writes.

Three things are hot: the order of events, the chain of the audit trail, and the tallies, of which every
writer changes the same few. They are gathered and written last, on PostgreSQL under one advisory lock that
the commit releases. So events are numbered in the order in which they become visible (a reader that has seen
7 never misses a 6 that comes later), and writers cannot wait for each other in a circle over a tally.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from crisislens.store.models import Audit, Event, Tally, table_of

__all__ = [
    "GENESIS",
    "Gathered",
    "Transaction",
    "audit_hash",
    "canonical",
    "hour_of",
    "upsert",
    "write_gathered",
]

GENESIS = "0" * 64
"""What the first entry of the audit trail holds instead of a digest."""
# any number that no other program of the same database takes
_LOCK = 7_431_019_651


def hour_of(moment: datetime) -> datetime:
    """The hour that a moment lies in."""
    return moment.replace(minute=0, second=0, microsecond=0)


def audit_hash(previous: str, entry: Mapping[str, Any]) -> str:
    """SHA-256 over the digest of the entry before and the entry as canonical JSON."""
    content = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{previous}\n{content}".encode("utf-8", "surrogatepass")).hexdigest()


def upsert(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, of the database at hand."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


@dataclass
class Gathered:
    """What is written last."""

    events: list[dict[str, Any]] = field(default_factory=list)
    audits: list[dict[str, Any]] = field(default_factory=list)
    tallies: Counter[tuple[datetime, str, str, str]] = field(default_factory=Counter)

    def add(self, other: "Gathered") -> None:
        """Joins what another job gathered."""
        self.events += other.events
        self.audits += other.audits
        # not `update`: counts that sum up to nothing are still changes of theirs
        for key, posts in other.tallies.items():
            self.tallies[key] += posts


class Transaction:
    """What a writing job gets.

    Arguments:
        connection: In a transaction.

    Attributes:
        connection: The connection.
        now: The time of the transaction.
        sqlite: Whether this is SQLite.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.now = datetime.now(UTC)
        self.sqlite = connection.dialect.name == "sqlite"
        self.gathered = Gathered()

    def event(self, kind: str, post_id: int | None = None, **doc: Any) -> None:
        """Tells everybody that something happened; never with a post's text."""
        self.gathered.events.append({"kind": kind, "post_id": post_id, "doc": doc, "at": self.now})

    def audit(
        self,
        actor: str,
        action: str,
        thing: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Notes who did what."""
        entry = {
            "at": self.now,
            "actor": actor,
            "action": action,
            "object": thing,
            "before": None if before is None else dict(before),
            "after": None if after is None else dict(after),
        }
        self.gathered.audits.append(entry)

    def tally(self, at: datetime, task: str, label: str, place: str, posts: int) -> None:
        """Counts posts of a label in the hour of `at`; a negative number takes them off."""
        self.gathered.tallies[hour_of(at), task, label, place] += posts


def write_gathered(connection: Connection, gathered: Gathered) -> None:
    """Writes events, audit entries and tallies; the last thing before the commit."""
    changed = {key: posts for key, posts in gathered.tallies.items() if posts}
    if not (gathered.events or gathered.audits or changed):
        return
    if connection.dialect.name != "sqlite":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    if changed:
        _write_tallies(connection, changed)
    if gathered.audits:
        _write_audits(connection, gathered.audits)
    if gathered.events:
        connection.execute(insert(table_of(Event)), gathered.events)


def _write_tallies(connection: Connection, changed: Mapping[tuple[datetime, str, str, str], int]) -> None:
    rows = [
        {"hour": hour, "task": task, "label": label, "place": place, "posts": posts}
        for (hour, task, label, place), posts in sorted(changed.items())
    ]
    statement = upsert(connection, Tally)
    summed = Tally.posts + statement.excluded.posts
    keys = [Tally.place, Tally.hour, Tally.task, Tally.label]
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"posts": summed}), rows)


def _write_audits(connection: Connection, entries: list[dict[str, Any]]) -> None:
    last = select(Audit.hash).order_by(Audit.id.desc()).limit(1)
    previous = connection.execute(last).scalar() or GENESIS
    for entry in entries:
        digest = audit_hash(previous, canonical(entry))
        connection.execute(insert(Audit), [{**entry, "previous": previous, "hash": digest}])
        previous = digest


def canonical(entry: Any) -> dict[str, Any]:
    """What of an audit entry its digest is over."""
    at: datetime = entry["at"]
    kept = ("actor", "action", "object", "before", "after")
    return {"at": at.astimezone(UTC).isoformat(), **{name: entry[name] for name in kept}}
