"""Posts on their way in, in lists, and in the hands of workers."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from crisislens.domain.post import Post
from crisislens.store.records.base import Order, Record, State
from crisislens.store.records.people import AuditRow, ReviewRow

__all__ = [
    "Accepted",
    "AnswerRow",
    "AssessmentRow",
    "Box",
    "Done",
    "Job",
    "NewPost",
    "Photo",
    "PostDetail",
    "PostFilter",
    "PostRow",
    "Unread",
]


class Photo(Record):
    """A photo of a post."""

    sha256: str | None = Field(default=None, description="Of the stored JPEG, its name among the blobs")
    origin: str | None = Field(default=None, description="SHA-256 of the bytes as they came")
    url: str | None = Field(default=None, description="Where it is to be fetched from")
    width: int | None = Field(default=None, description="Pixels")
    height: int | None = Field(default=None, description="Pixels")
    size: int | None = Field(default=None, description="Bytes of the stored JPEG")
    state: Literal["pending", "stored", "refused", "missing", "gone"] = Field(
        default="stored", description="`missing`: it could not be had from where it is said to be"
    )
    reason: str | None = Field(default=None, description="Why there is none, in one sentence")


class NewPost(Record):
    """A post on its way in."""

    external_id: str = Field(min_length=1, max_length=500, description="Unique within its source")
    text: str = Field(default="", max_length=10_000)
    url: str | None = Field(default=None, max_length=2_000)
    author: str | None = Field(default=None, max_length=500)
    created_at: datetime | None = None
    lang: str | None = Field(default=None, max_length=35)
    lat: float | None = Field(default=None, ge=-90, le=90)
    lon: float | None = Field(default=None, ge=-180, le=180)
    event: str | None = Field(default=None, max_length=500)
    photos: tuple[Photo, ...] = Field(
        default=(), max_length=4, description="As `Store.blobs.keep` gives them"
    )
    remarks: tuple[str, ...] = Field(default=(), description="What reading changed, see `domain.post`")
    doubt: str | None = None
    edited_at: datetime | None = Field(
        default=None,
        description="When its source changed it; a later version takes the place of an earlier one",
    )


class Unread(Record):
    """What came and is no post, on its way to the dead letters."""

    raw: str = Field(description="As it came; its first 64 kB are kept")
    reason: str = Field(description="Why it is no post, in one sentence")


class Accepted(Record):
    """What became of a post that was sent."""

    external_id: str
    id: int | None = Field(description="The store's number; null where it was refused")
    outcome: Literal["created", "same", "replaced", "conflict", "erased"] = Field(
        description="`same`: it was there, word for word; `replaced`: an earlier version was; `conflict`: "
        "its key is there with other content; `erased`: it was erased and is not taken again"
    )
    state: State | None = None


class Box(Record):
    """A rectangle on the map; `west` > `east` crosses the date line."""

    west: float = Field(ge=-180, le=180)
    south: float = Field(ge=-90, le=90)
    east: float = Field(ge=-180, le=180)
    north: float = Field(ge=-90, le=90)


class PostFilter(Record):
    """Which posts, in which order. Every field that is given must hold."""

    labels: tuple[tuple[str, str], ...] = Field(
        default=(), max_length=8, description="Task and label, as in `('damage', 'severe_damage')`; all hold"
    )
    any_label: tuple[tuple[str, str], ...] = Field(
        default=(), max_length=8, description="Task and label; one of them holds"
    )
    not_sure: str | None = Field(default=None, description="A task that the model abstained on")
    min_urgency: float | None = Field(default=None, ge=0, le=1)
    place: str | None = Field(default=None, description="Id of a place, as in `city:4568127`")
    box: Box | None = None
    since: datetime | None = Field(default=None, description="Posted at or after")
    until: datetime | None = Field(default=None, description="Posted before")
    language: str | None = Field(default=None, description="Detected, ISO 639-1")
    source: str | None = Field(default=None, description="Name of the source")
    event: str | None = None
    words: str | None = Field(default=None, max_length=200, description="All of these words")
    states: tuple[State, ...] = ()
    unread: bool | None = Field(default=None, description="True: only what no model could read")
    reviewed: bool | None = Field(default=None, description="Whether a person has judged it")
    cluster: int | None = Field(default=None, description="Only the posts of one cluster")
    folded: bool = Field(default=False, description="Near-duplicates behind their first are left out")
    free_for: int | None = Field(default=None, description="User: leaves out what others hold for review")
    has_photo: bool | None = None
    assessed: bool | None = Field(default=None, description="Whether any model has answered")
    ids: tuple[int, ...] = Field(default=(), max_length=1_000, description="Only these posts")
    order: Order = "time"
    after: str | None = Field(default=None, max_length=200, description="`Page.next` of the page before")
    limit: int = Field(default=50, ge=1, le=200)


class AnswerRow(Record):
    """What the current model says of one task."""

    labels: tuple[str, ...] = Field(description="The labels said; the leaning where it abstained")
    confidence: float
    abstained: bool


class PostRow(Record):
    """A post as lists show it: what came, what the model says, and beside it what people say."""

    id: int
    source: str
    external_id: str
    url: str | None
    author: str | None
    text: str
    lang: str | None
    at: datetime = Field(description="Posted, or received where its source does not say")
    created_at: datetime | None
    received_at: datetime
    lat: float | None
    lon: float | None
    event: str | None
    state: State
    reason: str | None = Field(description="Why it failed")
    model: str | None = Field(description="Fingerprint of the current model")
    assessed_at: datetime | None
    urgency: float | None
    uncertainty: float | None
    language: str | None
    unread: str | None
    place: str | None
    place_name: str | None
    map_lat: float | None
    map_lon: float | None
    answers: dict[str, AnswerRow]
    photos: tuple[Photo, ...]
    reviews: tuple[ReviewRow, ...] = Field(description="Standing ones, the newest last")
    cluster_id: int | None
    cluster_size: int = 1
    lead: bool
    held_by: str | None = Field(default=None, description="Who is reviewing it just now")


class AssessmentRow(Record):
    """What one model said of a post."""

    model_fingerprint: str
    current: bool
    partial: bool = Field(description="True while the photo has not been looked at")
    at: datetime
    doc: str = Field(description="The JSON of `domain.assessment.Assessment`, as `analyze` writes it")


class PostDetail(Record):
    """Everything that is known of a post."""

    row: PostRow
    assessments: tuple[AssessmentRow, ...]
    rationale: str | None = Field(description="JSON of `domain.rationale.Rationale` of the current model")
    twins: tuple[PostRow, ...] = Field(description="The others of its cluster, at most 50")
    same_photo: tuple[PostRow, ...] = Field(
        default=(), description="Others that show the same photo and say something else, at most 50"
    )
    reviews: tuple[ReviewRow, ...] = Field(description="All, also those that were undone")
    history: tuple[AuditRow, ...]


class Job(Record):
    """A post that a worker has taken."""

    post_id: int
    post: Post = Field(description="As the analyst takes it; its photo is a path among the blobs")
    partial: bool = Field(description="True where the photo is left for later")
    tries: int


class Done(Record):
    """What a worker says of a post."""

    post_id: int
    doc: str = Field(description="The assessment as JSON")
    partial: bool = False
    minhash: bytes | None = Field(
        default=None,
        description="256 bytes, little-endian uint32, and 8 of the numbers that the text says, see "
        "`data.duplicates`",
    )
    phash: int | None = Field(default=None, description="64 bits")
    uncertainty: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How unsure the model is of what it could be sure of; None looks at every answer",
    )
