"""Values that people set and that jobs remember, by name."""

from collections.abc import Mapping
from typing import Any

from crisislens.store.database import Database

__all__ = ["Settings"]


class Settings:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> dict[str, Any] | None:
        """The value of a name; None where nobody set one."""
        raise NotImplementedError

    def put(self, name: str, value: Mapping[str, Any], *, actor: str) -> None:
        """Sets a value; the audit trail holds the one before."""
        raise NotImplementedError

    def all(self) -> dict[str, dict[str, Any]]:
        """All of them."""
        raise NotImplementedError
