"""What a source gives, and what a source is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from crisislens.store.records import NewPost, Unread

__all__ = ["Batch", "Source"]


@dataclass(frozen=True)
class Batch:
    """Posts that are taken in together.

    Attributes:
        posts: In the source's order.
        dead: What could not become a post.
        cursor: Where to go on behind them, as plain values for JSON; None of a source that has none.
        note: What the person who watches should know.
    """

    posts: tuple[NewPost, ...] = ()
    dead: tuple[Unread, ...] = ()
    cursor: dict[str, Any] | None = None
    note: str | None = None


@runtime_checkable
class Source(Protocol):
    """Where posts come from.

    Attributes:
        name: By which the service knows it.
        kind: What it is, as `rss`.
        every_s: How long to wait when nothing new was there, in seconds.
        edits: Whether its posts may change under the same id; else another content of an id is a dead letter.
    """

    name: str
    kind: str
    every_s: float
    edits: bool

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """What is new behind a cursor; ends when nothing more is there just now.

        Raises:
            CrisisLensError: If it cannot be looked at; `transient` of a RequestError says whether to try
                again.
        """
        ...

    def ended(self) -> bool:
        """Whether nothing will ever come any more."""
        ...
