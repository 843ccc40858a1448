"""Searching by words: FTS5 on SQLite, a `tsvector` with a GIN index on PostgreSQL."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the change."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE post_words USING fts5(text, content='post', content_rowid='id', "
            'tokenize="unicode61 remove_diacritics 2")'
        )
        # posts that are there already
        op.execute("INSERT INTO post_words (post_words) VALUES ('rebuild')")
        # words of erased posts are overwritten, as everything else of them
        op.execute("INSERT INTO post_words (post_words, rank) VALUES ('secure-delete', 1)")
        return
    op.execute(
        "ALTER TABLE post ADD COLUMN post_words tsvector "
        "GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED"
    )
    op.execute("CREATE INDEX ix_post_words ON post USING gin (post_words)")


def downgrade() -> None:
    """Takes it back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE post_words")
        return
    op.execute("DROP INDEX ix_post_words")
    op.execute("ALTER TABLE post DROP COLUMN post_words")
