"""The queue, which is the table of posts: leases, so that a killed worker loses nothing.

What comes first: texts (stage 0), then photos (1), then old posts that a new model has not seen (2). Where a
whole batch of texts waits, posts with photos are taken for their text alone and come back for the photo, so
that in a flood every post has an answer before any photo costs time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, func, select, text, update

from crisislens.core.errors import NotFoundError
from crisislens.domain.post import ImageRef
from crisislens.domain.post import Post as PostOfDomain
from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.finish import finish_all
from crisislens.store.models import Media, Post
from crisislens.store.reading import pairs
from crisislens.store.records import Depth, Done, Job
from crisislens.store.transaction import Transaction

__all__ = ["LEASE_S", "MOST_TRIES", "Queue", "release_everything"]

LEASE_S = 120
"""How long a worker may be silent, in seconds."""
MOST_TRIES = 3
"""How often a post may have been taken by a worker that died, before it fails."""
_WAITING = text("post.state IN ('queued','leased','failed')")
_TEXT, _PHOTO, _BACKGROUND = 0, 1, 2


class Queue:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def claim(self, worker: str, most: int = 64, *, lease_s: int = LEASE_S) -> list[Job]:
        """Takes waiting posts: texts first, then photos, then old posts for a new model.

        Where a whole batch waits, posts with photos are taken for their text alone, and come back for the
        photo when no text waits. A post that a dying worker held before comes alone.
        """

        def take(tx: Transaction) -> list[Job]:
            wanted = select(Post.id, Post.tries).where(_WAITING, Post.state == "queued")
            wanted = wanted.order_by(Post.stage, Post.id).limit(most).with_for_update(skip_locked=True)
            found = tx.connection.execute(wanted).all()
            chosen = _careful([(row.id, row.tries) for row in found])
            if not chosen:
                return []
            lease = {
                "state": "leased",
                "lease_by": worker,
                "lease_until": tx.now + timedelta(seconds=lease_s),
                "tries": Post.tries + 1,
            }
            tx.connection.execute(update(Post).where(Post.id.in_(chosen)).values(lease))
            return self._jobs(tx.connection, chosen, hurried=len(found) == most)

        return self._database.write(take)

    def look(self, post_id: int) -> Job:
        """A post as workers get it, without taking it.

        Raises:
            NotFoundError: If there is no such post.
        """
        with self._database.read() as connection:
            found = self._jobs(connection, [post_id], hurried=False)
        if not found:
            raise NotFoundError(f"there is no post {post_id}; it may have been erased")
        return found[0]

    def _jobs(self, connection: Connection, ids: Sequence[int], *, hurried: bool) -> list[Job]:
        wanted = select(Post.__table__).where(Post.id.in_(ids)).order_by(Post.id)
        posts = connection.execute(wanted)
        stored = select(Media.post_id, func.min(Media.id)).where(
            Media.post_id.in_(ids), Media.state == "stored"
        )
        first = pairs(connection, stored.group_by(Media.post_id))
        names = select(Media.id, Media.sha256).where(Media.id.in_(first.values()))
        sha256 = pairs(connection, names)
        jobs = []
        for row in posts.mappings():
            photo = sha256.get(first.get(row["id"], -1))
            partial = hurried and row["stage"] == _TEXT and photo is not None and bool(row["text"].strip())
            path = None if photo is None or partial else self._blobs.name(photo)
            jobs.append(
                Job(post_id=row["id"], post=_domain_post(row, path), partial=partial, tries=row["tries"])
            )
        return jobs

    def renew(self, worker: str, *, lease_s: int = LEASE_S) -> int:
        """Prolongs the leases of a worker; how many it holds."""

        def prolong(tx: Transaction) -> int:
            until = tx.now + timedelta(seconds=lease_s)
            return tx.connection.execute(_held(worker).values(lease_until=until)).rowcount

        return self._database.write(prolong)

    def finish(self, worker: str, found: Sequence[Done]) -> int:
        """Writes assessments, labels, mentions, signatures, clusters and events in one transaction.

        Posts whose lease has gone to another worker, or that were erased meanwhile, are left out.

        Returns:
            How many were written.
        """
        return self._database.write(lambda tx: finish_all(tx, worker, found))

    def fail(self, worker: str, post_id: int, reason: str) -> None:
        """Gives up a post that cannot be assessed; it stays visible with the reason."""

        def give_up(tx: Transaction) -> None:
            values = {"state": "failed", "reason": reason[:500], "lease_by": None, "lease_until": None}
            if tx.connection.execute(_held(worker).where(Post.id == post_id).values(values)).rowcount:
                tx.event("post.failed", post_id)

        self._database.write(give_up)

    def release(self, worker: str, *, begun: Sequence[int] | None = None) -> int:
        """Gives back what a worker held when it ended or died; posts that were tried more than `MOST_TRIES`
        times fail. Returns how many.

        Arguments:
            worker: Its name.
            begun: The posts that it had begun; the others are given back as if never taken. None: all.
        """
        return self._database.write(lambda tx: _give_back(tx, Post.lease_by == worker, begun))

    def sweep(self, *, now: datetime | None = None) -> int:
        """Gives back what leases ran out on, as `release` does. Returns how many."""
        moment = now or datetime.now(UTC)
        return self._database.write(lambda tx: _give_back(tx, Post.lease_until < moment, None))

    def retry(self, post_id: int, *, actor: str) -> None:
        """Puts a failed or finished post back.

        Raises:
            NotFoundError: If there is no such post.
        """

        def put_back(tx: Transaction) -> None:
            before = tx.connection.execute(select(Post.state).where(Post.id == post_id)).scalar()
            if before is None:
                raise NotFoundError(f"there is no post {post_id}; it may have been erased")
            if before in ("queued", "leased"):
                return
            values = {"state": "queued", "stage": _TEXT, "tries": 0, "reason": None}
            tx.connection.execute(update(Post).where(Post.id == post_id).values(values))
            tx.audit(actor, "post.retry", f"post:{post_id}", before={"state": before})

        self._database.write(put_back)

    def renew_model(self, models: str | Sequence[str], *, most: int = 1_000) -> int:
        """Puts finished posts that another model answered back, behind everything that waits, at most so
        many and the newest first; 0 where none is left. The older answers are kept.

        Arguments:
            models: The fingerprint of the model, or of several that all count as new.
            most: How many posts.
        """
        new = [models] if isinstance(models, str) else list(models)

        def put_back(tx: Transaction) -> int:
            older = select(Post.id).where(Post.state == "done", Post.model.not_in(new))
            ids = list(tx.connection.execute(older.order_by(Post.id.desc()).limit(most)).scalars())
            values = {"state": "queued", "stage": _BACKGROUND, "tries": 0}
            if ids:
                tx.connection.execute(update(Post).where(Post.id.in_(ids)).values(values))
            return len(ids)

        return self._database.write(put_back)

    def depth(self) -> Depth:
        """How full it is."""
        by_stage = select(Post.state, Post.stage, func.count()).where(_WAITING)
        oldest = select(Post.received_at).where(_WAITING, Post.state == "queued", Post.stage == _TEXT)
        with self._database.read() as connection:
            counts = {
                (state, stage): n
                for state, stage, n in connection.execute(by_stage.group_by(Post.state, Post.stage))
            }
            return Depth(
                queued=counts.get(("queued", _TEXT), 0),
                photos=counts.get(("queued", _PHOTO), 0),
                background=counts.get(("queued", _BACKGROUND), 0),
                leased=sum(n for (state, _), n in counts.items() if state == "leased"),
                failed=sum(n for (state, _), n in counts.items() if state == "failed"),
                oldest=connection.execute(oldest.order_by(Post.id).limit(1)).scalar(),
            )


def release_everything(tx: Transaction) -> int:
    """Gives back everything: for the one process of a SQLite store, which no worker can have outlived."""
    return _give_back(tx, Post.lease_by.is_not(None), None)


def _careful(found: Sequence[tuple[int, int]]) -> list[int]:
    """The posts to take: one that was taken before and not finished comes alone, so that whatever it does to
    a worker happens to no other post.
    """
    for number, tries in found:
        if tries:
            return [number]
    return [number for number, _ in found]


def _held(worker: str) -> Any:
    return update(Post).where(_WAITING, Post.state == "leased", Post.lease_by == worker)


def _give_back(tx: Transaction, whose: Any, begun: Sequence[int] | None) -> int:
    held = select(Post.id, Post.tries).where(_WAITING, Post.state == "leased", whose)
    rows = tx.connection.execute(held.order_by(Post.id).with_for_update(skip_locked=True)).all()
    charged = {row.id for row in rows} if begun is None else set(begun)
    lost = [row.id for row in rows if row.id in charged and row.tries > MOST_TRIES]
    back = [row.id for row in rows if row.id not in lost]
    free: dict[str, Any] = {"lease_by": None, "lease_until": None}
    if back:
        tries = case((Post.id.in_(sorted(charged)), Post.tries), else_=Post.tries - 1)
        tx.connection.execute(
            update(Post).where(Post.id.in_(back)).values(state="queued", tries=tries, **free)
        )
    if lost:
        reason = f"a worker ended {MOST_TRIES + 1} times while it worked on this post"
        tx.connection.execute(
            update(Post).where(Post.id.in_(lost)).values(state="failed", reason=reason, **free)
        )
    for number in lost:
        tx.event("post.failed", number)
    return len(rows)


def _domain_post(row: Any, photo: str | None) -> PostOfDomain:
    """A post as the analyst takes it."""
    reading = row["remarks"] or {}
    return PostOfDomain(
        id=row["external_id"],
        text=row["text"],
        image=ImageRef(path=photo) if photo else None,
        created_at=row["created_at"],
        lang=row["lang"],
        lat=row["lat"],
        lon=row["lon"],
        event=row["event"],
        remarks=tuple(reading.get("remarks") or ()),
        doubt=reading.get("doubt"),
    )
