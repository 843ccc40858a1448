"""Posts that have any of several labels that mean nearly the same are counted, each once."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

POST = sa.table(
    "post",
    sa.column("id", sa.BigInteger),
    sa.column("at", sa.DateTime),
    sa.column("place", sa.Text),
    sa.column("model", sa.Text),
)
ANSWER = sa.table(
    "answer",
    sa.column("post_id", sa.BigInteger),
    sa.column("task", sa.Text),
    sa.column("label", sa.Text),
    sa.column("abstained", sa.Boolean),
)
TALLY = sa.table(
    "tally",
    sa.column("place", sa.Text),
    sa.column("hour", sa.DateTime),
    sa.column("task", sa.Text),
    sa.column("label", sa.Text),
    sa.column("posts", sa.BigInteger),
)
# as `domain.meanings` was when this was written
MEANT = {
    ("humanitarian", "requests_or_urgent_needs"): "calls_for_help",
    ("needs", "request"): "calls_for_help",
    ("humanitarian", "missing_or_found_people"): "missing_people",
    ("needs", "missing_people"): "missing_people",
    ("humanitarian", "caution_and_advice"): "warnings",
    ("needs", "warning"): "warnings",
}
STEP = 500


def upgrade() -> None:
    """Makes the change: counts the posts that are there."""
    connection = op.get_bind()
    counts: Counter[tuple[str, datetime, str]] = Counter()
    for at, place, meanings in _posts(connection):
        hour = at.replace(minute=0, second=0, microsecond=0)
        for meaning in meanings:
            counts["*", hour, meaning] += 1
            if place:
                counts[place, hour, meaning] += 1
    rows = [
        {"place": place, "hour": hour, "task": ":meant", "label": meaning, "posts": posts}
        for (place, hour, meaning), posts in sorted(counts.items())
    ]
    for start in range(0, len(rows), STEP):
        connection.execute(sa.insert(TALLY), rows[start : start + STEP])


def _posts(connection: sa.Connection) -> Iterator[tuple[datetime, str | None, set[str]]]:
    """Answered posts with any of the labels: when, where, and what they mean."""
    wanted = sa.select(POST.c.id, POST.c.at, POST.c.place, ANSWER.c.task, ANSWER.c.label)
    wanted = wanted.join_from(ANSWER, POST, POST.c.id == ANSWER.c.post_id)
    wanted = wanted.where(sa.tuple_(ANSWER.c.task, ANSWER.c.label).in_(list(MEANT)))
    wanted = wanted.where(ANSWER.c.abstained.is_(False), POST.c.model.is_not(None))
    # not all rows of a million posts at once
    found: Any = connection.execute(wanted.order_by(POST.c.id).execution_options(yield_per=STEP))
    for _, rows in groupby(found, key=lambda row: row.id):
        same = list(rows)
        yield same[0].at, same[0].place, {MEANT[row.task, row.label] for row in same}


def downgrade() -> None:
    """Takes it back."""
    op.execute(sa.delete(TALLY).where(TALLY.c.task == ":meant"))
