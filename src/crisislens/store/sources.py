"""Sources with their cursors, and what they sent that could not become a post."""

from collections.abc import Mapping
from typing import Any

from crisislens.store.database import Database
from crisislens.store.records import DeadLetterRow, SourceRow

__all__ = ["DeadLetters", "Sources"]


class Sources:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, name: str, kind: str, config: Mapping[str, Any] | None = None) -> SourceRow:
        """The source of a name, made where there is none; a given configuration is kept."""
        raise NotImplementedError

    def all(self) -> tuple[SourceRow, ...]:
        """All of them, by name; `last_at` tells the lag."""
        raise NotImplementedError

    def by_name(self, name: str) -> SourceRow | None:
        """The source of a name."""
        raise NotImplementedError

    def change(
        self, name: str, *, enabled: bool | None = None, config: Mapping[str, Any] | None = None, actor: str
    ) -> SourceRow:
        """Changes a source.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError


class DeadLetters:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: str, raw: str, reason: str) -> None:
        """Keeps what could not become a post, its first 64 kB."""
        raise NotImplementedError

    def list(
        self, *, source: str | None = None, before_id: int | None = None, most: int = 100
    ) -> tuple[DeadLetterRow, ...]:
        """The newest first."""
        raise NotImplementedError

    def get(self, letter_id: int) -> DeadLetterRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError

    def remove(self, letter_id: int, *, actor: str) -> None:
        """Takes one out, when it was replayed or thrown away.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError
