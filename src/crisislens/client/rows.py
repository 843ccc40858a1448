"""Many posts, cut into calls that the service takes: so many rows, and so many bytes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crisislens.client.calls import body_of
from crisislens.client.records import RowOutcome
from crisislens.core.errors import InputError

__all__ = ["Row", "batches_of"]

_MOST_ROWS: Final = 200
# the service takes 20 MB, and a post of more than this is longer than it takes a post to be
_MOST_BYTES: Final = 16_000_000


@dataclass(frozen=True)
class Row:
    """One post of many.

    Attributes:
        number: Its place among all, from 0.
        body: As JSON; empty where it is not sent.
        refused: What became of it where it cannot be sent.
    """

    number: int
    body: bytes
    refused: RowOutcome | None = None


def batches_of(posts: Iterable[Mapping[str, Any]]) -> Iterator[list[Row]]:
    """Rows in their order, cut into calls; one that cannot be sent stays in its place."""
    batch: list[Row] = []
    size = 0
    for number, post in enumerate(posts):
        row = _row(number, post)
        # each row is followed by the end of its line
        longer = size + len(row.body) + 1
        if batch and (len(batch) == _MOST_ROWS or longer > _MOST_BYTES):
            yield batch
            batch, longer = [], len(row.body) + 1
        batch.append(row)
        size = longer
    if batch:
        yield batch


def _row(number: int, post: Any) -> Row:
    try:
        body = body_of(post)
    except InputError as error:
        return Row(number, b"", _refused(number, post, str(error)))
    if len(body) >= _MOST_BYTES:
        return Row(number, b"", _refused(number, post, "this post is longer than the service takes"))
    return Row(number, body)


def _refused(number: int, post: Any, reason: str) -> RowOutcome:
    return RowOutcome(row=number, external_id=_name(post), id=None, outcome="refused", reason=reason)


def _name(post: Any) -> str | None:
    given = post.get("id") if isinstance(post, Mapping) else None
    if not isinstance(given, (str, int)):
        return None
    try:
        return str(given)[:500].encode("utf-8", "replace").decode()
    except ValueError:
        # a number of thousands of digits is not written
        return None
