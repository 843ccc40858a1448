"""What goes into the store and what comes out: plain records that know no database.

Ids are the store's own numbers and never used again; `external_id` is the id that the source gave, which
exports keep. Times are in UTC. Every list has a cursor, `Page.next`, that stays right while posts arrive.
"""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from crisislens.domain.post import Post

__all__ = [
    "Accepted",
    "AnswerRow",
    "AssessmentRow",
    "AuditRow",
    "Box",
    "ClusterRow",
    "Counts",
    "DayRow",
    "DeadLetterRow",
    "Depth",
    "Done",
    "EventRow",
    "Health",
    "Held",
    "HourCount",
    "Job",
    "KeyRow",
    "LabelCount",
    "NewPost",
    "Order",
    "Page",
    "Photo",
    "PlaceCount",
    "PostDetail",
    "PostFilter",
    "PostRow",
    "Record",
    "ReviewRow",
    "Role",
    "SessionRow",
    "SourceRow",
    "State",
    "Swept",
    "Unread",
    "UserRow",
    "Verdict",
]

T = TypeVar("T")
Role = Literal["viewer", "reviewer", "admin"]
State = Literal["queued", "leased", "done", "failed"]
Order = Literal["urgency", "time", "uncertainty", "diverse"]
Verdict = Literal["right", "label", "unsure"]
"""The model is right; it should have been these labels; a person cannot tell either."""


class Record(BaseModel):
    """The base of all of them: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Photo(Record):
    """A photo of a post."""

    sha256: str | None = Field(default=None, description="Of the stored JPEG, its name among the blobs")
    origin: str | None = Field(default=None, description="SHA-256 of the bytes as they came")
    url: str | None = Field(default=None, description="Where it is to be fetched from")
    width: int | None = Field(default=None, description="Pixels")
    height: int | None = Field(default=None, description="Pixels")
    size: int | None = Field(default=None, description="Bytes of the stored JPEG")
    state: Literal["pending", "stored", "refused", "gone"] = Field(default="stored")
    reason: str | None = Field(default=None, description="Why it was refused, in one sentence")


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


class Unread(Record):
    """What came and is no post, on its way to the dead letters."""

    raw: str = Field(description="As it came; its first 64 kB are kept")
    reason: str = Field(description="Why it is no post, in one sentence")


class Accepted(Record):
    """What became of a post that was sent."""

    external_id: str
    id: int | None = Field(description="The store's number; null where it was refused")
    outcome: Literal["created", "same", "conflict", "erased"] = Field(
        description="`same`: it was there, word for word; `conflict`: its key is there with other content; "
        "`erased`: it was erased and is not taken again"
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


class ReviewRow(Record):
    """What a person says of one task."""

    id: int
    post_id: int
    user_id: int
    user: str
    verdict: Verdict
    task: str
    labels: tuple[str, ...]
    model_labels: tuple[str, ...] = Field(description="What the model had said then")
    model_fingerprint: str | None = Field(default=None, description="Which model that was")
    note: str | None
    at: datetime
    undone_at: datetime | None


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


class Page(Record, Generic[T]):
    """Some rows and where the next ones begin."""

    rows: tuple[T, ...]
    next: str | None = Field(description="For `PostFilter.after`; null at the end")


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
    reviews: tuple[ReviewRow, ...] = Field(description="All, also those that were undone")
    history: "tuple[AuditRow, ...]"


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


class PlaceCount(Record):
    """How many posts a place has, and of which labels."""

    place: str
    name: str | None
    lat: float | None
    lon: float | None
    posts: int
    labels: tuple[LabelCount, ...]


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
    minhash: bytes | None = Field(default=None, description="256 bytes, little-endian uint32")
    phash: int | None = Field(default=None, description="64 bits")


class Depth(Record):
    """How full the queue is."""

    queued: int = Field(description="Texts that wait")
    photos: int = Field(description="Photos that wait; their texts are assessed")
    background: int = Field(description="Old posts that wait for a new model")
    leased: int
    failed: int
    oldest: datetime | None = Field(description="When the oldest waiting text was received")


class SourceRow(Record):
    """Where posts come from, and how it fares."""

    id: int
    kind: str
    name: str
    config: dict[str, Any]
    cursor: str | None
    cursor_at: datetime | None
    enabled: bool
    made_at: datetime
    last_at: datetime | None = Field(description="When its last post was accepted")
    posts: int = Field(description="Posts ever accepted from it")
    dead: int = Field(description="Dead letters that wait for a person")


class DeadLetterRow(Record):
    """What a source sent and could not become a post."""

    id: int
    source: str
    raw: str
    reason: str
    at: datetime


class UserRow(Record):
    """A person; the password never leaves the store."""

    id: int
    name: str
    role: Role
    active: bool
    made_at: datetime
    has_password: bool


class KeyRow(Record):
    """A program's key, without the key."""

    id: int
    name: str
    prefix: str
    role: Role
    made_at: datetime
    expires: datetime | None
    last_used: datetime | None
    revoked_at: datetime | None


class SessionRow(Record):
    """Somebody who is logged in."""

    user: UserRow
    csrf: str
    expires: datetime


class AuditRow(Record):
    """Who changed what."""

    id: int
    at: datetime
    actor: str = Field(description="`user:NAME`, `key:PREFIX`, `system` or `cli`")
    action: str
    object: str = Field(description="As in `post:7`, `user:ann`, `source:radio`")
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    hash: str


class EventRow(Record):
    """Something that happened.

    Kinds: `post.accepted`, `post.assessed`, `post.failed`, `post.reviewed`, `post.held`, `post.erased`,
    `cluster.changed`, `source.changed`.
    """

    seq: int
    at: datetime
    kind: str
    post_id: int | None
    doc: dict[str, Any]


class Held(Record):
    """A post that a reviewer holds."""

    post_id: int
    user_id: int
    user: str
    until: datetime


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
