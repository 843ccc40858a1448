"""Posts that differ: of the most uncertain ones, each as unlike those before it as can be.

Greedy k-center over the signatures of `data.duplicates`: the distance of two posts is the share of entries in
which their signatures differ, an estimate of one minus the Jaccard similarity of their texts. The first is
the most uncertain post; each next one is that with the largest distance to its nearest chosen one, and of
equals the more uncertain. Source: Gonzalez 1985, "Clustering to minimize the maximum intercluster distance".
Labels of such posts teach a model more than those of a hundred versions of one text.

Each page works the order out anew, so the cursor carries when the first page was asked for: posts that were
assessed since are left out of the later ones, which would else repeat some posts and hide others.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from crisislens.store.listing import Cursor, page_statement
from crisislens.store.models import Post, Signature
from crisislens.store.records import PostFilter

__all__ = ["diverse_ids", "farthest_first"]

_CANDIDATES = 1_000
_LENGTH = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def diverse_ids(connection: Connection, wanted: PostFilter) -> tuple[list[int], str | None]:
    """The posts of one page and the next cursor: how many were shown, and in place of a post's number the
    microseconds since 1970 at which the first page was asked for.
    """
    shown, began = 0, (datetime.now(UTC) - _EPOCH) // _TICK
    if wanted.after is not None:
        cursor = Cursor.read(wanted.after, "diverse")
        shown, began = _counted(cursor.value), cursor.post_id
    whole = wanted.model_copy(update={"after": None})
    candidates = page_statement(connection, whole).where(Post.assessed_at <= _moment(began))
    ids = [row.number for row in connection.execute(candidates.limit(_CANDIDATES))]
    stored = select(Signature.post_id, Signature.minhash).where(Signature.post_id.in_(ids))
    # what stands behind the signature are the numbers that a text says
    hashes = {number: sketch[: 4 * _LENGTH] for number, sketch in connection.execute(stored) if sketch}
    blank = bytes(4 * _LENGTH)
    table = np.frombuffer(b"".join(hashes.get(number, blank) for number in ids), "<u4")
    order = farthest_first(table.reshape(len(ids), _LENGTH), shown + wanted.limit)
    chosen = [ids[i] for i in order[shown:]]
    more = len(ids) > shown + wanted.limit
    return chosen, Cursor("diverse", float(shown + wanted.limit), began).written() if more else None


def _counted(value: float | str | None) -> int:
    """How many posts were shown, of what a client brings back."""
    return int(min(max(float(value or 0), 0.0), _CANDIDATES))


def _moment(began: int) -> datetime:
    """The time of microseconds since 1970; whatever a client brings back is some time."""
    last = (datetime.now(UTC) - _EPOCH) // _TICK
    return _EPOCH + min(max(began, 0), last) * _TICK


def farthest_first(signatures: NDArray[np.uint32], most: int) -> list[int]:
    """The positions of rows, each as far from those before it as can be; the first row first.

    >>> farthest_first(np.array([[1, 1], [1, 1], [2, 2]], np.uint32), 3)
    [0, 2, 1]

    Arguments:
        signatures: Shape (b, s).
        most: How many to choose.
    """
    if not len(signatures):
        return []
    chosen = [0]
    nearest = (signatures != signatures[0]).mean(axis=1)
    nearest[0] = -1
    while len(chosen) < min(most, len(signatures)):
        best = int(np.argmax(nearest))
        chosen.append(best)
        nearest = np.minimum(nearest, (signatures != signatures[best]).mean(axis=1))
        nearest[chosen] = -1
    return chosen
