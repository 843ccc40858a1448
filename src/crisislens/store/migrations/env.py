"""What Alembic runs around each migration; `store.schema` hands it a connection."""

from typing import Literal

from alembic import context

from crisislens.store.models import Base
from crisislens.store.schema import ours


def written(kind: str, thing: object, _context: object) -> str | Literal[False]:
    """Our own types as the database's: a migration must not change with our code."""
    plain = {"CleanText": "sa.Text()", "UtcTime": "sa.DateTime()"}
    return plain.get(type(thing).__name__, False) if kind == "type" else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter a table in place: Alembic copies it into a new one
    render_as_batch=True,
    include_object=ours,
    compare_type=True,
    render_item=written,
)
with context.begin_transaction():
    context.run_migrations()
