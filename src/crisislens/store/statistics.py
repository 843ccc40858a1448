"""Counts for the situation page, and what days looked like, for drift."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, case, cast, exists, func, select, text
from sqlalchemy.types import Date, Integer, String

from crisislens.core.errors import InputError
from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.finish import EVERY
from crisislens.store.models import Answer, Assessment, Base, Media, Place, Post, Tally
from crisislens.store.reading import pairs
from crisislens.store.records import Counts, DayRow, HourCount, LabelCount, PlaceCount
from crisislens.store.transaction import hour_of

__all__ = ["Statistics"]

_BINS = 10
_COMPARED = 20_000


class Statistics:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def counts(
        self, since: datetime, until: datetime, *, place: str | None = None, places: int = 20
    ) -> Counts:
        """The situation in numbers, from the hourly tallies.

        Arguments:
            since: First hour, rounded down.
            until: The hour after the last, rounded up.
            place: Only posts of this place.
            places: How many places are named.
        """
        terms = _between(since, until)
        if place is not None:
            terms.append(Tally.place == place)
        with self._database.read() as connection:
            sums = func.sum(Tally.posts)
            by_hour = select(Tally.hour, Tally.task, Tally.label, sums).where(*terms)
            hours = connection.execute(by_hour.group_by(Tally.hour, Tally.task, Tally.label)).all()
            named = _places(connection, terms, places)
        labels: dict[tuple[str, str], int] = defaultdict(int)
        for _, task, label, posts in hours:
            labels[task, label] += int(posts)
        total = labels.pop((EVERY, EVERY), 0)
        return Counts(
            since=hour_of(since),
            until=until,
            posts=total,
            labels=_label_counts(labels),
            places=named,
            hours=tuple(
                HourCount(hour=hour, task=task, label=label, posts=int(posts))
                for hour, task, label, posts in sorted(hours, key=lambda row: (row[0], row[1], row[2]))
                if posts
            ),
        )

    def places(self, since: datetime, until: datetime, *, most: int = 2_000) -> tuple[PlaceCount, ...]:
        """Places with coordinates and counts, for the map, those with most posts first."""
        with self._database.read() as connection:
            return _places(connection, _between(since, until), most)

    def days(self, days: int = 30, *, until: datetime | None = None) -> tuple[DayRow, ...]:
        """What each of the last days looked like, the oldest first. A day without posts is left out."""
        end = until or datetime.now(UTC)
        first = (end - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
        span = [Post.at >= first, Post.at < end, Post.model.is_not(None)]
        with self._database.read() as connection:
            day = _day(connection, Post.at)
            unread = func.sum(case((Post.unread.is_not(None), 1), else_=0))
            photos = func.sum(case((exists().where(Media.post_id == Post.id), 1), else_=0))
            totals = select(day, func.count(), unread, photos).where(*span).group_by(day)
            found = {_as_day(row[0]): row for row in connection.execute(totals)}
            languages = select(day, Post.language, func.count()).where(*span).group_by(day, Post.language)
            by_language: dict[datetime, dict[str, int]] = defaultdict(dict)
            for when, language, posts in connection.execute(languages):
                by_language[_as_day(when)][language or ""] = int(posts)
            labels, confidence = _answers_by_day(connection, first, end)
        return tuple(
            DayRow(
                day=when,
                posts=int(row[1]),
                unread=int(row[2]),
                photos=int(row[3]),
                languages=by_language[when],
                labels=labels.get(when, {}),
                confidence={task: tuple(bins) for task, bins in confidence.get(when, {}).items()},
            )
            for when, row in sorted(found.items())
        )

    def models(self) -> dict[str, int]:
        """How many posts each model's answer is current for, by fingerprint."""
        counted = select(Post.model, func.count()).where(Post.model.is_not(None)).group_by(Post.model)
        with self._database.read() as connection:
            return pairs(connection, counted)

    def agreement(self, models: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of posts that two models answered: by task how many they say the same of, and how many both did.

        Of more than 20,000 such posts the newest are compared.

        Arguments:
            models: Two fingerprints.

        Raises:
            InputError: If they are not two.
        """
        if len(set(models)) != 2:
            raise InputError(f"two models are compared, {len(set(models))} were given")
        one, other = Assessment.__table__.alias(), Assessment.__table__.alias()
        both = select(one.c.doc, other.c.doc).join(other, other.c.post_id == one.c.post_id)
        both = both.where(one.c.model_fingerprint == models[0], other.c.model_fingerprint == models[1])
        both = both.order_by(one.c.post_id.desc()).limit(_COMPARED)
        same: dict[str, int] = defaultdict(int)
        asked: dict[str, int] = defaultdict(int)
        with self._database.read() as connection:
            for left, right in connection.execute(both):
                a, b = from_json(left)["tasks"], from_json(right)["tasks"]
                for task in a.keys() & b.keys():
                    asked[task] += 1
                    same[task] += _said(a[task]) == _said(b[task])
        return {task: (same[task], asked[task]) for task in sorted(asked)}

    def sizes(self) -> dict[str, int]:
        """Rows by table and bytes of database and blobs, for metrics; rows as the database estimates them."""
        with self._database.read() as connection:
            found = _estimates(connection)
        if self._database.file is not None:
            parts = (self._database.file, self._database.file.with_name(self._database.file.name + "-wal"))
            found["database_bytes"] = sum(part.stat().st_size for part in parts if part.exists())
        found["free_bytes"] = self._blobs.free_bytes()
        return found


def _said(answer: Any) -> tuple[bool, tuple[str, ...]]:
    return answer["abstained"], tuple(answer["labels"])


def _between(since: datetime, until: datetime) -> list[Any]:
    return [Tally.hour >= hour_of(since), Tally.hour < until]


def _label_counts(labels: dict[tuple[str, str], int]) -> tuple[LabelCount, ...]:
    ordered = sorted(labels.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return tuple(LabelCount(task=task, label=label, posts=n) for (task, label), n in ordered if n)


def _places(connection: Connection, terms: list[Any], most: int) -> tuple[PlaceCount, ...]:
    sums = func.sum(Tally.posts).label("posts")
    top = select(Tally.place, sums).where(*terms, Tally.task == EVERY, Tally.place != "")
    top = top.group_by(Tally.place).having(sums > 0).order_by(sums.desc(), Tally.place).limit(most)
    totals = {place: int(posts) for place, posts in connection.execute(top)}
    detail = select(Tally.place, Tally.task, Tally.label, sums).where(*terms, Tally.place.in_(list(totals)))
    labels: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for place, task, label, posts in connection.execute(
        detail.where(Tally.task != EVERY).group_by(Tally.place, Tally.task, Tally.label)
    ):
        labels[place][task, label] = int(posts)
    known = select(Place.__table__).where(Place.id.in_(list(totals)))
    names = {row["id"]: row for row in connection.execute(known).mappings()}
    found = []
    for place, posts in totals.items():
        at = names.get(place, {"name": None, "lat": None, "lon": None})
        found.append(
            PlaceCount(
                place=place,
                name=at["name"],
                lat=at["lat"],
                lon=at["lon"],
                posts=posts,
                labels=_label_counts(labels[place]),
            )
        )
    return tuple(found)


def _day(connection: Connection, column: Any) -> Any:
    if connection.dialect.name == "sqlite":
        return func.substr(cast(column, String), 1, 10)
    return cast(column, Date)


def _as_day(value: Any) -> datetime:
    """A day as either database gives it, a text or a date."""
    return datetime.fromisoformat(str(value)[:10]).replace(tzinfo=UTC)


Labels = dict[datetime, dict[str, dict[str, int]]]
Confidence = dict[datetime, dict[str, list[int]]]


def _answers_by_day(connection: Connection, first: datetime, end: datetime) -> tuple[Labels, Confidence]:
    day = _day(connection, Answer.at)
    tenth = case((Answer.confidence >= 1, _BINS - 1), else_=cast(Answer.confidence * _BINS - 0.5, Integer))
    if connection.dialect.name == "sqlite":
        # this cast cuts, where PostgreSQL's rounds
        tenth = case((Answer.confidence >= 1, _BINS - 1), else_=cast(Answer.confidence * _BINS, Integer))
    label = case((Answer.abstained, EVERY), else_=Answer.label)
    wanted = select(day, Answer.task, label, tenth, func.count()).where(Answer.at >= first, Answer.at < end)
    labels: Labels = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    confidence: Confidence = defaultdict(lambda: defaultdict(lambda: [0] * _BINS))
    for when, task, said, step, posts in connection.execute(wanted.group_by(day, Answer.task, label, tenth)):
        labels[_as_day(when)][task][said] += int(posts)
        confidence[_as_day(when)][task][max(0, min(_BINS - 1, int(step)))] += int(posts)
    return labels, confidence


def _estimates(connection: Connection) -> dict[str, int]:
    names = list(Base.metadata.tables)
    if connection.dialect.name == "sqlite":
        # rows are numbered without gaps but for what was erased, so the last number is close
        found = {}
        for name in ("post", "media", "event", "review", "audit"):
            column = "seq" if name == "event" else "id"
            found[f"{name}_rows"] = int(
                connection.execute(text(f"SELECT max({column}) FROM {name}")).scalar() or 0
            )
        return found
    wanted = text("SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r'")
    rows = {name: max(0, int(n)) for name, n in connection.execute(wanted) if name in names}
    size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return {**{f"{name}_rows": n for name, n in sorted(rows.items())}, "database_bytes": int(size)}
