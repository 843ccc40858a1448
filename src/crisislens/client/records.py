"""What the service answers, as a program reads it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import CrisisLensError

__all__ = ["Event", "FoundPost", "RowOutcome", "Sent", "ServiceError"]


class ServiceError(CrisisLensError):
    """The service refused, or could not be reached; the message is its own sentence.

    Arguments:
        message: The sentence.
        status: The HTTP status; 0 where there was no answer.
    """

    exit_code = 9
    http_status = 502

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Answer(BaseModel):
    # a newer service may say more
    model_config = ConfigDict(frozen=True, extra="ignore")


class Sent(_Answer):
    """What became of a post that was sent.

    Attributes:
        id: Its number in the service.
        external_id: The id that was sent.
        state: `queued`, `leased`, `done` or `failed`.
        created: False where it was there before, word for word; true also of a later version that took the
            place of an earlier one.
        notes: Such as why a photo could not be used.
        assessment: The record, where it was waited for and came in time.
    """

    id: int
    external_id: str
    state: str | None = None
    created: bool
    notes: list[str] = []
    assessment: dict[str, Any] | None = None


class RowOutcome(_Answer):
    """What became of one post of many.

    Attributes:
        row: Its place among all that were sent, from 0.
        external_id: The id that was sent, where it could be read.
        id: Its number in the service; None where it was not taken.
        outcome: `created`, `same`, `replaced` (a later version of a post, with a number of its own),
            `conflict`, `erased` or `refused`.
        reason: Why it was not taken.
    """

    row: int
    external_id: str | None
    id: int | None
    outcome: str
    reason: str | None = None


class FoundPost(_Answer):
    """A post with the model's answers and people's, see the API's document for the fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: int
    source: str
    external_id: str
    text: str
    state: str
    urgency: float | None = None
    created_at: datetime | None = None
    answers: dict[str, Any] = {}
    reviews: list[dict[str, Any]] = []


class Event(_Answer):
    """Something that happened.

    Attributes:
        seq: Its number; go on after it.
        kind: Such as `post.assessed`; `gap` where events after `data["after"]` and before `data["before"]`
            are no longer kept.
        post_id: The post it is about, if any.
        data: All of it.
    """

    seq: int
    kind: str
    post_id: int | None = None
    data: dict[str, Any] = {}
