"""A step: what a run does to posts. It maps posts to records, knows no file, and one post never
costs another.

A step is asked for a whole chunk, which is fast. If the chunk fails, each of its posts is asked for
alone, and the ones that fail again become `FailedPost`s with the reason. Faults of the machine (no
memory, no disk, a model that is missing) are no post's fault: they end the run, and what is
finished stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from crisislens.core.errors import CrisisLensError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["MACHINE_FAULTS", "Chunk", "Step", "answers", "failed_post"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

MACHINE_FAULTS = (CrisisLensError, MemoryError, OSError)
"""What ends a run instead of costing a post."""
_LONGEST_REASON = 300


@runtime_checkable
class Step(Protocol[R_co]):
    """Maps posts to records."""

    @property
    def name(self) -> str:
        """What the step is called, in one word."""
        ...

    @property
    def failure(self) -> str:
        """How the reason of a failed post begins, as in `could not be assessed`."""
        ...

    def fingerprint(self) -> str:
        """16 hex digits over everything that decides the records of given posts."""
        ...

    def map(self, posts: Sequence[Post]) -> Sequence[R_co]:
        """One record a post, in their order.

        Arguments:
            posts: Any number. The record of a post must not depend on the others.
                Several threads may call.
        """
        ...


@dataclass(frozen=True)
class Chunk:
    """Rows of a source that are worked on together.

    Attributes:
        index: Which chunk of the run, from 0.
        first_row: Position of its first row in the source, from 0.
        rows: The rows: posts, and rows that could not become one.
    """

    index: int
    first_row: int
    rows: tuple[Post | FailedPost, ...]

    @property
    def posts(self) -> list[Post]:
        """The rows that are posts."""
        return [row for row in self.rows if isinstance(row, Post)]


def answers(step: Step[R], chunk: Chunk) -> list[R | FailedPost]:
    """What a step says of a chunk: a record or a `FailedPost` for each row, in the rows' order.

    Raises:
        CrisisLensError: A fault of the machine, as are MemoryError and OSError.
    """
    posts = chunk.posts
    found: list[R | FailedPost]
    try:
        found = list(step.map(posts))
        # a step that forgets a post would shift all records behind it to other posts
        if len(found) != len(posts):
            raise ValueError(f"{step.name} gave {len(found)} records for {len(posts)} posts")
    except MACHINE_FAULTS:
        raise
    except Exception:
        numbers = [chunk.first_row + i for i, row in enumerate(chunk.rows) if isinstance(row, Post)]
        found = [_alone(step, number, post) for number, post in zip(numbers, posts, strict=True)]
    # failed rows have no post, so records are dealt out to the rows that are one
    waiting = iter(found)
    return [next(waiting) if isinstance(row, Post) else row for row in chunk.rows]


def _alone(step: Step[R], number: int, post: Post) -> R | FailedPost:
    try:
        [record] = step.map([post])
    except MACHINE_FAULTS:
        raise
    except Exception as error:
        return failed_post(number, post.id, step.failure, error)
    return record


def failed_post(row: int, post_id: str | None, failure: str, error: Exception) -> FailedPost:
    """A row without a record, and why.

    Arguments:
        row: Position in the source, from 0.
        post_id: The post's id.
        failure: What could not be done.
        error: Why not.
    """
    reason = f"{failure}: {type(error).__name__}: {error}"[:_LONGEST_REASON]
    # half characters in a library's message cannot be written as UTF-8
    whole = reason.encode("utf-8", "replace").decode("utf-8")
    return FailedPost(row=row, id=post_id, reason=whole)
