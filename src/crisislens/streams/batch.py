"""What a source gives, and what a source is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from crisislens.store.records import NewPost, Unread

__all__ = ["Batch", "Closes", "OwnServer", "Placed", "Source"]


@dataclass(frozen=True)
class Batch:
    """Posts that are taken in together.

    Attributes:
        posts: In the source's order.
        dead: What could not become a post.
        cursor: Where to go on behind them, as plain values for JSON; None of a source that has none.
        note: What the person who watches should know.
        gone: Ids of posts that the source took back; also of posts that come later or never came.
        gone_authors: Of whom everything of this source goes.
        remember: Whether posts of `gone` that are not here are to be refused later; not where a source keeps
            its order and takes back millions that nobody kept.
        pictures: From ids of posts to what gives the bytes of their pictures, which came with them.
        taken: Called when all of it is durable, to acknowledge it.
    """

    posts: tuple[NewPost, ...] = ()
    dead: tuple[Unread, ...] = ()
    cursor: dict[str, Any] | None = None
    note: str | None = None
    gone: tuple[str, ...] = ()
    gone_authors: tuple[str, ...] = ()
    remember: bool = True
    pictures: Mapping[str, tuple[Callable[[], bytes], ...]] = field(default_factory=dict)
    taken: Callable[[], None] | None = None


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


@runtime_checkable
class Closes(Protocol):
    """A source that holds a connection."""

    def close(self) -> None:
        """Lets go of it."""
        ...


@runtime_checkable
class OwnServer(Protocol):
    """A source whose pictures lie at its own server and need a token there."""

    def headers_for(self, url: str) -> Mapping[str, str]:
        """The headers that a picture is fetched with; none for other servers."""
        ...


class Placed:
    """A source whose made name says only a part of where it lies.

    Attributes:
        place: A digest of all of it; empty where nobody set it.
        named: Whether somebody gave the name, and with it decides what goes on under it.
    """

    place: str = ""
    named: bool = False
