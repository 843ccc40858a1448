"""PostgreSQL learns which tasks, labels and abstentions come together: a label belongs to one task, and
without that it expects a thirteenth of the posts that there are.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change; the next ANALYZE fills it."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute(
            "CREATE STATISTICS st_answer_said (ndistinct, dependencies, mcv) "
            "ON task, label, abstained FROM answer"
        )


def downgrade() -> None:
    """Takes it back."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP STATISTICS st_answer_said")
