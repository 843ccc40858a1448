"""Events: the outbox. Each is written in the transaction of what it tells, in one order for all readers."""

import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import func, select

from crisislens.store.database import Database
from crisislens.store.models import Event
from crisislens.store.records import EventRow

__all__ = ["Events"]

_POLL_S = 0.25
_SHOWN = [Event.__table__.c[name] for name in EventRow.model_fields]


class Events:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = threading.Condition()
        self._commits = 0
        database.on_commit(self._wake)

    def after(self, seq: int, *, most: int = 200, kinds: Sequence[str] = ()) -> tuple[EventRow, ...]:
        """Events after a number, in their order; none is ever seen before one with a smaller number."""
        wanted = select(*_SHOWN).where(Event.seq > seq).order_by(Event.seq).limit(most)
        if kinds:
            wanted = wanted.where(Event.kind.in_(kinds))
        with self._database.read() as connection:
            return tuple(EventRow.model_construct(**row) for row in connection.execute(wanted).mappings())

    def last(self) -> int:
        """The newest number; 0 where nothing has happened."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.max(Event.seq))).scalar() or 0)

    def first(self) -> int:
        """The oldest number that is still there; a reader whose last is below it minus one missed some."""
        with self._database.read() as connection:
            return int(connection.execute(select(func.min(Event.seq))).scalar() or 0)

    def wait(self, seq: int, *, timeout_s: float) -> bool:
        """Waits until there is an event after `seq`; False where the time ran out. Blocks a thread."""
        end = time.monotonic() + timeout_s
        while True:
            with self._changed:
                commits = self._commits
            if self.last() > seq:
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            # other processes may write too, and nobody tells of their commits
            pause = min(left, _POLL_S)
            with self._changed:
                self._changed.wait_for(lambda seen=commits: self._commits != seen, timeout=pause)  # type: ignore[misc]

    def on_change(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Has a function called (from another thread) after each commit of this process that wrote events;
        returns what stops that. On PostgreSQL other processes write too: poll every 250 ms as well.
        """
        return self._database.on_commit(tell)

    def _wake(self) -> None:
        with self._changed:
            self._commits += 1
            self._changed.notify_all()
