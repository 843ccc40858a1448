"""Counts for the situation page, and what days looked like, for drift."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, func, select, text, tuple_

from crisislens.core.errors import InputError
from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.models import Assessment, Base, Place, Post, Tally
from crisislens.store.reading import pairs
from crisislens.store.records import Counts, DayRow, HourCount, LabelCount, MeaningCount, PlaceCount
from crisislens.store.tallies import (
    BINS,
    CONFIDENCE,
    DAY,
    EVERY,
    EVERYWHERE,
    LANGUAGE,
    MEANT,
    PHOTO,
    UNREAD,
    is_task,
)
from crisislens.store.transaction import hour_of

__all__ = ["Statistics"]

_HOURLY = timedelta(days=2)
_LABELED = 20
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
        where = [Tally.place == (place or EVERYWHERE), Tally.hour >= hour_of(since), Tally.hour < until]
        wanted = select(Tally.hour, Tally.task, Tally.label, Tally.posts).where(*where)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(Tally.hour, Tally.task, Tally.label)).all()
            named = _places(connection, since, until, places, only=place)
        hours = [row for row in rows if is_task(row.task)]
        labels: dict[tuple[str, str], int] = defaultdict(int)
        for _, task, label, posts in hours:
            labels[task, label] += int(posts)
        total = labels.pop((EVERY, EVERY), 0)
        meant: dict[tuple[str, str], int] = defaultdict(int)
        for _, task, label, posts in rows:
            meant[task, label] += int(posts) if task == MEANT else 0
        return Counts(
            since=hour_of(since),
            until=until,
            posts=total,
            labels=_label_counts(labels),
            places=named,
            hours=_hour_counts(hours),
            meanings=_meaning_counts(meant),
        )

    def places(self, since: datetime, until: datetime, *, most: int = 2_000) -> tuple[PlaceCount, ...]:
        """Places with coordinates and counts, for the map, those with most posts first."""
        with self._database.read() as connection:
            return _places(connection, since, until, most)

    def point_of(self, place: str) -> tuple[float, float] | None:
        """Latitude and longitude of a place that some post is at, in degrees; None where nobody knows."""
        wanted = select(Place.lat, Place.lon).where(Place.id == place)
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None or row.lat is None or row.lon is None else (row.lat, row.lon)

    def first_hour(self) -> datetime | None:
        """The hour of the oldest post that is counted; None where there is none."""
        wanted = select(func.min(Tally.hour)).where(
            Tally.place == EVERYWHERE, Tally.task == EVERY, Tally.posts > 0
        )
        with self._database.read() as connection:
            return connection.execute(wanted).scalar()

    def listening_since(self) -> datetime | None:
        """When the first post that is still here was received; None where there is none."""
        # numbers grow with the time of receipt, and the first one costs no walk through all posts
        wanted = select(Post.received_at).order_by(Post.id).limit(1)
        with self._database.read() as connection:
            return connection.execute(wanted).scalar()

    def hourly(
        self,
        since: datetime,
        until: datetime,
        labels: Sequence[tuple[str, str]],
        *,
        place: str | None = None,
    ) -> tuple[tuple[str, datetime, str, str, int], ...]:
        """Posts by place (`*` for all together), hour, task and label; hours without any are left out.

        Arguments:
            since: First hour.
            until: The hour after the last.
            labels: Tasks and labels.
            place: Only this one.
        """
        wanted = select(Tally.place, Tally.hour, Tally.task, Tally.label, Tally.posts)
        wanted = wanted.where(tuple_(Tally.task, Tally.label).in_(labels), Tally.posts > 0)
        wanted = wanted.where(Tally.hour >= hour_of(since), Tally.hour < until)
        if place is not None:
            wanted = wanted.where(Tally.place == place)
        with self._database.read() as connection:
            return tuple((row[0], row[1], row[2], row[3], int(row[4])) for row in connection.execute(wanted))

    def days(self, days: int = 30, *, until: datetime | None = None) -> tuple[DayRow, ...]:
        """What each of the last days looked like, the oldest first. A day without posts is left out."""
        end = until or datetime.now(UTC)
        first = (end - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = select(Tally.hour, Tally.task, Tally.label, Tally.posts).where(
            Tally.place == EVERYWHERE, Tally.hour >= first, Tally.hour < end, Tally.posts != 0
        )
        found: dict[datetime, _Day] = defaultdict(_Day)
        with self._database.read() as connection:
            for hour, task, label, posts in connection.execute(wanted):
                found[hour.replace(hour=0)].add(task, label, int(posts))
        return tuple(day.row(when) for when, day in sorted(found.items()) if day.posts)

    def models(self) -> dict[str, int]:
        """How many posts each model's answer is current for, by fingerprint."""
        counted = select(Post.model, func.count()).where(Post.model.is_not(None)).group_by(Post.model)
        with self._database.read() as connection:
            return pairs(connection, counted)

    def model_names(self, models: Sequence[str]) -> dict[str, str]:
        """Name and version of models by fingerprint, where an answer of theirs is current."""
        found = {}
        with self._database.read() as connection:
            for model in models:
                # by a post that it answers, which has an index; documents have none by model
                post = select(Post.id).where(Post.model == model).limit(1).scalar_subquery()
                one = select(Assessment.doc).where(Assessment.post_id == post)
                doc = connection.execute(one.where(Assessment.model_fingerprint == model)).scalar()
                if doc is not None:
                    made_by = from_json(doc)["provenance"]
                    found[model] = f"{made_by['model']} {made_by['model_version']}"
        return found

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


class _Day:
    """A day while it is added up."""

    def __init__(self) -> None:
        self.posts = self.unread = self.photos = 0
        self.languages: Counter[str] = Counter()
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)
        self.confidence: dict[str, list[int]] = defaultdict(lambda: [0] * BINS)

    def add(self, task: str, label: str, posts: int) -> None:
        """Adds what an hour, or the day itself, counted."""
        if task == EVERY:
            self.posts += posts
        elif task == LANGUAGE:
            self.languages[label] += posts
        elif task == UNREAD:
            self.unread += posts
        elif task == PHOTO:
            self.photos += posts
        elif task.startswith(CONFIDENCE):
            self.confidence[task.removeprefix(CONFIDENCE)][int(label)] += posts
        elif is_task(task):
            self.labels[task][label] += posts

    def row(self, day: datetime) -> DayRow:
        """The whole day."""
        return DayRow(
            day=day,
            posts=self.posts,
            unread=self.unread,
            photos=self.photos,
            languages=dict(self.languages),
            labels={task: dict(labels) for task, labels in self.labels.items()},
            confidence={task: tuple(bins) for task, bins in self.confidence.items()},
        )


def _hour_counts(rows: Sequence[Any]) -> tuple[HourCount, ...]:
    """Hours that have posts; what was taken off again is left out."""
    found = []
    for hour, task, label, posts in rows:
        if posts:
            found.append(HourCount(hour=hour, task=task, label=label, posts=int(posts)))
    return tuple(found)


def _label_counts(labels: dict[tuple[str, str], int]) -> tuple[LabelCount, ...]:
    ordered = sorted(labels.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return tuple(LabelCount(task=task, label=label, posts=n) for (task, label), n in ordered if n)


def _meaning_counts(labels: dict[tuple[str, str], int]) -> tuple[MeaningCount, ...]:
    """What several labels mean, the most frequent first."""
    meant = [(name, n) for (task, name), n in labels.items() if task == MEANT and n]
    return tuple(MeaningCount(meaning=name, posts=n) for name, n in sorted(meant, key=lambda row: -row[1]))


def _places(
    connection: Connection, since: datetime, until: datetime, most: int, *, only: str | None = None
) -> tuple[PlaceCount, ...]:
    """Places by their posts; of more than two days by whole days."""
    long = until - since > _HOURLY
    start = hour_of(since).replace(hour=0) if long else hour_of(since)
    between = [Tally.hour >= start, Tally.hour < until]
    sums = func.sum(Tally.posts).label("posts")
    task = DAY if long else EVERY
    top = select(Tally.place, sums).where(*between, Tally.task == task, Tally.label == EVERY)
    top = top.where(Tally.place != EVERYWHERE if only is None else Tally.place == only)
    top = top.group_by(Tally.place).having(sums > 0).order_by(sums.desc(), Tally.place).limit(most)
    totals = {place: int(posts) for place, posts in connection.execute(top)}
    # of each of many places on a map nobody reads all labels
    named = list(totals)[:_LABELED]
    detail = select(Tally.place, Tally.task, Tally.label, sums).where(*between, Tally.place.in_(named))
    labels: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
    for place, task, label, posts in connection.execute(
        detail.where(Tally.task.not_in((EVERY, DAY))).group_by(Tally.place, Tally.task, Tally.label)
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
                labels=_label_counts({key: n for key, n in labels[place].items() if is_task(key[0])}),
                meanings=_meaning_counts(labels[place]),
            )
        )
    return tuple(found)


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
    found = {}
    for name, rows in sorted(connection.execute(wanted).all()):
        if name in names:
            found[f"{name}_rows"] = max(0, int(rows))
    size = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return {**found, "database_bytes": int(size)}
