"""Where posts come from, what was erased, what happened, and what people set."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from crisislens.store.models.base import Base, Id

__all__ = [
    "Audit",
    "DeadLetter",
    "Event",
    "EventPair",
    "Setting",
    "Source",
    "Tombstone",
]


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
    posts: Mapped[int] = mapped_column(Id, default=0)
    """How many posts were ever accepted from it."""


class Audit(Base):
    """Who changed what; each entry holds the digest of the one before, so that none can be taken out."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
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
    seq: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    kind: Mapped[str]
    post_id: Mapped[int | None] = mapped_column(Id)
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
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
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


class EventPair(Base):
    """Two names of an event, and whether a person calls them one."""

    __tablename__ = "event_pair"
    one: Mapped[str] = mapped_column(primary_key=True)
    other: Mapped[str] = mapped_column(primary_key=True)
    """After `one` in the order of the alphabet."""
    same: Mapped[bool] = mapped_column(Boolean)
    by: Mapped[str]
    at: Mapped[datetime]
