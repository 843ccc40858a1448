"""A review may judge a whole post: what it called right stands by task."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change."""
    op.add_column("review", sa.Column("answers", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Takes it back: the review of a post becomes one of each task, as it was before."""
    connection = op.get_bind()
    review = sa.Table("review", sa.MetaData(), autoload_with=connection)
    whole = connection.execute(sa.select(review).where(review.c.task == "")).mappings().all()
    for row in whole:
        connection.execute(sa.delete(review).where(review.c.id == row["id"]))
        shared = {name: value for name, value in row.items() if name not in ("id", "answers")}
        for task, labels in (row["answers"] or {}).items():
            said = {"task": task, "labels": labels, "model_labels": labels}
            connection.execute(sa.insert(review).values({**shared, **said}))
        if row["undone_at"] is None:
            more = {"more": len(row["answers"] or {}) - 1, "post": row["post_id"]}
            connection.execute(sa.text("UPDATE post SET reviews = reviews + :more WHERE id = :post"), more)
    op.drop_column("review", "answers")
