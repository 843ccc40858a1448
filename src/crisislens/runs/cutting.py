"""Where a source is cut into chunks: after a number of rows, or sooner where their texts are long.

A row of a table may hold a million letters, and everything that is made of a text on its way to a
record (cleaned, cut into windows, written) is held for the whole chunk. Cut by count alone, 512
such rows would need gigabytes; cut by letters too, a chunk needs the same whatever stands in it.
Short texts never meet the second bound, so their chunks are full.
"""

from collections.abc import Iterable, Iterator

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.step import Chunk

__all__ = ["CHUNK_LETTERS", "chunks"]

CHUNK_LETTERS = 2_000_000
"""A chunk ends with the row that brings its letters to this number."""


def chunks(
    rows: Iterable[Post | FailedPost],
    *,
    most_rows: int,
    letters: int | None = CHUNK_LETTERS,
    first_row: int = 0,
) -> Iterator[Chunk]:
    """Cuts rows into chunks. Where the cuts are depends on the rows and the bounds alone, so equal
    rows are cut equally after a restart.

    >>> posts = [Post(id=str(i), text="flood" * i) for i in range(4)]
    >>> [len(chunk.rows) for chunk in chunks(posts, most_rows=3)]
    [3, 1]
    >>> [len(chunk.rows) for chunk in chunks(posts, most_rows=3, letters=5)]
    [2, 1, 1]

    Arguments:
        rows: Read one at a time, never ahead of the chunk that is made.
        most_rows: A chunk ends with this many.
        letters: A chunk ends with the row that brings its letters to this; None cuts by count alone.
        first_row: Position of the first row in its source, from 0.
    """
    index, held, weight = 0, [], 0
    for row in rows:
        held.append(row)
        weight += _letters(row)
        if len(held) == most_rows or (letters is not None and weight >= letters):
            yield Chunk(index, first_row, tuple(held))
            index, first_row = index + 1, first_row + len(held)
            held, weight = [], 0
    if held:
        yield Chunk(index, first_row, tuple(held))


def _letters(row: Post | FailedPost) -> int:
    """Letters that a row brings along; a reason is short."""
    if isinstance(row, FailedPost):
        return 0
    # a column of events may be as long as one of texts
    return len(row.text) + len(row.id) + len(row.event or "")
