"""Posts: in, durable and once; out, by any filter and in any order."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from crisislens.core.errors import InputError, NotFoundError, StoreFullError
from crisislens.store.accept import Inbox
from crisislens.store.audit import audit_rows
from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.diverse import diverse_ids
from crisislens.store.erasure import Erasure
from crisislens.store.listing import Cursor, finds_too_many, page_rows, page_statement
from crisislens.store.models import Assessment, Post, Rationale, Review, Source
from crisislens.store.reading import pairs
from crisislens.store.records import (
    Accepted,
    AssessmentRow,
    NewPost,
    Page,
    PostDetail,
    PostFilter,
    PostRow,
    Unread,
)
from crisislens.store.rows import post_rows, review_rows
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Posts"]

_MOST_AT_ONCE = 500
_STEP = 200
_TWINS = 50
_HISTORY = 200
_LOOK_AT_DISK_S = 1.0


class Posts:
    """Made by the store.

    Arguments:
        database: Where they are.
        blobs: Where their photos are.
        most_queued: Waiting posts from which on no more are accepted.
        least_free_bytes: Room on disk below which no more are accepted.
    """

    def __init__(self, database: Database, blobs: Blobs, *, most_queued: int, least_free_bytes: int) -> None:
        self._database, self._blobs = database, blobs
        self._least_free_bytes = least_free_bytes
        self._erasure = Erasure(database, blobs)
        self._inbox = Inbox(database, most_queued=most_queued)
        self._looked_at, self._free = 0.0, 0

    def accept(
        self,
        source: str,
        posts: Sequence[NewPost],
        *,
        kind: str = "api",
        cursor: str | None = None,
        dead: Sequence[Unread] = (),
        keep_conflicts: bool = False,
        actor: str = "system",
        keep_reviewed: bool = False,
    ) -> list[Accepted]:
        """Takes posts in, in one transaction with the source's cursor; on disk when this returns.

        The same key with the same content is `same`, with other content `conflict` (nothing is changed), of
        an erased post `erased`. One whose `edited_at` is later than that of the post that is there takes its
        place (`replaced`): that one is erased with all that was made of it, and the new one has a number
        of its own.

        Arguments:
            source: The source's name; made with `kind` where there is none.
            posts: At most 500; order is kept.
            kind: What kind of source a new one is.
            cursor: Where to go on reading; None leaves it.
            dead: What came between them and is no post, kept as dead letters.
            keep_conflicts: Whether posts that are a `conflict` are kept as dead letters too.
            actor: Who sends them, as the audit trail names who had an earlier version erased.
            keep_reviewed: Whether a post that people reviewed stays as it is, so that a later version of it
                is a `conflict`.

        Returns:
            For each post what became of it, in their order.

        Raises:
            StoreFullError: If the queue or the disk is full; then nothing was taken.
            StoreError: If nothing can be written.
        """
        waiting = self.accept_soon(
            source,
            posts,
            kind=kind,
            cursor=cursor,
            dead=dead,
            keep_conflicts=keep_conflicts,
            actor=actor,
            keep_reviewed=keep_reviewed,
        )
        found = waiting.result()
        self.tidy()
        return found

    def tidy(self) -> None:
        """After posts were replaced: drops what the earlier versions left behind. `accept` does it itself."""
        if self._inbox.edited:
            self._inbox.edited, loose = False, self._inbox.loose
            self._inbox.loose = []
            self._erasure.tidy(loose)

    def accept_soon(
        self,
        source: str,
        posts: Sequence[NewPost],
        *,
        kind: str = "api",
        cursor: str | None = None,
        dead: Sequence[Unread] = (),
        keep_conflicts: bool = False,
        actor: str = "system",
        keep_reviewed: bool = False,
    ) -> "Future[list[Accepted]]":
        """The same without waiting: the future resolves when the posts are on disk, and raises what `accept`
        does. Calls that wait share one transaction, which is what makes many clients fast.
        """
        failed: Future[list[Accepted]] = Future()
        if len(posts) > _MOST_AT_ONCE:
            failed.set_exception(
                InputError(f"{len(posts)} posts came at once, and {_MOST_AT_ONCE} may; send them in parts")
            )
            return failed
        too_full = self.too_full(self._room())
        if too_full is not None:
            said = f"{too_full}; nothing was accepted"
            failed.set_exception(StoreFullError(said, retry_after_s=300, status=507))
            return failed
        return self._inbox.send(
            source,
            posts,
            kind=kind,
            cursor=cursor,
            dead=dead,
            keep_conflicts=keep_conflicts,
            actor=actor,
            keep_reviewed=keep_reviewed,
        )

    def too_full(self, free_bytes: int) -> str | None:
        """Why no post is taken with so many bytes free on the disk; None where one is."""
        least = self._least_free_bytes
        if free_bytes >= least:
            return None
        return f"{free_bytes / 1e9:.1f} GB are free on the disk, and {least / 1e9:.1f} must be"

    def _room(self) -> int:
        now = time.monotonic()
        if not self._looked_at or now - self._looked_at > _LOOK_AT_DISK_S:
            self._looked_at, self._free = now, self._blobs.free_bytes()
        return self._free

    def find(self, wanted: PostFilter) -> Page[PostRow]:
        """A page of posts.

        Raises:
            InputError: If the filter's cursor is none of this order.
        """
        with self._database.read() as connection:
            if wanted.order == "diverse":
                ids, after = diverse_ids(connection, wanted)
                return Page[PostRow](rows=tuple(post_rows(connection, ids)), next=after)
            found = page_rows(connection, wanted, wanted.limit + 1)
            shown = found[: wanted.limit]
            rows = post_rows(connection, [row.number for row in shown])
        more = len(found) > wanted.limit
        return Page[PostRow](rows=tuple(rows), next=_cursor(wanted.order, shown[-1]) if more else None)

    def finds_too_many(self, words: str | None) -> bool:
        """Whether `find` looks at the newest posts that hold some words and leaves out older ones."""
        if words is None:
            return False
        with self._database.read() as connection:
            return finds_too_many(connection, words)

    def stream(self, wanted: PostFilter) -> Iterator[PostRow]:
        """All posts of a filter, read in steps, so that memory stays flat; `limit` is not looked at."""
        for ids in self._steps(wanted):
            with self._database.read() as connection:
                yield from post_rows(connection, ids)

    def _steps(self, wanted: PostFilter) -> Iterator[list[int]]:
        """The numbers of all posts of a filter; no snapshot is held between the steps."""
        # what no model has answered is neither like other posts nor unlike them
        answered = wanted.order == "diverse"
        if answered:
            wanted = wanted.model_copy(update={"order": "uncertainty"})
        while True:
            with self._database.read() as connection:
                found = page_rows(connection, wanted, _STEP, capped=False, answered=answered)
            if found:
                yield [row.number for row in found]
            if len(found) < _STEP:
                return
            wanted = wanted.model_copy(update={"after": _cursor(wanted.order, found[-1])})

    def count(self, wanted: PostFilter, *, most: int = 10_000) -> int:
        """How many posts a filter has, counted up to `most`."""
        whole = wanted.model_copy(update={"after": None})
        if whole.order in ("urgency", "uncertainty"):
            # the same posts, without the question which of them have a value
            whole = whole.model_copy(update={"order": "time"})
        with self._database.read() as connection:
            statement = page_statement(connection, whole)
            counted = select(func.count()).select_from(statement.order_by(None).limit(most).subquery())
            return int(connection.execute(counted).scalar_one())

    def get(self, post_id: int) -> PostRow:
        """One post.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            rows = post_rows(connection, [post_id])
        if not rows:
            raise NotFoundError(f"there is no post {post_id}; it may have been erased")
        return rows[0]

    def by_key(self, source: str, external_id: str) -> PostRow | None:
        """The post with a source's id."""
        wanted = select(Post.id).join(Source, Source.id == Post.source_id)
        wanted = wanted.where(Source.name == source, Post.external_id == external_id)
        with self._database.read() as connection:
            return next(iter(post_rows(connection, list(connection.execute(wanted).scalars()))), None)

    def detail(self, post_id: int) -> PostDetail:
        """Everything that is known of a post.

        Raises:
            NotFoundError: If there is none.
        """
        row = self.get(post_id)
        docs = (
            select(Assessment.__table__).where(Assessment.post_id == post_id).order_by(Assessment.at.desc())
        )
        why = select(Rationale.doc).where(
            Rationale.post_id == post_id, Rationale.model_fingerprint == (row.model or "")
        )
        twins = select(Post.id).where(Post.cluster_id == row.cluster_id, Post.id != post_id)
        shown = select(Post.shown_id).where(Post.id == post_id).scalar_subquery()
        # those of its own cluster are told already
        elsewhere = Post.cluster_id.is_distinct_from(row.cluster_id) | Post.cluster_id.is_(None)
        same_photo = select(Post.id).where(Post.shown_id == shown, Post.id != post_id, elsewhere)
        with self._database.read() as connection:
            assessments = tuple(_assessment(found) for found in connection.execute(docs).mappings())
            ids: list[int] = []
            if row.cluster_id is not None:
                ids = list(connection.execute(twins.order_by(Post.at, Post.id).limit(_TWINS)).scalars())
            linked = list(connection.execute(same_photo.order_by(Post.at, Post.id).limit(_TWINS)).scalars())
            return PostDetail(
                row=row,
                assessments=assessments,
                rationale=connection.execute(why).scalar(),
                twins=tuple(post_rows(connection, ids)),
                same_photo=tuple(post_rows(connection, linked)),
                reviews=tuple(review_rows(connection, Review.post_id == post_id)),
                history=tuple(audit_rows(connection, thing=f"post:{post_id}", most=_HISTORY)),
            )

    def assessment(self, post_id: int, *, model: str | None = None) -> str | None:
        """The JSON of what a model says of a post; of the current one by default. None where none has."""
        wanted = select(Assessment.doc).where(Assessment.post_id == post_id)
        if model is None:
            wanted = wanted.where(Assessment.current.is_(True))
        else:
            wanted = wanted.where(Assessment.model_fingerprint == model)
        with self._database.read() as connection:
            return connection.execute(wanted).scalar()

    def documents(self, wanted: PostFilter) -> Iterator[str]:
        """The current assessments of a filter as JSON, word for word, for `report` and JSONL exports."""
        for ids in self._steps(wanted):
            docs = select(Assessment.post_id, Assessment.doc)
            docs = docs.where(Assessment.post_id.in_(ids), Assessment.current.is_(True))
            with self._database.read() as connection:
                found = pairs(connection, docs)
            yield from (found[number] for number in ids if number in found)

    def keep_rationale(self, post_id: int, model: str, doc: str) -> None:
        """Keeps the evidence that was made for a post, in place of an earlier one.

        Raises:
            NotFoundError: If there is no such post.
        """

        def keep(tx: Transaction) -> None:
            if tx.connection.execute(select(Post.id).where(Post.id == post_id)).scalar() is None:
                raise NotFoundError(f"there is no post {post_id}; it may have been erased")
            row = {"post_id": post_id, "model_fingerprint": model, "doc": doc, "at": tx.now}
            statement = upsert(tx.connection, Rationale).values(row)
            keys = [Rationale.post_id, Rationale.model_fingerprint]
            statement = statement.on_conflict_do_update(index_elements=keys, set_={"doc": doc, "at": tx.now})
            tx.connection.execute(statement)

        self._database.write(keep)

    def states(self, post_ids: Sequence[int]) -> dict[int, str]:
        """The states of posts; for `?wait=`. Erased ones are left out."""
        wanted = select(Post.id, Post.state).where(Post.id.in_(post_ids))
        with self._database.read() as connection:
            return pairs(connection, wanted)


def _assessment(found: Any) -> AssessmentRow:
    """What one model said, from a row of `assessment`."""
    values = {name: found[name] for name in AssessmentRow.model_fields}
    return AssessmentRow.model_construct(**values)


def _cursor(order: str, row: object) -> str:
    value, number = row.value, row.number  # type: ignore[attr-defined]
    if isinstance(value, datetime):
        value = value.isoformat()
    return Cursor(order, value, number).written()
