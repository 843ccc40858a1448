"""Names that people call one event, and an index of events."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change."""
    op.create_table(
        "event_pair",
        sa.Column("one", sa.Text(), nullable=False),
        sa.Column("other", sa.Text(), nullable=False),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_event_pair")),
    )
    op.create_index(
        "ix_post_event",
        "post",
        ["event", "at", "id"],
        unique=False,
        sqlite_where=sa.text("event IS NOT NULL"),
        postgresql_where=sa.text("event IS NOT NULL"),
    )


def downgrade() -> None:
    """Takes it back."""
    op.drop_index("ix_post_event", table_name="post")
    op.drop_table("event_pair")
