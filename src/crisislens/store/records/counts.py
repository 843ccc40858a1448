"""Posts counted and put together, and how the store itself fares."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from crisislens.store.records.base import Record

__all__ = [
    "ClusterRow",
    "Counts",
    "DayRow",
    "Depth",
    "EventName",
    "Health",
    "HourCount",
    "LabelCount",
    "MeaningCount",
    "NamePair",
    "PlaceCount",
    "Swept",
]


class ClusterRow(Record):
    """Posts that say or show nearly the same."""

    id: int
    lead_post_id: int
    size: int
    kind: Literal["text", "photo", "both", "person"]


class LabelCount(Record):
    """How many posts have a label."""

    task: str
    label: str
    posts: int


class MeaningCount(Record):
    """How many posts have any of several labels that mean nearly the same, see `domain.meanings`."""

    meaning: str
    posts: int


class PlaceCount(Record):
    """How many posts a place has, and of which labels."""

    place: str
    name: str | None
    lat: float | None
    lon: float | None
    posts: int
    labels: tuple[LabelCount, ...]
    meanings: tuple[MeaningCount, ...] = ()


class HourCount(Record):
    """How many posts an hour has of a label."""

    hour: datetime
    task: str
    label: str
    posts: int


class Counts(Record):
    """The situation in numbers."""

    since: datetime
    until: datetime
    posts: int = Field(description="Assessed posts")
    labels: tuple[LabelCount, ...]
    places: tuple[PlaceCount, ...] = Field(description="The places with most posts first")
    hours: tuple[HourCount, ...]
    meanings: tuple[MeaningCount, ...] = Field(
        default=(), description="Each post once, whichever label it has"
    )


class DayRow(Record):
    """What a day's posts and answers looked like, for drift."""

    day: datetime
    posts: int
    unread: int
    photos: int
    languages: dict[str, int]
    labels: dict[str, dict[str, int]]
    confidence: dict[str, tuple[int, ...]] = Field(
        description="By task: posts in ten equal steps of confidence"
    )


class Depth(Record):
    """How full the queue is."""

    queued: int = Field(description="Texts that wait")
    photos: int = Field(description="Photos that wait; their texts are assessed")
    background: int = Field(description="Old posts that wait for a new model")
    leased: int
    failed: int
    oldest: datetime | None = Field(description="When the oldest waiting text was received")


class Health(Record):
    """Whether the store can be written."""

    ok: bool
    reason: str | None = Field(description="Why not, in one sentence")
    database: str = Field(description="`sqlite 3.53.4` or `postgresql 15.18`")
    free_bytes: int | None = Field(description="Room where the blobs lie")


class Swept(Record):
    """What a sweep removed."""

    posts: int = 0
    photos: int = 0
    events: int = 0
    sessions: int = 0


class EventName(Record):
    """A name that sources give an event."""

    name: str
    posts: int
    first_at: datetime
    last_at: datetime
    places: dict[str, int] = Field(description="Its most frequent places with their posts, at most five")


class NamePair(Record):
    """Two names, and whether a person calls them one event."""

    one: str
    other: str
    same: bool
    by: str
    at: datetime
