"""The posts that a rule counts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select

from crisislens.domain.meanings import answers_counted
from crisislens.store.models import Alert, AlertPost, Answer, Post, Review, Source
from crisislens.store.records import Hit, RuleSpec

__all__ = ["MOST_HITS", "hits"]

MOST_HITS = 20_000
"""So many posts are looked at in one step; of more the newest."""


def hits(
    connection: Connection,
    spec: RuleSpec,
    *,
    rule_id: int | None = None,
    post_ids: Sequence[int] | None = None,
    clusters: Sequence[int] = (),
    places: Sequence[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Hit]:
    """Posts whose label the model says and does not only lean to, at a place, in the order of their times. A
    post in which several counted answers hold is one post.

    Arguments:
        connection: For reading.
        spec: The rule.
        rule_id: Leaves out the posts of this rule's closed alerts: somebody has decided on them.
        post_ids: Only these, and those of `clusters`.
        clusters: See `post_ids`.
        places: Only at these.
        since: Posted at or after.
        until: Posted at or before.
    """
    wanted = select(
        Post.id,
        Post.at,
        Post.place,
        Post.place_name,
        Post.cluster_id,
        Post.author,
        _reviewed_at().label("reviewed_at"),
        _alert_answered_at().label("alert_answered_at"),
    ).join(Answer, Answer.post_id == Post.id)
    wanted = wanted.where(*_said(spec), Post.place.is_not(None))
    if rule_id is not None:
        wanted = wanted.where(~_closed(rule_id))
    if post_ids is not None:
        wanted = wanted.where(or_(Post.id.in_(post_ids), Post.cluster_id.in_(clusters)))
    if places is not None:
        wanted = wanted.where(Post.place.in_(places))
    if since is not None:
        # the answer's own time, which is the post's: its index is what is walked
        wanted = wanted.where(Answer.at >= since)
    if until is not None:
        wanted = wanted.where(Answer.at <= until)
    newest = wanted.order_by(Answer.at.desc(), Post.id.desc())
    newest = newest.limit(MOST_HITS * len(answers_counted(spec.task, spec.label)))
    each = {row.id: row for row in connection.execute(newest)}
    return [_hit(row) for row in reversed([*each.values()][:MOST_HITS])]


def _said(spec: RuleSpec) -> list[Any]:
    counted = answers_counted(spec.task, spec.label)
    # one term an answer: of a list of pairs SQLite reads every answer that there is
    any_of = or_(*(and_(Answer.task == task, Answer.label == label) for task, label in counted))
    terms: list[Any] = [any_of, Answer.abstained.is_(False)]
    if spec.min_confidence:
        terms.append(Answer.confidence >= spec.min_confidence)
    if spec.place is not None:
        terms.append(Post.place == spec.place)
    if spec.sources:
        named = select(Source.id).where(Source.name.in_(spec.sources))
        terms.append(Post.source_id.in_(named))
    return terms


def _reviewed_at() -> Any:
    first = select(func.min(Review.at)).where(Review.post_id == Post.id, Review.undone_at.is_(None))
    return first.correlate(Post).scalar_subquery()


def _alert_answered_at() -> Any:
    first = select(func.min(Alert.changed_at)).join(AlertPost, AlertPost.alert_id == Alert.id)
    first = first.where(AlertPost.post_id == Post.id, Alert.state == "answered")
    return first.correlate(Post).scalar_subquery()


def _closed(rule_id: int) -> Any:
    decided = (Alert.id == AlertPost.alert_id, Alert.rule_id == rule_id, Alert.state != "open")
    return exists().where(AlertPost.post_id == Post.id, *decided).correlate(Post)


def _hit(row: Any) -> Hit:
    answered = [when for when in (row.reviewed_at, row.alert_answered_at) if when is not None]
    return Hit.model_construct(
        post_id=row.id,
        at=row.at,
        place=row.place,
        place_name=row.place_name,
        cluster_id=row.cluster_id,
        author=row.author,
        answered_at=min(answered, default=None),
    )
