"""Small helps for reading."""

from typing import Any

from sqlalchemy import Connection

__all__ = ["pairs"]


def pairs(connection: Connection, statement: Any) -> dict[Any, Any]:
    """The rows of a statement of two columns, from the first to the second."""
    return {row[0]: row[1] for row in connection.execute(statement)}
