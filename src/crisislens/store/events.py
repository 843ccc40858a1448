"""Events: the outbox. Each is written in the transaction of what it tells, in one order for all readers."""

from collections.abc import Callable, Sequence

from crisislens.store.database import Database
from crisislens.store.records import EventRow

__all__ = ["Events"]


class Events:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def after(self, seq: int, *, most: int = 200, kinds: Sequence[str] = ()) -> tuple[EventRow, ...]:
        """Events after a number, in their order; none is ever seen before one with a smaller number."""
        raise NotImplementedError

    def last(self) -> int:
        """The newest number; 0 where nothing has happened."""
        raise NotImplementedError

    def first(self) -> int:
        """The oldest number that is still there; a reader whose last is below it minus one missed some."""
        raise NotImplementedError

    def wait(self, seq: int, *, timeout_s: float) -> bool:
        """Waits until there may be an event after `seq`; False where the time ran out. Blocks a thread."""
        raise NotImplementedError

    def on_change(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Has a function called (from another thread) after each commit of this process that wrote events;
        returns what stops that. On PostgreSQL other processes write too: poll every 250 ms as well.
        """
        raise NotImplementedError
