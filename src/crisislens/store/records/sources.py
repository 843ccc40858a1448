"""What is kept with a source: which of its posts are taken, and how long it may be silent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import Field, ValidationError

from crisislens.core.errors import InputError
from crisislens.store.records.base import Record
from crisislens.store.records.people import SourceRow
from crisislens.store.records.posts import Box

__all__ = ["DEFAULT_SILENT_MINUTES", "SourceFilters", "filters_of", "silent_minutes"]

DEFAULT_SILENT_MINUTES: Final = 15.0
_PUSHED: Final = frozenset({"api", "demo"})
"""Kinds that nobody reads from: programs send when they have something."""


class SourceFilters(Record):
    """Which posts of a source are taken; a running stream sees a change within ten seconds.

    Attributes:
        keep: At least one of these words stands in the text, in any case; `flood*` also finds `flooding`.
        drop: None of these does.
        languages: As `es`; by what the source says, else by the text. A text too short to tell is taken.
        box: Posts with coordinates outside are not taken; posts without any are.
    """

    keep: tuple[str, ...] = Field(default=(), max_length=200)
    drop: tuple[str, ...] = Field(default=(), max_length=200)
    languages: tuple[str, ...] = Field(default=(), max_length=50)
    box: Box | None = None


def filters_of(config: Mapping[str, Any]) -> SourceFilters:
    """The filters of a source's configuration.

    Raises:
        InputError: If somebody wrote there what is none.
    """
    try:
        return SourceFilters.model_validate(config.get("filters") or {})
    except ValidationError as error:
        raise InputError(f"the source's filters cannot be used: {error.errors()[0]['msg']}") from None


def silent_minutes(row: SourceRow, now: datetime) -> float | None:
    """For how many minutes a source that is read has brought no new post, where that is longer than it
    should be; else None.
    """
    allowed = row.config.get("silent_minutes", DEFAULT_SILENT_MINUTES)
    if not row.enabled or row.kind in _PUSHED or not isinstance(allowed, (int, float)) or allowed <= 0:
        return None
    minutes = (now - (row.last_at or row.made_at)).total_seconds() / 60
    return minutes if minutes > allowed else None
