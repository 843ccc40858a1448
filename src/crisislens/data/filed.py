"""Posts filed under one event, where the table that they are in does not say which.

Places are found post by post, and never by what other posts name: who knows what a file is about
says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crisislens.core.fingerprint import fingerprint
from crisislens.data.source import PostSource
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["FiledSource"]


@dataclass(frozen=True)
class FiledSource:
    """A source whose posts are of an event; those that are filed under another one stay there.

    Arguments:
        source: The posts.
        event: The name of the event, such as `Haiti earthquake`.
    """

    source: PostSource
    event: str

    def __iter__(self) -> Iterator[Post | FailedPost]:
        for post in self.source:
            without = isinstance(post, Post) and not post.event
            # a copy: the source keeps its own posts
            yield post.model_copy(update={"event": self.event}) if without else post

    def fingerprint(self) -> str:
        """16 hex digits over the source and the event."""
        return fingerprint({"source": self.source.fingerprint(), "event": self.event})

    def describe(self) -> dict[str, object]:
        """What the source is, and the event."""
        return {**self.source.describe(), "event": self.event}
