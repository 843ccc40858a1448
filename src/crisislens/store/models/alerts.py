"""Rules, the alerts that they raised, the ways by which those leave, and what is still to be sent."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crisislens.store.models.base import Base, Id

__all__ = ["Alert", "AlertPost", "AlertRule", "Bulletin", "Delivery", "Outlet"]


class AlertRule(Base):
    """What an alert is raised at; one that was removed stays, as alerts point to it."""

    __tablename__ = "alert_rule"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    spec: Mapped[dict[str, Any]]
    """See `records.alerts.RuleSpec`."""
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    made_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class Alert(Base):
    """Something that a rule saw: at one place, in one window."""

    __tablename__ = "alert"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uid: Mapped[str] = mapped_column(unique=True)
    """The same for whoever reads it, in feeds and messages, for ever."""
    rule_id: Mapped[int] = mapped_column(ForeignKey("alert_rule.id"))
    spec: Mapped[dict[str, Any]]
    """The rule as it was then."""
    place: Mapped[str]
    place_name: Mapped[str | None]
    state: Mapped[str]
    level: Mapped[int] = mapped_column(Integer)
    most: Mapped[int] = mapped_column(Integer)
    """The most different posts that ever stood in one window."""
    began_at: Mapped[datetime]
    full_at: Mapped[datetime]
    """When its window was last full."""
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    closed_by: Mapped[str | None]
    note: Mapped[str | None]
    __table_args__ = (
        # however often events are read again, one window raises one alert
        UniqueConstraint("rule_id", "place", "began_at"),
        Index("ix_alert_state", "state", "id"),
        Index("ix_alert_changed", "changed_at", "id"),
        {"sqlite_autoincrement": True},
    )


class AlertPost(Base):
    """A post that an alert rests on."""

    __tablename__ = "alert_post"
    alert_id: Mapped[int] = mapped_column(Id, ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True)
    post_id: Mapped[int] = mapped_column(Id, ForeignKey("post.id", ondelete="CASCADE"), primary_key=True)
    at: Mapped[datetime]
    """When the post was posted."""
    __table_args__ = (Index("ix_alert_post_post", "post_id"),)


class Outlet(Base):
    """A way out: somebody's server, or mailboxes."""

    __tablename__ = "outlet"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    target: Mapped[str]
    kinds: Mapped[list[str]] = mapped_column(JSON)
    """The events that go there."""
    rules: Mapped[list[int]] = mapped_column(JSON)
    """Only alerts of these rules; of all where it is empty."""
    secret: Mapped[str | None]
    old_secret: Mapped[str | None]
    old_until: Mapped[datetime | None]
    """Until when messages are signed with the former secret too."""
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    made_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    last_ok_at: Mapped[datetime | None]
    said: Mapped[str | None]
    """What the last failure was, in one sentence."""


class Delivery(Base):
    """One message to one outlet; its body never changes, so that each try sends the same."""

    __tablename__ = "delivery"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    uid: Mapped[str] = mapped_column(unique=True)
    """The `webhook-id`, or a part of the `Message-ID`: constant over all tries."""
    outlet_id: Mapped[int] = mapped_column(ForeignKey("outlet.id"))
    alert_id: Mapped[int | None] = mapped_column(Id, ForeignKey("alert.id", ondelete="CASCADE"))
    kind: Mapped[str]
    body: Mapped[str]
    state: Mapped[str]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    next_at: Mapped[datetime]
    lease_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    made_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    status: Mapped[int | None] = mapped_column(Integer)
    said: Mapped[str | None]
    """The first 2 kB of the answer, or why there was none."""
    __table_args__ = (
        Index("ix_delivery_due", "state", "next_at"),
        Index("ix_delivery_outlet", "outlet_id", "id"),
    )


class Bulletin(Base):
    """A message of the Common Alerting Protocol, drafted from an alert and released by a person."""

    __tablename__ = "bulletin"
    id: Mapped[int] = mapped_column(Id, primary_key=True, autoincrement=True)
    identifier: Mapped[str] = mapped_column(unique=True)
    alert_id: Mapped[int] = mapped_column(Id, ForeignKey("alert.id", ondelete="CASCADE"))
    state: Mapped[str]
    fields: Mapped[dict[str, Any]]
    xml: Mapped[str | None]
    """As it was released; never changed again."""
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    released_at: Mapped[datetime | None]
    released_by: Mapped[str | None]
    __table_args__ = (Index("ix_bulletin_alert", "alert_id"),)
