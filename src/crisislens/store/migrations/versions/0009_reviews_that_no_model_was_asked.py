"""A review names a model only where one was asked its question, and questions of reviews have an index."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REVIEW = sa.table(
    "review",
    sa.column("id", sa.BigInteger),
    sa.column("post_id", sa.BigInteger),
    sa.column("task", sa.Text),
    sa.column("model_labels", sa.JSON),
    sa.column("model_fingerprint", sa.Text),
)
ASSESSMENT = sa.table(
    "assessment",
    sa.column("post_id", sa.BigInteger),
    sa.column("model_fingerprint", sa.Text),
    sa.column("doc", sa.Text),
)


def upgrade() -> None:
    """Makes the change. Reviews named the post's model until now, also of a question that it is not asked:
    to have said that nothing holds, and to have said nothing, looked alike.
    """
    op.create_index("ix_review_task", "review", ["task", "undone_at"])
    connection = op.get_bind()
    asked = sa.select(REVIEW).where(REVIEW.c.task != "", REVIEW.c.model_fingerprint.is_not(None))
    for row in connection.execute(asked).all():
        if row.model_labels or _was_asked(connection, row):
            continue
        mended = sa.update(REVIEW).where(REVIEW.c.id == row.id).values(model_fingerprint=None)
        connection.execute(mended)


def _was_asked(connection: sa.Connection, review: sa.Row[tuple[object, ...]]) -> bool:
    """Whether the model has answered the question of a review; no where its assessment is gone, since nobody
    can tell any more.
    """
    same = ASSESSMENT.c.post_id == review.post_id, ASSESSMENT.c.model_fingerprint == review.model_fingerprint
    doc = connection.execute(sa.select(ASSESSMENT.c.doc).where(*same)).scalar()
    return doc is not None and review.task in json.loads(doc)["tasks"]


def downgrade() -> None:
    """Takes it back; the model that was not asked stays unnamed."""
    op.drop_index("ix_review_task", "review")
