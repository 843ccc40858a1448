"""What all tables share."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase

from crisislens.store.types import CleanText, UtcTime

__all__ = ["Base", "Id", "table_of"]

# SQLite gives a rowid only to INTEGER; PostgreSQL needs eight bytes for what grows for years
Id = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    """The root of the tables; constraints have names, which SQLite's batch migrations need."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - as SQLAlchemy documents it
        str: CleanText,
        datetime: UtcTime,
        dict[str, Any]: JSON,
    }


def table_of(model: type[Base]) -> Any:
    """The bare table of a model: to insert many rows into it costs a tenth of what the model does."""
    return model.__table__
