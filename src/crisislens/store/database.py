"""The database behind the store: connections that read, and one thread that writes."""

from collections.abc import Callable

__all__ = ["Database"]


class Database:
    """See the module."""

    def close(self) -> None:
        """Finishes the writes that wait."""
        raise NotImplementedError

    def on_commit(self, tell: Callable[[], None]) -> None:
        """Has a function called, in the writer's thread, after each commit that wrote events."""
        raise NotImplementedError
