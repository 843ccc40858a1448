"""People who sign in at a provider of identities are known by its word for them."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change."""
    op.add_column("user", sa.Column("subject", sa.Text(), nullable=True))
    op.create_index("ix_user_subject", "user", ["subject"], unique=True)


def downgrade() -> None:
    """Takes it back; such people keep their names and need a link to come in."""
    op.drop_index("ix_user_subject", table_name="user")
    op.drop_column("user", "subject")
