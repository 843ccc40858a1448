"""Where posts come from: anything that can be read again from the start, says what it is, and never
loses a post to another's fault.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["LabeledPost", "PostSource"]


@runtime_checkable
class PostSource(Protocol):
    """A stream of posts, in an order that never changes."""

    def __iter__(self) -> Iterator[Post | FailedPost]:
        """Reads from the start, one row at a time; a row that cannot become a post comes as a
        `FailedPost` in its place.
        """
        ...

    def fingerprint(self) -> str:
        """16 hex digits over everything that decides what comes out."""
        ...

    def describe(self) -> dict[str, object]:
        """What the source is, as plain values that JSON can hold, for reports and model cards."""
        ...


@dataclass(frozen=True)
class LabeledPost:
    """A post with what people said of it.

    Attributes:
        post: The post.
        label: The label as the source has it; `domain.tasks.Task` merges and orders it.
        split: `train`, `dev` or `test`.
        also: Further labels that hold beside it, in tasks where several may; there an empty `label`
            says that none does.
    """

    post: Post
    label: str
    split: str
    also: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels that hold; none where an empty label says so."""
        return (self.label, *self.also) if self.label else ()
