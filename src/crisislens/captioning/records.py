"""What captioning may cost, what it asks and what comes of it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from crisislens.core.config import Config
from crisislens.domain.post import Post

__all__ = ["CaptionRecord", "CaptionRun", "Limits", "Outcome", "Question", "Status"]

Status = Literal["captioned", "no photo", "unreadable photo", "failed", "budget"]


class Limits(Config):
    """What captioning may cost."""

    max_requests: int | None = Field(default=None, ge=0)
    """Requests to the captioner, retries included; null for any."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens as the captioner counts them; asking ends with the answer that reaches it."""
    max_seconds: float | None = Field(default=None, gt=0)
    """Time after which nothing more is asked, in seconds."""
    retries: int = Field(default=5, ge=0)
    """How often a transient failure is tried again."""
    answer_retries: int = Field(default=1, ge=0)
    """How often an unusable answer is asked for again."""
    first_wait_s: float = Field(default=1.0, gt=0)
    """The first wait, in seconds; doubled each time."""
    longest_wait_s: float = Field(default=60.0, gt=0)
    """The longest wait, in seconds."""
    give_up_after: int = Field(default=8, ge=1)
    """Photos in a row that fail for want of an answer before the run ends with an error."""


class CaptionRecord(BaseModel):
    """One line of the output."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str
    """The post."""
    image: str | None
    """Path of its photo as given."""
    text: str
    """The caption; empty where there is none."""
    weak: bool
    """Whether the captioner is known to be poor."""
    status: Status
    reason: str | None = None
    """Why there is no caption."""
    model: str
    prompt: str | None
    """The prompt with its version; null for a captioner that follows none."""


@dataclass
class CaptionRun:
    """What a run came to.

    Attributes:
        records: One a post, in order; none where they went into sinks.
        statuses: How many posts have which status.
        failed: Rows that could not become a post.
        questions: Distinct questions among them.
        known: Questions that the store could answer.
        requests: Requests that were made, retries included.
        tokens: Tokens that they cost.
        seconds: Time of the run.
    """

    records: list[CaptionRecord] = field(default_factory=list)
    statuses: Counter[Status] = field(default_factory=Counter)
    failed: int = 0
    questions: int = 0
    known: int = 0
    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        """Posts with a status."""
        return self.statuses[status]

    @property
    def posts(self) -> int:
        """Posts that have a record."""
        return self.statuses.total()


@dataclass(frozen=True)
class Question:
    """What is asked once, for all posts whose photo, prompt and captioner are the same.

    Attributes:
        key: Names the question in the store.
        post: The first of the posts.
        path: Its photo, where the captioner reads one.
    """

    key: str
    post: Post
    path: Path | None


@dataclass(frozen=True)
class Outcome:
    """What came of a question, or why it was not asked.

    Attributes:
        text: The caption; empty where there is none.
        status: Whether there is one.
        reason: Why there is none.
    """

    text: str = ""
    status: Status = "captioned"
    reason: str | None = None
