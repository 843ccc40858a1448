"""What folds and what only links: posts that show the same photo with other words have a group of their own,
and every group knows the versions that a new post is held against.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change. Clusters of before stay as they are; new posts are held against their leads."""
    op.add_column("post", sa.Column("shown_id", _id(), nullable=True))
    op.create_index("ix_post_shown", "post", ["shown_id", "at", "id"])
    op.create_table(
        "witness",
        sa.Column("cluster_id", _id(), autoincrement=False, nullable=False),
        sa.Column("post_id", _id(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name="fk_witness_post_id_post", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("cluster_id", "post_id", name="pk_witness"),
    )
    op.create_index("ix_witness_post", "witness", ["post_id"])
    # `photo` now says that the posts are linked and not folded
    op.execute("UPDATE cluster SET kind = 'both' WHERE kind = 'photo'")
    op.execute(
        "INSERT INTO witness (cluster_id, post_id) "
        "SELECT id, lead_post_id FROM cluster WHERE lead_post_id IN (SELECT id FROM post)"
    )


def downgrade() -> None:
    """Takes it back."""
    op.execute("DELETE FROM cluster WHERE kind = 'photo'")
    op.drop_table("witness")
    op.drop_index("ix_post_shown", "post")
    op.drop_column("post", "shown_id")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")
