"""What was posted, what models say of it, and how many posts there are of what."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, Float, ForeignKey, Index, Integer, LargeBinary, UniqueConstraint
from sqlalchemy import (
    text as sql,
)
from sqlalchemy.orm import Mapped, mapped_column

from crisislens.store.models.base import Base, Id

__all__ = [
    "Answer",
    "Assessment",
    "Band",
    "Cluster",
    "Media",
    "Mention",
    "Place",
    "Post",
    "Rationale",
    "Signature",
    "Tally",
    "Witness",
]


class Post(Base):
    """A post, its place in the queue, and what lists need of its current assessment."""

    __tablename__ = "post"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
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
    cluster_id: Mapped[int | None] = mapped_column(Id)
    shown_id: Mapped[int | None] = mapped_column(Id)
    """The group of those that show the same photo, whatever they say."""
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
        Index("ix_post_shown", "shown_id", "at", "id"),
        Index("ix_post_received", "received_at"),
        Index(
            "ix_post_event",
            "event",
            "at",
            "id",
            sqlite_where=sql("event IS NOT NULL"),
            postgresql_where=sql("event IS NOT NULL"),
        ),
        {"sqlite_autoincrement": True},
    )


class Media(Base):
    """A photo of a post; its bytes, decoded and encoded anew, stand in the folder of blobs."""

    __tablename__ = "media"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
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
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    model_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    doc: Mapped[str]
    partial: Mapped[bool] = mapped_column(Boolean, default=False)
    """True while the photo has not been looked at."""
    current: Mapped[bool] = mapped_column(Boolean, default=True)
    at: Mapped[datetime]


class Answer(Base):
    """A label that the current assessment gives; `at` and `urgency` are the post's, for the index."""

    __tablename__ = "answer"
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
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
    posts: Mapped[int] = mapped_column(Id)
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
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
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
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    model_fingerprint: Mapped[str] = mapped_column(primary_key=True)
    doc: Mapped[str]
    at: Mapped[datetime]


class Signature(Base):
    """What a post's text and photo are compared by, see `data.duplicates`."""

    __tablename__ = "signature"
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
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
    key: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    post_id: Mapped[int] = mapped_column(
        Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("ix_band_post", "post_id"), {"sqlite_with_rowid": False})


class Witness(Base):
    """The versions of a group of near-duplicates: one post of each, which new posts are held against."""

    __tablename__ = "witness"
    cluster_id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=False)
    post_id: Mapped[int] = mapped_column(
        Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    __table_args__ = (Index("ix_witness_post", "post_id"),)


class Cluster(Base):
    """Posts that say nearly the same (`text`, and `both` where they show the same too), that people joined
    (`person`), or that show the same with other words (`photo`); the earliest leads.
    """

    __tablename__ = "cluster"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    lead_post_id: Mapped[int] = mapped_column(Id)
    size: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str]
