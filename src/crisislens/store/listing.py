"""Finding posts: a filter becomes one statement that walks one index, and pages by where it stopped.

A page begins after the last row of the page before, by the value that the order is by and the post's number,
so no row is read to be skipped, and posts that arrive meanwhile neither repeat nor hide another. A label is
looked up in `answer`, which carries the order's values too; everything else is a column of `post`.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    tuple_,
)

from crisislens.core.errors import InputError
from crisislens.store.event_names import names_of
from crisislens.store.models import Answer, Claim, Media, Post, Source
from crisislens.store.records import Box, PostFilter
from crisislens.store.schema import SEARCH_TABLE
from crisislens.store.types import UtcTime

__all__ = ["MOST_FOUND", "Cursor", "conditions", "page_statement", "search_words"]

MOST_FOUND = 5_000
"""A search by words looks at the newest posts that hold them, so many at most; exports look at all."""
_WORD = re.compile(r"\w+")
_MOST_WORDS = 16


@dataclass(frozen=True)
class Cursor:
    """Where a page ended.

    Attributes:
        order: The order that it belongs to.
        value: The last row's value: a float, or a time as ISO 8601.
        post_id: The last row's number.
    """

    order: str
    value: float | str
    post_id: int

    def written(self) -> str:
        """As clients carry it."""
        content = json.dumps([self.order, self.value, self.post_id], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, written: str, order: str) -> "Cursor":
        """The cursor that a client brings back.

        Raises:
            InputError: If it is none, or of another order.
        """
        try:
            padded = written + "=" * (-len(written) % 4)
            found, value, number = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
            kind = str if order == "time" else (int, float)
            if found != order or not isinstance(value, kind) or not isinstance(number, int):
                raise ValueError
            if order == "time":
                datetime.fromisoformat(str(value))
            if abs(number) >= 2**63:
                raise ValueError
        except (ValueError, TypeError, RecursionError):
            raise InputError(
                f"after={written!r:.60} is no cursor of a page by {order}; take `next` of the page before"
            ) from None
        return cls(found, value, number)


def search_words(words: str) -> list[str]:
    """The words of a search; what else there is does not count.

    >>> search_words('bridge* AND "mill road"')
    ['bridge', 'AND', 'mill', 'road']
    """
    return _WORD.findall(words)[:_MOST_WORDS]


def page_statement(
    connection: Connection, wanted: PostFilter, *, columns: Sequence[Any] = (Post.id,), capped: bool = True
) -> Select[Any]:
    """The statement for one page; its first columns are the post's number and the value it is ordered by.

    Arguments:
        connection: Of the database that is asked.
        wanted: The filter; `diverse` is ordered by uncertainty here.
        columns: What else to select.
        capped: Whether a search by words looks at the newest matches alone.

    Raises:
        InputError: If the cursor is none of this order.
    """
    order = "uncertainty" if wanted.order == "diverse" else wanted.order
    # with a label, its index is walked instead of the post's
    labeled = bool(wanted.labels)
    table: Any = Answer if labeled else Post
    value = {"urgency": table.urgency, "uncertainty": table.uncertainty, "time": table.at}[order]
    number = Answer.post_id if labeled else Post.id
    statement = select(number.label("number"), value.label("value"), *columns)
    if labeled:
        statement = statement.select_from(Answer).join(Post, Post.id == Answer.post_id)
        task, label = wanted.labels[0]
        statement = statement.where(Answer.task == task, Answer.label == label, Answer.abstained.is_(False))
    statement = statement.where(*conditions(connection, wanted, table=table, capped=capped))
    if order != "time":
        statement = statement.where(value.is_not(None))
    if wanted.after is not None:
        statement = statement.where(_beyond(value, number, Cursor.read(wanted.after, order), order))
    return statement.order_by(value.desc(), number.desc())


def _beyond(value: Any, number: Any, cursor: Cursor, order: str) -> ColumnElement[bool]:
    if order == "time":
        bound: Any = literal(datetime.fromisoformat(str(cursor.value)), UtcTime())
    else:
        bound = literal(float(cursor.value), Float())
    return tuple_(value, number) < tuple_(bound, literal(cursor.post_id))


def conditions(
    connection: Connection, wanted: PostFilter, *, table: Any = Post, capped: bool = True
) -> list[ColumnElement[bool]]:
    """What must hold of `post`, and of `answer` where that is the table that is walked."""
    found: list[ColumnElement[bool]] = []
    simple = (
        (Post.place, wanted.place),
        (Post.language, wanted.language),
        (Post.cluster_id, wanted.cluster),
    )
    found += [column == value for column, value in simple if value is not None]
    if wanted.event is not None:
        # people may have called several names one event
        found.append(Post.event.in_(names_of(connection, wanted.event)))
    if wanted.source is not None:
        # a number that is known before the plan is made
        source = connection.execute(select(Source.id).where(Source.name == wanted.source)).scalar()
        found.append(false() if source is None else Post.source_id == source)
    if wanted.min_urgency is not None:
        found.append(table.urgency >= wanted.min_urgency)
    if wanted.since is not None:
        found.append(table.at >= wanted.since)
    if wanted.until is not None:
        found.append(table.at < wanted.until)
    if wanted.box is not None:
        found += _inside(wanted.box)
    if wanted.states:
        found.append(Post.state.in_(wanted.states))
    flags = (
        (Post.unread.is_not(None), wanted.unread),
        (Post.reviews > 0, wanted.reviewed),
        (Post.model.is_not(None), wanted.assessed),
        (exists().where(Media.post_id == Post.id), wanted.has_photo),
    )
    found += [condition if want else ~condition for condition, want in flags if want is not None]
    if wanted.folded:
        found.append(Post.lead.is_(True))
    if wanted.ids:
        found.append(Post.id.in_(wanted.ids))
    for task, label in wanted.labels[1:]:
        found.append(_has_label(task, label, abstained=False))
    if wanted.not_sure is not None:
        found.append(_has_label(wanted.not_sure, None, abstained=True))
    if wanted.free_for is not None:
        held = exists().where(
            Claim.post_id == Post.id, Claim.user_id != wanted.free_for, Claim.until > datetime.now(UTC)
        )
        found.append(~held)
    if wanted.words is not None:
        found.append(_has_words(connection, wanted.words, capped=capped))
    return found


def _has_label(task: str, label: str | None, *, abstained: bool) -> ColumnElement[bool]:
    other = Answer.__table__.alias()
    terms = [other.c.post_id == Post.id, other.c.task == task, other.c.abstained.is_(abstained)]
    if label is not None:
        terms.append(other.c.label == label)
    return exists().where(and_(*terms))


def _inside(box: Box) -> list[ColumnElement[bool]]:
    terms: list[ColumnElement[bool]] = [Post.map_lat.between(box.south, box.north)]
    if box.west <= box.east:
        terms.append(Post.map_lon.between(box.west, box.east))
    else:
        terms.append(or_(Post.map_lon >= box.west, Post.map_lon <= box.east))
    return terms


def _has_words(connection: Connection, words: str, *, capped: bool) -> ColumnElement[bool]:
    chosen = search_words(words)
    if not chosen:
        return false()
    if connection.dialect.name == "sqlite":
        # each in quotation marks: nothing of it is an operator
        query = " ".join(f'"{word}"' for word in chosen)
        hits: Any = (
            select(literal_column("rowid"))
            .select_from(text(SEARCH_TABLE))
            .where(text(f"{SEARCH_TABLE} MATCH :words").bindparams(words=query))
        )
        if capped:
            hits = hits.order_by(text("rowid DESC")).limit(MOST_FOUND)
        return Post.id.in_(hits)
    asked = func.plainto_tsquery(literal_column("'simple'"), " ".join(chosen))
    match = literal_column(f"post.{SEARCH_TABLE}").op("@@", is_comparison=True)(asked)
    if not capped:
        return match
    other = literal_column(f"hit.{SEARCH_TABLE}").op("@@", is_comparison=True)(asked)
    found: Any = select(literal_column("hit.id")).select_from(text("post AS hit")).where(other)
    return Post.id.in_(found.order_by(text("hit.id DESC")).limit(MOST_FOUND))
