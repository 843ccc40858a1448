"""Finding posts: a filter becomes one statement that walks one index, and pages by where it stopped.

A page begins after the last row of the page before, by the value that the order is by and the post's number,
so no row is read to be skipped, and posts that arrive meanwhile neither repeat nor hide another. Posts that
no model has answered have no value by urgency or uncertainty: they stand at the end, the last received first,
and are a statement of their own, since one for both would be sorted and not read from an index. A label is
looked up in `answer`, which carries the order's values too; everything else is a column of `post`.
"""

import base64
import json
import math
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

__all__ = [
    "MOST_FOUND",
    "Cursor",
    "conditions",
    "finds_too_many",
    "page_rows",
    "page_statement",
    "search_words",
    "unanswered_statement",
]

MOST_FOUND = 5_000
"""A search by words looks at the newest posts that hold them, so many at most; exports look at all."""
_WORD = re.compile(r"\w+")
_MOST_WORDS = 16
_VALUED = ("urgency", "uncertainty")
"""Orders by a value that only posts have which a model has answered."""


@dataclass(frozen=True)
class Cursor:
    """Where a page ended.

    Attributes:
        order: The order that it belongs to.
        value: The last row's value: a float, a time as ISO 8601, or None of a post that has no value.
        post_id: The last row's number.
    """

    order: str
    value: float | str | None
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
            kind: Any = str if order == "time" else (int, float)
            if order in _VALUED:
                kind = (int, float, type(None))
            if found != order or not isinstance(value, kind) or not isinstance(number, int):
                raise ValueError
            if isinstance(value, float) and not math.isfinite(value):
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
    """The statement for one page; its first columns are the post's number and the value it is ordered by. By
    urgency and by uncertainty it has the posts that a model has answered; `page_rows` has the others too.

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


def unanswered_statement(
    connection: Connection, wanted: PostFilter, *, capped: bool = True
) -> Select[Any] | None:
    """The posts of a filter that its order has no value for, the last received first; None where there can be
    none.

    Arguments:
        connection: Of the database that is asked.
        wanted: The filter; of its cursor only the post's number counts here.
        capped: Whether a search by words looks at the newest matches alone.
    """
    if wanted.order not in _VALUED:
        return None
    # a label is an answer, so is one that is not sure, and what is done has one: no need to look at all that
    # waits
    said = wanted.labels or wanted.any_label or wanted.not_sure is not None
    if said or wanted.assessed or wanted.states == ("done",):
        return None
    if wanted.min_urgency is not None:
        return None
    value = {"urgency": Post.urgency, "uncertainty": Post.uncertainty}[wanted.order]
    statement: Any = select(Post.id.label("number"), value.label("value")).where(value.is_(None))
    statement = statement.where(*conditions(connection, wanted, capped=capped))
    if wanted.after is not None:
        cursor = Cursor.read(wanted.after, wanted.order)
        if cursor.value is None:
            statement = statement.where(Post.id < cursor.post_id)
    # the value is the same for all, and named so that its index is walked
    found: Select[Any] = statement.order_by(value.desc(), Post.id.desc())
    return found


def page_rows(
    connection: Connection, wanted: PostFilter, most: int, *, capped: bool = True, answered: bool = False
) -> list[Any]:
    """The first rows of a filter from its cursor on, at most so many: numbers and values, those without a
    value last.

    Arguments:
        connection: Of the database that is asked.
        wanted: The filter; its `limit` is not looked at.
        most: How many.
        capped: Whether a search by words looks at the newest matches alone.
        answered: Whether those without a value are left out.

    Raises:
        InputError: If the cursor is none of this order.
    """
    found: list[Any] = []
    if wanted.after is None or Cursor.read(wanted.after, wanted.order).value is not None:
        found += connection.execute(page_statement(connection, wanted, capped=capped).limit(most))
    rest = None if answered else unanswered_statement(connection, wanted, capped=capped)
    if rest is not None and len(found) < most:
        found += connection.execute(rest.limit(most - len(found)))
    return found


def _beyond(value: Any, number: Any, cursor: Cursor, order: str) -> ColumnElement[bool]:
    if order == "time":
        bound: Any = literal(datetime.fromisoformat(str(cursor.value)), UtcTime())
    else:
        # beyond a post without a value there is none with one
        bound = literal(float("-inf" if cursor.value is None else cursor.value), Float())
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
    if wanted.any_label:
        found.append(or_(*(_has_label(task, label, abstained=False) for task, label in wanted.any_label)))
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


def finds_too_many(connection: Connection, words: str) -> bool:
    """Whether more posts hold the words of a search than it looks at."""
    chosen = search_words(words)
    if not chosen:
        return False
    some = _hits(connection, chosen).limit(MOST_FOUND + 1).subquery()
    counted = select(func.count()).select_from(some)
    return int(connection.execute(counted).scalar_one()) > MOST_FOUND


def _has_words(connection: Connection, words: str, *, capped: bool) -> ColumnElement[bool]:
    chosen = search_words(words)
    if not chosen:
        return false()
    if connection.dialect.name != "sqlite" and not capped:
        return _matches("post", chosen)
    hits = _hits(connection, chosen)
    if capped:
        newest = "rowid DESC" if connection.dialect.name == "sqlite" else "hit.id DESC"
        hits = hits.order_by(text(newest)).limit(MOST_FOUND)
    return Post.id.in_(hits)


def _hits(connection: Connection, chosen: Sequence[str]) -> Any:
    """The numbers of all posts that hold words."""
    if connection.dialect.name != "sqlite":
        return (
            select(literal_column("hit.id")).select_from(text("post AS hit")).where(_matches("hit", chosen))
        )
    # each in quotation marks: nothing of it is an operator
    query = " ".join(f'"{word}"' for word in chosen)
    return (
        select(literal_column("rowid"))
        .select_from(text(SEARCH_TABLE))
        .where(text(f"{SEARCH_TABLE} MATCH :words").bindparams(words=query))
    )


def _matches(table: str, chosen: Sequence[str]) -> ColumnElement[bool]:
    """Whether a row of PostgreSQL holds words."""
    asked = func.plainto_tsquery(literal_column("'simple'"), " ".join(chosen))
    return literal_column(f"{table}.{SEARCH_TABLE}").op("@@", is_comparison=True)(asked)
