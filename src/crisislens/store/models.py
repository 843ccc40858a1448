"""The tables of the service; `migrations` builds them, and a test holds the two against each other.

`post` holds what was posted, and is the queue: `state` and `stage` say what is left to do. It also carries
what lists are ordered and filtered by (`urgency`, `uncertainty`, `place`, …), copied from the current
assessment, so that a page of a million posts is read from one index. `answer` holds the labels of the
current assessment, one row a label, so that a task of one's own is filtered like one of ours. `tally` counts
them by hour and place, kept up in the transaction that changes an answer, so that the situation of a day is
read in milliseconds.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    UniqueConstraint,
)
from sqlalchemy import (
    text as sql,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from crisislens.store.types import CleanText, UtcTime

__all__ = [
    "Answer",
    "ApiKey",
    "Assessment",
    "Audit",
    "Band",
    "Base",
    "Claim",
    "Cluster",
    "DeadLetter",
    "Event",
    "Media",
    "Mention",
    "Place",
    "Post",
    "Rationale",
    "Review",
    "Session",
    "Setting",
    "Signature",
    "Source",
    "Tally",
    "Tombstone",
    "User",
    "table_of",
]

# SQLite gives a rowid only to INTEGER; PostgreSQL needs eight bytes for what grows for years
_Id = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """The root of the tables; constraints have names, which SQLite's batch migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - as SQLAlchemy documents it
        str: CleanText,
        datetime: UtcTime,
        dict[str, Any]: JSON,
    }


class Source(Base):
    """Where posts come from."""

    __tablename__ = "source"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(unique=True)
    config: Mapped[dict[str, Any]]
    cursor: Mapped[str | None]
    cursor_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    made_at: Mapped[datetime]
    last_at: Mapped[datetime | None]
    """When its last post was accepted."""
    posts: Mapped[int] = mapped_column(_Id, default=0)
    """How many posts were ever accepted from it."""


class Post(Base):
    """A post, its place in the queue, and what lists need of its current assessment."""

    __tablename__ = "post"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    external_id: Mapped[str]
    digest: Mapped[str]
    """Over everything that was sent: the same key with another digest is a conflict."""
    url: Mapped[str | None]
    author: Mapped[str | None]
    text: Mapped[str]
    lang: Mapped[str | None]
    created_at: Mapped[datetime | None]
    """When it was posted, as far as its source says."""
    at: Mapped[datetime]
    """`created_at`, or when it was received: what lists are ordered by."""
    received_at: Mapped[datetime]
    lat: Mapped[float | None] = mapped_column(Float)
    lon: Mapped[float | None] = mapped_column(Float)
    event: Mapped[str | None]
    remarks: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What reading it changed or doubted, see `domain.post.Post.remarks` and `doubt`."""
    # the queue
    state: Mapped[str]
    stage: Mapped[int] = mapped_column(Integer, default=0)
    """What comes first: 0 the text, 1 the photo, 2 a new model's opinion of an old post."""
    lease_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    reason: Mapped[str | None]
    """Why it failed."""
    # of the current assessment
    model: Mapped[str | None]
    assessed_at: Mapped[datetime | None]
    urgency: Mapped[float | None] = mapped_column(Float)
    uncertainty: Mapped[float | None] = mapped_column(Float)
    language: Mapped[str | None]
    unread: Mapped[str | None]
    place: Mapped[str | None]
    place_name: Mapped[str | None]
    map_lat: Mapped[float | None] = mapped_column(Float)
    map_lon: Mapped[float | None] = mapped_column(Float)
    # of its neighbors and of people
    cluster_id: Mapped[int | None] = mapped_column(_Id)
    lead: Mapped[bool] = mapped_column(Boolean, default=True)
    """False for a near-duplicate that stands behind another post of its cluster."""
    reviews: Mapped[int] = mapped_column(Integer, default=0)
    """How many reviews stand, without those that were undone."""

    __table_args__ = (
        UniqueConstraint("source_id", "external_id"),
        Index(
            "ix_post_queue",
            "state",
            "stage",
            "id",
            sqlite_where=sql("state IN ('queued','leased','failed')"),
            postgresql_where=sql("state IN ('queued','leased','failed')"),
        ),
        Index("ix_post_at", "at", "id"),
        Index("ix_post_urgency", "urgency", "id"),
        Index("ix_post_uncertainty", "uncertainty", "id"),
        Index("ix_post_place", "place", "at", "id"),
        Index("ix_post_place_urgency", "place", "urgency", "id"),
        Index("ix_post_source", "source_id", "at", "id"),
        Index("ix_post_map", "map_lat", "map_lon"),
        Index("ix_post_cluster", "cluster_id", "at", "id"),
        Index("ix_post_received", "received_at"),
        {"sqlite_autoincrement": True},
    )


class Media(Base):
    """A photo of a post; its bytes, decoded and encoded anew, stand in the folder of blobs."""

    __tablename__ = "media"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id", ondelete="CASCADE"))
    sha256: Mapped[str | None]
    origin: Mapped[str | None]
    """SHA-256 of the bytes as they came, which are not kept."""
    url: Mapped[str | None]
    mime: Mapped[str | None]
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    size: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str]
    reason: Mapped[str | None]
    __table_args__ = (Index("ix_media_post", "post_id"), Index("ix_media_sha256", "sha256"))


class Assessment(Base):
    """What a model said of a post, word for word; several models a post, one of them current."""

    __tablename__ = "assessment"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    model_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    doc: Mapped[str]
    partial: Mapped[bool] = mapped_column(Boolean, default=False)
    """True while the photo has not been looked at."""
    current: Mapped[bool] = mapped_column(Boolean, default=True)
    at: Mapped[datetime]


class Answer(Base):
    """A label that the current assessment gives; `at` and `urgency` are the post's, for the index."""

    __tablename__ = "answer"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    confidence: Mapped[float] = mapped_column(Float)
    abstained: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[datetime]
    urgency: Mapped[float] = mapped_column(Float)
    uncertainty: Mapped[float] = mapped_column(Float)
    __table_args__ = (
        Index("ix_answer_at", "task", "label", "abstained", "at", "post_id"),
        Index("ix_answer_urgency", "task", "label", "abstained", "urgency", "post_id"),
        Index("ix_answer_uncertainty", "task", "label", "abstained", "uncertainty", "post_id"),
    )


class Tally(Base):
    """How many posts of an hour and a place have a label, see `store.tallies`."""

    __tablename__ = "tally"
    place: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    task: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    posts: Mapped[int] = mapped_column(_Id)
    __table_args__ = (Index("ix_tally_places", "task", "label", "hour", "place", "posts"),)


class Place(Base):
    """A place that some post is put at."""

    __tablename__ = "place"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    lat: Mapped[float | None] = mapped_column(Float)
    lon: Mapped[float | None] = mapped_column(Float)


class Mention(Base):
    """A name in a post's text."""

    __tablename__ = "mention"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str]
    text: Mapped[str]
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    place: Mapped[str | None]
    __table_args__ = (Index("ix_mention_place", "place", "post_id"),)


class Rationale(Base):
    """The evidence in a post, made when somebody asks."""

    __tablename__ = "rationale"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    model_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    doc: Mapped[str]
    at: Mapped[datetime]


class Signature(Base):
    """What a post's text and photo are compared by, see `data.duplicates`."""

    __tablename__ = "signature"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    minhash: Mapped[bytes | None] = mapped_column(LargeBinary)
    phash: Mapped[bytes | None] = mapped_column(LargeBinary)
    apart: Mapped[bool] = mapped_column(Boolean, default=False)
    """True where a person took the post out of its cluster: it is compared with nothing any more."""


class Band(Base):
    """The buckets that a post's signature falls into: 16 of its text, 5 of its photo; the first few posts of
    each bucket, which is what later ones are compared with.
    """

    __tablename__ = "band"
    band: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    key: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=False)
    post_id: Mapped[int] = mapped_column(
        _Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("ix_band_post", "post_id"), {"sqlite_with_rowid": False})


class Cluster(Base):
    """Posts that say or show nearly the same; the earliest leads."""

    __tablename__ = "cluster"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    lead_post_id: Mapped[int] = mapped_column(_Id)
    size: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]


class User(Base):
    """A person."""

    __tablename__ = "user"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    role: Mapped[str]
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    made_at: Mapped[datetime]


class ApiKey(Base):
    """A program's key; only its SHA-256 is kept."""

    __tablename__ = "api_key"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    sha256: Mapped[str]
    role: Mapped[str]
    made_at: Mapped[datetime]
    expires: Mapped[datetime | None]
    last_used: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Session(Base):
    """Somebody who logged in, or (kind `link`) a link that logs in once; only the token's SHA-256 is kept."""

    __tablename__ = "session"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    kind: Mapped[str]
    csrf: Mapped[str]
    made_at: Mapped[datetime]
    expires: Mapped[datetime]
    __table_args__ = (Index("ix_session_user", "user_id"),)


class Review(Base):
    """What a person said of a post; never changed, but for the time at which it was undone."""

    __tablename__ = "review"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    verdict: Mapped[str]
    task: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(JSON)
    model_labels: Mapped[list[str]] = mapped_column(JSON)
    """What the model had said when the person spoke."""
    model_fingerprint: Mapped[str | None]
    note: Mapped[str | None]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    __table_args__ = (Index("ix_review_post", "post_id"), Index("ix_review_user", "user_id", "at"))


class Claim(Base):
    """A post that one reviewer holds for some minutes."""

    __tablename__ = "claim"
    post_id: Mapped[int] = mapped_column(_Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    until: Mapped[datetime]
    __table_args__ = (Index("ix_claim_user", "user_id"),)


class Audit(Base):
    """Who changed what; each entry holds the digest of the one before, so that none can be taken out."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    previous: Mapped[str]
    hash: Mapped[str]
    __table_args__ = (Index("ix_audit_object", "object", "id"),)


class Event(Base):
    """Something that happened, written in the transaction in which it did: what leaves the store is read
    from here.
    """

    __tablename__ = "event"
    seq: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    post_id: Mapped[int | None] = mapped_column(_Id)
    doc: Mapped[dict[str, Any]]
    __table_args__ = (Index("ix_event_post", "post_id"), {"sqlite_autoincrement": True})


class Tombstone(Base):
    """The key of an erased post, which is not accepted again."""

    __tablename__ = "tombstone"
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"), primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class DeadLetter(Base):
    """What a source sent and could not become a post."""

    __tablename__ = "dead_letter"
    id: Mapped[int] = mapped_column(_Id, primary_key=True, autoincrement=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id"))
    raw: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (Index("ix_dead_letter_source", "source_id", "id"),)


class Setting(Base):
    """A value that a person set or that a job remembers."""

    __tablename__ = "setting"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    at: Mapped[datetime]


def table_of(model: type[Base]) -> Any:
    """The bare table of a model: to insert many rows into it costs a tenth of what the model does."""
    return model.__table__
