"""Types of columns that both databases answer alike.

SQLite drops time zones and PostgreSQL refuses NUL in text, so neither is left to the database: a time is
stored in UTC without its zone and comes back with it, and NUL becomes U+FFFD before either sees it.
"""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

__all__ = ["CleanText", "UtcTime", "without_nul"]


def without_nul(value: str) -> str:
    """A text without U+0000 and halves of surrogate pairs, which become U+FFFD.

    >>> without_nul("a" + chr(0) + "b") == "a" + chr(0xFFFD) + "b"
    True
    """
    if value.isascii() and "\0" not in value:
        return value
    if "\0" in value:
        value = value.replace("\0", "\ufffd")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class UtcTime(TypeDecorator[datetime]):
    """A moment; a time without a zone is taken as UTC, and every time comes back in UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Before the database."""
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """After the database."""
        return None if value is None else value.replace(tzinfo=UTC)


class CleanText(TypeDecorator[str]):
    """A text of any length without NUL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Before the database."""
        return None if value is None else without_nul(value)
