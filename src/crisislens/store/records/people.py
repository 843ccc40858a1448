"""People and programs, what they say and hold, where posts come from, and what happened."""

from datetime import datetime
from typing import Any

from pydantic import Field

from crisislens.store.records.base import Record, Role, Verdict

__all__ = [
    "EVENT_KINDS",
    "AuditRow",
    "DeadLetterRow",
    "EventRow",
    "Held",
    "JudgedPost",
    "KeyRow",
    "ReviewRow",
    "SessionRow",
    "SourceRow",
    "UserRow",
]


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


class ReviewRow(Record):
    """What a person says of one task, or of a whole post."""

    id: int
    post_id: int
    user_id: int
    user: str
    verdict: Verdict
    task: str = Field(description="Empty where the whole post was judged")
    labels: tuple[str, ...]
    model_labels: tuple[str, ...] = Field(description="What the model had said then")
    model_fingerprint: str | None = Field(
        default=None, description="Which model that was; None where none had been asked this"
    )
    answers: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Of a whole post: the labels that were called right, by task"
    )
    note: str | None
    at: datetime
    undone_at: datetime | None

    @property
    def said(self) -> dict[str, tuple[str, ...]]:
        """By task the labels that a person gave; none where they were not sure."""
        return dict(self.answers) if not self.task else {self.task: self.labels}

    def model_said(self, task: str) -> tuple[str, ...]:
        """What the model had said of a task then."""
        return self.model_labels if self.task else self.answers.get(task, ())


class JudgedPost(Record):
    """A reviewed post beside what a model says of it."""

    post_id: int
    cluster_id: int | None = Field(description="Near-duplicates share it")
    said: dict[str, tuple[str, ...]] = Field(description="By task the labels that people gave")
    doc: str = Field(description="The model's assessment as JSON")


class Held(Record):
    """A post that a reviewer holds."""

    post_id: int
    user_id: int
    user: str
    until: datetime


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


EVENT_KINDS = (
    "post.accepted",
    "post.assessed",
    "post.failed",
    "post.reviewed",
    "post.held",
    "post.erased",
    "cluster.changed",
    "source.changed",
    "rule.changed",
    "alert.opened",
    "alert.escalated",
    "alert.closed",
    "bulletin.released",
    "outlet.pinged",
    "delivery.failed",
    "delivery.again",
)
"""What can happen; a listener that asks for anything else would wait forever."""


class EventRow(Record):
    """Something that happened: one of `EVENT_KINDS`."""

    seq: int
    at: datetime
    kind: str
    post_id: int | None
    doc: dict[str, Any]
