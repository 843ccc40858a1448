"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


# what points to another table goes before it
_BACKWARDS = (
    "signature",
    "review",
    "rationale",
    "mention",
    "media",
    "claim",
    "band",
    "assessment",
    "answer",
    "tombstone",
    "session",
    "post",
    "dead_letter",
    "user",
    "tally",
    "source",
    "setting",
    "place",
    "event",
    "cluster",
    "audit",
    "api_key",
)


def upgrade() -> None:
    """Makes the change; a table comes after those that it points to."""
    _people()
    _keys()
    _record()
    _sources()
    _posts()
    _post_indexes()
    _photos()
    _assessments()
    _evidence()
    _places_and_counts()
    _twins()
    _reviews()


def _people() -> None:
    """Who may come in."""
    op.create_table(
        "user",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user")),
        sa.UniqueConstraint("name", name=op.f("uq_user_name")),
    )
    op.create_table(
        "session",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["user.id"], name=op.f("fk_session_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_session")),
    )
    op.create_index("ix_session_user", "session", ["user_id"], unique=False)


def _record() -> None:
    """What is remembered beside the posts: values, changes, and what happened."""
    op.create_table(
        "setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_setting")),
    )
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_object", "audit", ["object", "id"], unique=False)
    op.create_table(
        "event",
        sa.Column("seq", NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("post_id", NUMBER, nullable=True),
        sa.Column("doc", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_post", "event", ["post_id"], unique=False)


def _sources() -> None:
    """Where posts come from, what could not become one, and what was erased."""
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=True),
        sa.Column("cursor_at", sa.DateTime(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=True),
        sa.Column("posts", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source")),
        sa.UniqueConstraint("name", name=op.f("uq_source_name")),
    )
    op.create_table(
        "dead_letter",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_dead_letter_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letter")),
    )
    op.create_index("ix_dead_letter_source", "dead_letter", ["source_id", "id"], unique=False)
    op.create_table(
        "tombstone",
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_tombstone_source_id")),
        sa.PrimaryKeyConstraint("source_id", "external_id", name=op.f("pk_tombstone")),
    )


def _posts() -> None:
    """The posts, which are the queue too."""
    op.create_table(
        "post",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("author", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("lang", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("received_at", sa.DateTime(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("remarks", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("lease_by", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("assessed_at", sa.DateTime(), nullable=True),
        sa.Column("urgency", sa.Float(), nullable=True),
        sa.Column("uncertainty", sa.Float(), nullable=True),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("unread", sa.Text(), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("place_name", sa.Text(), nullable=True),
        sa.Column("map_lat", sa.Float(), nullable=True),
        sa.Column("map_lon", sa.Float(), nullable=True),
        sa.Column("cluster_id", NUMBER, nullable=True),
        sa.Column("lead", sa.Boolean(), nullable=False),
        sa.Column("reviews", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_post_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_post")),
        sa.UniqueConstraint("source_id", "external_id", name=op.f("uq_post_source_id_external_id")),
        sqlite_autoincrement=True,
    )


def _post_indexes() -> None:
    """What lists of posts walk."""
    op.create_index("ix_post_at", "post", ["at", "id"], unique=False)
    op.create_index("ix_post_cluster", "post", ["cluster_id", "at", "id"], unique=False)
    op.create_index("ix_post_map", "post", ["map_lat", "map_lon"], unique=False)
    op.create_index("ix_post_place", "post", ["place", "at", "id"], unique=False)
    op.create_index("ix_post_place_urgency", "post", ["place", "urgency", "id"], unique=False)
    op.create_index(
        "ix_post_queue",
        "post",
        ["state", "stage", "id"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued','leased','failed')"),
        postgresql_where=sa.text("state IN ('queued','leased','failed')"),
    )
    op.create_index("ix_post_received", "post", ["received_at"], unique=False)
    op.create_index("ix_post_source", "post", ["source_id", "at", "id"], unique=False)
    op.create_index("ix_post_uncertainty", "post", ["uncertainty", "id"], unique=False)
    op.create_index("ix_post_urgency", "post", ["urgency", "id"], unique=False)


def _photos() -> None:
    """Their photos."""
    op.create_table(
        "media",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("mime", sa.Text(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_media_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
    )
    op.create_index("ix_media_post", "media", ["post_id"], unique=False)
    op.create_index("ix_media_sha256", "media", ["sha256"], unique=False)


def _assessments() -> None:
    """What models say, word for word and label by label."""
    op.create_table(
        "assessment",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_assessment_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "model_fingerprint", name=op.f("pk_assessment")),
    )
    op.create_table(
        "answer",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("abstained", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("urgency", sa.Float(), nullable=False),
        sa.Column("uncertainty", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_answer_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", "task", "label", name=op.f("pk_answer")),
    )
    op.create_index("ix_answer_at", "answer", ["task", "label", "abstained", "at", "post_id"], unique=False)
    op.create_index(
        "ix_answer_uncertainty",
        "answer",
        ["task", "label", "abstained", "uncertainty", "post_id"],
        unique=False,
    )
    op.create_index(
        "ix_answer_urgency", "answer", ["task", "label", "abstained", "urgency", "post_id"], unique=False
    )


def _places_and_counts() -> None:
    """Where posts are, and how many there are of each label."""
    op.create_table(
        "place",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lat", sa.Float(), nullable=True),
        sa.Column("lon", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place")),
    )
    op.create_table(
        "mention",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_mention_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "number", name=op.f("pk_mention")),
    )
    op.create_index("ix_mention_place", "mention", ["place", "post_id"], unique=False)
    op.create_table(
        "tally",
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("posts", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("place", "hour", "task", "label", name=op.f("pk_tally")),
    )
    op.create_index("ix_tally_places", "tally", ["task", "label", "hour", "place", "posts"], unique=False)


def _twins() -> None:
    """Near-duplicates, and what they are found by."""
    op.create_table(
        "cluster",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("lead_post_id", NUMBER, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cluster")),
    )
    op.create_table(
        "signature",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("minhash", sa.LargeBinary(), nullable=True),
        sa.Column("phash", sa.LargeBinary(), nullable=True),
        sa.Column("apart", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_signature_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_signature")),
    )
    op.create_table(
        "band",
        sa.Column("band", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", NUMBER, autoincrement=False, nullable=False),
        sa.Column("post_id", NUMBER, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_band_post_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("band", "key", "post_id", name=op.f("pk_band")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_band_post", "band", ["post_id"], unique=False)


def _reviews() -> None:
    """What people say, and who holds what."""
    op.create_table(
        "review",
        sa.Column("id", NUMBER, autoincrement=True, nullable=False),
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("model_labels", sa.JSON(), nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("undone_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_review_post_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_review_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
    )
    op.create_index("ix_review_post", "review", ["post_id"], unique=False)
    op.create_index("ix_review_user", "review", ["user_id", "at"], unique=False)
    op.create_table(
        "claim",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["post_id"], ["post.id"], name=op.f("fk_claim_post_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_claim_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_claim")),
    )
    op.create_index("ix_claim_user", "claim", ["user_id"], unique=False)


def _keys() -> None:
    """The keys of programs."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=True),
        sa.Column("last_used", sa.DateTime(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )


def _evidence() -> None:
    """Why a model says so."""
    op.create_table(
        "rationale",
        sa.Column("post_id", NUMBER, nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["post.id"], name=op.f("fk_rationale_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "model_fingerprint", name=op.f("pk_rationale")),
    )


def downgrade() -> None:
    """Takes it back."""
    for name in _BACKWARDS:
        op.drop_table(name)
