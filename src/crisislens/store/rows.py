"""From posts' numbers to the rows that lists show: one statement a table, however many rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from crisislens.store.models import Answer, Claim, Cluster, Media, Post, Review, Source, User
from crisislens.store.reading import pairs
from crisislens.store.records import AnswerRow, Photo, PostRow, ReviewRow

__all__ = ["photo_of", "post_rows", "review_rows"]

_COPIED = (
    "id",
    "external_id",
    "url",
    "author",
    "text",
    "lang",
    "at",
    "created_at",
    "received_at",
    "lat",
    "lon",
    "event",
    "state",
    "reason",
    "model",
    "assessed_at",
    "urgency",
    "uncertainty",
    "language",
    "unread",
    "place",
    "place_name",
    "map_lat",
    "map_lon",
    "cluster_id",
    "lead",
)
_POST = [Post.__table__.c[name] for name in _COPIED]


def post_rows(connection: Connection, post_ids: Sequence[int]) -> list[PostRow]:
    """The rows of posts, in the order of their numbers as given; those that are not there are left out."""
    if not post_ids:
        return []
    wanted = select(*_POST, Source.name).join(Source, Source.id == Post.source_id)
    found = {row[0]: row for row in connection.execute(wanted.where(Post.id.in_(post_ids)))}
    ids = list(found)
    answers, photos = _answers(connection, ids), _photos(connection, ids)
    reviews, held = _reviews(connection, ids), _held(connection, ids)
    sizes = _sizes(connection, [row.cluster_id for row in found.values() if row.cluster_id is not None])
    rows = []
    for number in post_ids:
        row = found.get(number)
        if row is None:
            continue
        values = dict(zip(_COPIED, row, strict=False))
        rows.append(
            PostRow.model_construct(
                **values,
                source=row[-1],
                answers=answers.get(number, {}),
                photos=tuple(photos.get(number, ())),
                reviews=tuple(reviews.get(number, ())),
                cluster_size=sizes.get(row.cluster_id, 1),
                held_by=held.get(number),
            )
        )
    return rows


def _answers(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, AnswerRow]]:
    table = Answer.__table__.c
    wanted = select(table.post_id, table.task, table.label, table.confidence, table.abstained)
    wanted = wanted.where(table.post_id.in_(ids)).order_by(
        table.post_id, table.task, table.confidence.desc(), table.label
    )
    labels: dict[tuple[int, str], list[str]] = defaultdict(list)
    said: dict[tuple[int, str], tuple[float, bool]] = {}
    for number, task, label, confidence, abstained in connection.execute(wanted):
        if label:
            labels[number, task].append(label)
        said.setdefault((number, task), (confidence, abstained))
    found: dict[int, dict[str, AnswerRow]] = defaultdict(dict)
    for (number, task), (confidence, abstained) in said.items():
        found[number][task] = AnswerRow.model_construct(
            labels=tuple(labels.get((number, task), ())), confidence=confidence, abstained=abstained
        )
    return found


def _photos(connection: Connection, ids: Sequence[int]) -> dict[int, list[Photo]]:
    wanted = select(Media.__table__).where(Media.post_id.in_(ids)).order_by(Media.post_id, Media.id)
    found: dict[int, list[Photo]] = defaultdict(list)
    for row in connection.execute(wanted).mappings():
        found[row["post_id"]].append(photo_of(row))
    return found


def photo_of(row: Any) -> Photo:
    """A photo from a row of `media`."""
    return Photo.model_construct(**{name: row[name] for name in Photo.model_fields})


def _reviews(connection: Connection, ids: Sequence[int]) -> dict[int, list[ReviewRow]]:
    found: dict[int, list[ReviewRow]] = defaultdict(list)
    standing = select(Review.post_id).where(Review.post_id.in_(ids), Review.undone_at.is_(None))
    for row in review_rows(connection, Review.post_id.in_(standing), Review.undone_at.is_(None)):
        found[row.post_id].append(row)
    return found


def review_rows(
    connection: Connection, *terms: Any, newest_first: bool = False, most: int | None = None
) -> list[ReviewRow]:
    """Reviews with their writers' names."""
    columns = list(Review.__table__.c)
    wanted = select(*columns, User.name.label("user")).join(User, User.id == Review.user_id).where(*terms)
    wanted = wanted.order_by(Review.id.desc() if newest_first else Review.id).limit(most)
    return [_review(row) for row in connection.execute(wanted).mappings()]


def _review(row: Any) -> ReviewRow:
    values = {name: row[name] for name in ReviewRow.model_fields}
    for name in ("labels", "model_labels"):
        values[name] = tuple(values[name])
    values["answers"] = {task: tuple(labels) for task, labels in (values["answers"] or {}).items()}
    return ReviewRow.model_construct(**values)


def _held(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    wanted = select(Claim.post_id, User.name).join(User, User.id == Claim.user_id)
    wanted = wanted.where(Claim.post_id.in_(ids), Claim.until > datetime.now(UTC))
    return pairs(connection, wanted)


def _sizes(connection: Connection, ids: Iterable[int]) -> dict[int | None, int]:
    chosen = sorted(set(ids))
    if not chosen:
        return {}
    wanted = select(Cluster.id, Cluster.size).where(Cluster.id.in_(chosen))
    return pairs(connection, wanted)
