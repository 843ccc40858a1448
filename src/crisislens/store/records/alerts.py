"""Rules, alerts, and the ways by which those leave."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from crisislens.store.records.base import Record

__all__ = [
    "AlertRow",
    "AlertState",
    "BulletinRow",
    "DeliveryRow",
    "Finding",
    "Hit",
    "OutletRow",
    "RuleRow",
    "RuleSpec",
]

AlertState = Literal["open", "answered", "dismissed"]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class RuleSpec(Record):
    """What an alert is raised at: so many different posts that say one thing of one place within a window.

    Different are posts of which none is a near-duplicate of another, and no two of one author, where authors
    are known. What the model abstained from never counts.
    """

    task: Word = Field(
        description="The question, as in `needs`; `meaning` counts answers to several questions that mean "
        "nearly the same"
    )
    label: Word = Field(
        description="The answer that is counted, as in `rescue`, or the meaning, as in `calls_for_help`"
    )
    least: int = Field(ge=1, le=1_000, description="How many different posts")
    window_min: int = Field(ge=1, le=7 * 24 * 60, description="Within how many minutes")
    place: Word | None = Field(default=None, description="Only this place, by its id; each by itself without")
    sources: tuple[Word, ...] = Field(default=(), max_length=50, description="Only posts of these sources")
    min_confidence: float = Field(default=0.0, ge=0, le=1, description="The model is at least this sure")
    unanswered: bool = Field(
        default=True,
        description="Posts that a person has reviewed, or whose alert was answered, do not count",
    )
    late_h: float = Field(
        default=24.0,
        gt=0,
        le=24 * 366,
        description="Windows that were full longer ago raise nothing, in hours",
    )

    @property
    def window(self) -> timedelta:
        """Its length."""
        return timedelta(minutes=self.window_min)

    def level(self, different: int) -> int:
        """How grave: 1 from `least` on, 2 from twice that, 3 from four times, and so on.

        >>> spec = RuleSpec(task="needs", label="water", least=5, window_min=30)
        >>> [spec.level(n) for n in (4, 5, 9, 10, 20)]
        [0, 1, 1, 2, 3]
        """
        return (different // self.least).bit_length()


class RuleRow(Record):
    """A rule."""

    id: int
    name: str
    spec: RuleSpec
    enabled: bool
    made_at: datetime
    changed_at: datetime
    removed_at: datetime | None = None


class Hit(Record):
    """A post that a rule counts."""

    post_id: int
    at: datetime
    place: str
    place_name: str | None
    cluster_id: int | None
    author: str | None
    answered_at: datetime | None = Field(description="When a person first judged it or answered its alert")


class Finding(Record):
    """A place where a rule's window was full."""

    rule_id: int
    place: str
    place_name: str | None
    began_at: datetime = Field(description="The first post of the first full window")
    full_at: datetime = Field(description="The last post of the last full window")
    most: int = Field(description="The most different posts in one window")
    posts: tuple[tuple[int, datetime], ...] = Field(description="What it rests on, with their times")


class AlertRow(Record):
    """Something that a rule saw."""

    id: int
    uid: str
    rule_id: int
    rule: str = Field(description="The rule's name")
    spec: RuleSpec = Field(description="The rule as it was when this was raised")
    place: str
    place_name: str | None
    state: AlertState
    level: int
    most: int = Field(description="The most different posts that stood in one window")
    began_at: datetime
    full_at: datetime = Field(description="When its window was last full")
    opened_at: datetime
    changed_at: datetime
    closed_by: str | None
    note: str | None
    post_ids: tuple[int, ...] = Field(description="The posts that it rests on, the oldest first")


class OutletRow(Record):
    """A way out, without its secret."""

    id: int
    name: str
    kind: Literal["webhook", "mail"]
    target: str = Field(description="An address of https, or mailboxes with commas between")
    kinds: tuple[str, ...] = Field(description="The events that go there")
    rules: tuple[int, ...] = Field(description="Only alerts of these rules; of all where it is empty")
    enabled: bool
    made_at: datetime
    old_until: datetime | None = Field(description="Until when the former secret signs too")
    failing_since: datetime | None
    last_ok_at: datetime | None
    said: str | None = Field(description="What the last failure was")
    waiting: int = Field(default=0, description="Messages that are still to be sent")
    failed: int = Field(default=0, description="Messages that were given up")


class DeliveryRow(Record):
    """One message to one outlet."""

    id: int
    uid: str = Field(description="Constant over all tries: receivers know by it what they have seen")
    outlet_id: int
    outlet: str
    alert_id: int | None
    kind: str
    body: str
    state: Literal["waiting", "leased", "sent", "failed"]
    tries: int
    next_at: datetime
    made_at: datetime
    sent_at: datetime | None
    status: int | None = Field(description="The HTTP status of the last answer")
    said: str | None = Field(description="Its first 2 kB, or why there was none")


class BulletinRow(Record):
    """A message of the Common Alerting Protocol."""

    id: int
    identifier: str
    alert_id: int
    state: Literal["draft", "released", "withdrawn"]
    fields: dict[str, Any]
    xml: str | None
    made_at: datetime
    made_by: str
    released_at: datetime | None
    released_by: str | None
