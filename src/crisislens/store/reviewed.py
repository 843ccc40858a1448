"""What people said, as others learn from it: a table for training, and answers beside what a model says.

A review of a whole post speaks of every task that it names. Of each post and task the newest standing review
counts, whoever wrote it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from crisislens.store.database import Database
from crisislens.store.models import Assessment, Post, Review
from crisislens.store.reading import pairs
from crisislens.store.records import JudgedPost, PostRow, ReviewRow
from crisislens.store.rows import post_rows, review_rows

__all__ = ["judged_posts", "training_rows"]

_STEP = 500


def training_rows(
    database: Database, task: str, *, since: datetime | None = None
) -> Iterator[dict[str, str]]:
    """See `Reviews.export`."""
    last = 0
    terms: list[Any] = [Review.undone_at.is_(None), or_(Review.task == task, Review.task == "")]
    if since is not None:
        terms.append(Review.at >= since)
    while True:
        part = select(Review.post_id).distinct().where(*terms, Review.post_id > last)
        with database.read() as connection:
            chosen = list(connection.execute(part.order_by(Review.post_id).limit(_STEP)).scalars())
            newest = _newest(review_rows(connection, *terms, Review.post_id.in_(chosen)))
            posts = {row.id: row for row in post_rows(connection, chosen)}
        for number in chosen:
            last = number
            review = newest.get(number, {}).get(task)
            if review is not None and review.verdict != "unsure":
                yield _training_row(review, task, posts[number])
        if len(chosen) < _STEP:
            return


def judged_posts(database: Database, most: int, model: str) -> Iterator[JudgedPost]:
    """See `Reviews.judged`."""
    newest_review = func.max(Review.id).label("review")
    standing = select(Review.post_id, newest_review).where(Review.undone_at.is_(None))
    standing = standing.group_by(Review.post_id).order_by(newest_review.desc()).limit(most)
    with database.read() as connection:
        ids = [row.post_id for row in connection.execute(standing)]
    for start in range(0, len(ids), _STEP):
        chosen = ids[start : start + _STEP]
        with database.read() as connection:
            yield from _judged(connection, chosen, model)


def _judged(connection: Connection, chosen: Sequence[int], model: str) -> Iterator[JudgedPost]:
    standing = (Review.post_id.in_(chosen), Review.undone_at.is_(None))
    newest = _newest(review_rows(connection, *standing))
    docs = select(Assessment.post_id, Assessment.doc)
    docs = docs.where(Assessment.post_id.in_(chosen), Assessment.model_fingerprint == model)
    found = pairs(connection, docs)
    clusters = pairs(connection, select(Post.id, Post.cluster_id).where(Post.id.in_(chosen)))
    for number in chosen:
        said = {
            task: review.said[task]
            for task, review in newest.get(number, {}).items()
            if review.verdict != "unsure"
        }
        if said and number in found:
            yield JudgedPost(post_id=number, cluster_id=clusters[number], said=said, doc=found[number])


def _newest(reviews: Sequence[ReviewRow]) -> dict[int, dict[str, ReviewRow]]:
    """By post and task the newest of reviews that come the oldest first."""
    found: dict[int, dict[str, ReviewRow]] = {}
    for review in reviews:
        for task in review.said:
            found.setdefault(review.post_id, {})[task] = review
    return found


def _training_row(review: ReviewRow, task: str, post: PostRow) -> dict[str, str]:
    stored = [photo.sha256 for photo in post.photos if photo.sha256 and photo.state == "stored"]
    return {
        "id": f"{post.source}:{post.external_id}",
        "text": post.text,
        "image": f"{stored[0][:2]}/{stored[0]}.jpg" if stored else "",
        "label": ";".join(review.said[task]),
        "created_at": post.created_at.isoformat() if post.created_at else "",
        "model_label": ";".join(review.model_said(task)),
    }
