"""Who may come in, and what people say and hold."""

from datetime import datetime

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from crisislens.store.models.base import Base, Id

__all__ = [
    "ApiKey",
    "Claim",
    "Review",
    "Session",
    "User",
]


class User(Base):
    """A person."""

    __tablename__ = "user"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str | None]
    role: Mapped[str]
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    made_at: Mapped[datetime]
    subject: Mapped[str | None]
    """Issuer and subject of who signs in at a provider of identities."""
    __table_args__ = (Index("ix_user_subject", "subject", unique=True),)


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
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    verdict: Mapped[str]
    task: Mapped[str]
    """Empty where the whole post was judged; then `answers` says what of which task."""
    labels: Mapped[list[str]] = mapped_column(JSON)
    model_labels: Mapped[list[str]] = mapped_column(JSON)
    """What the model had said when the person spoke."""
    model_fingerprint: Mapped[str | None]
    """Which model that was; NULL where none had been asked this."""
    answers: Mapped[dict[str, list[str]] | None] = mapped_column(JSON(none_as_null=True))
    note: Mapped[str | None]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_review_post", "post_id"),
        Index("ix_review_user", "user_id", "at"),
        Index("ix_review_task", "task", "undone_at"),
    )


class Claim(Base):
    """A post that one reviewer holds for some minutes."""

    __tablename__ = "claim"
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    until: Mapped[datetime]
    __table_args__ = (Index("ix_claim_user", "user_id"),)
