"""What all records share."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Order", "Page", "Record", "Role", "State", "Verdict"]

T = TypeVar("T")
Role = Literal["viewer", "reviewer", "admin"]
State = Literal["queued", "leased", "done", "failed"]
Order = Literal["urgency", "time", "uncertainty", "diverse"]
Verdict = Literal["right", "label", "unsure"]
"""The model is right; it should have been these labels; a person cannot tell either."""


class Record(BaseModel):
    """The base of all of them: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Record, Generic[T]):
    """Some rows and where the next ones begin."""

    rows: tuple[T, ...]
    next: str | None = Field(description="For `PostFilter.after`; null at the end")
