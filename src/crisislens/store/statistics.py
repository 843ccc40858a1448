"""Counts for the situation page, and what days looked like, for drift."""

from collections.abc import Sequence
from datetime import datetime

from crisislens.store.database import Database
from crisislens.store.records import Counts, DayRow, PlaceCount

__all__ = ["Statistics"]


class Statistics:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(
        self, since: datetime, until: datetime, *, place: str | None = None, places: int = 20
    ) -> Counts:
        """The situation in numbers, from the hourly tallies.

        Arguments:
            since: First hour, rounded down.
            until: The hour after the last, rounded up.
            place: Only posts of this place.
            places: How many places are named.
        """
        raise NotImplementedError

    def places(self, since: datetime, until: datetime, *, most: int = 2_000) -> tuple[PlaceCount, ...]:
        """Places with coordinates and counts, for the map, those with most posts first."""
        raise NotImplementedError

    def days(self, days: int = 30, *, until: datetime | None = None) -> tuple[DayRow, ...]:
        """What each of the last days looked like, the oldest first."""
        raise NotImplementedError

    def models(self) -> dict[str, int]:
        """How many posts each model's answer is current for, by fingerprint."""
        raise NotImplementedError

    def agreement(self, models: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of posts that two models answered: by task how many they say the same of, and how many both did.

        Arguments:
            models: Two fingerprints.
        """
        raise NotImplementedError

    def sizes(self) -> dict[str, int]:
        """Rows by table and bytes of database and blobs, for metrics; tables as the database estimates."""
        raise NotImplementedError
