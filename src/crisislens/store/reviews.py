"""What people say of posts: append-only, undone and never deleted, one reviewer a post at a time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, exists, insert, select, update

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.listing import page_statement
from crisislens.store.models import Answer, Claim, Post, Review, User
from crisislens.store.records import Held, JudgedPost, PostFilter, PostRow, ReviewRow, Verdict
from crisislens.store.reviewed import judged_posts, training_rows
from crisislens.store.rows import post_rows, review_rows
from crisislens.store.transaction import Transaction, upsert

__all__ = ["HOLD_S", "Reviews"]

HOLD_S = 600
"""How long a post is held for a reviewer, in seconds."""
_MOST_NOTE = 2_000


class Reviews:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        post_id: int,
        user_id: int,
        *,
        verdict: Verdict,
        task: str = "",
        labels: Sequence[str] = (),
        note: str | None = None,
    ) -> ReviewRow:
        """Keeps what a person says of one task of a post, or of the whole post, and lets go of the post.

        `right` takes the model's labels; `label` the given ones (none is an answer where several may hold);
        `unsure` has none. Without a task, `right` is one review of everything that the model is sure of. An
        earlier review of the same person and task is undone by it, by one of the whole post all of them.

        Raises:
            NotFoundError: If there is no such post.
            ConflictError: If another reviewer holds it.
            InputError: If the verdict is `right` and no model has answered, or another one has no task.
        """
        if not task and verdict != "right":
            raise InputError(f"of which task is this said? A verdict {verdict!r} needs one, as `damage`")
        if note is not None and len(note) > _MOST_NOTE:
            raise InputError(f"the note has {len(note)} characters, and {_MOST_NOTE} may be; shorten it")

        def keep(tx: Transaction) -> ReviewRow:
            post = _post(tx, post_id)
            _refuse_if_held(tx, post_id, user_id)
            whole = None if task else _sure_answers(tx, post_id)
            said = _model_labels(tx, post_id, task) if task else []
            if verdict == "right" and said is None:
                raise InputError(
                    f"no model has answered {task!r:.60} of post {post_id}, so it cannot be right"
                )
            chosen = {"right": list(said or ()), "label": list(labels), "unsure": []}[verdict]
            again = [Review.post_id == post_id, Review.user_id == user_id]
            _undo(tx, post_id, *again, *([Review.task == task] if task else []))
            row = {
                "post_id": post_id,
                "user_id": user_id,
                "verdict": verdict,
                "task": task,
                "labels": chosen,
                "model_labels": list(said or ()),
                # to have said that nothing holds is not the same as not to have been asked
                "model_fingerprint": None if said is None else post.model,
                "answers": whole,
                "note": note,
                "at": tx.now,
            }
            number = tx.connection.execute(insert(Review).returning(Review.id), row).scalar_one()
            tx.connection.execute(update(Post).where(Post.id == post_id).values(reviews=Post.reviews + 1))
            held = delete(Claim).where(Claim.post_id == post_id, Claim.user_id == user_id)
            tx.connection.execute(held)
            after: dict[str, Any] = {"task": task, "verdict": verdict, "labels": chosen}
            before: dict[str, Any] = {"task": task, "labels": list(said or ())}
            if whole is not None:
                before, after = {"answers": whole}, {"verdict": verdict, "answers": whole}
            tx.audit(_actor(tx, user_id), "review.add", f"post:{post_id}", before=before, after=after)
            tx.event("post.reviewed", post_id, **{"review": number, "task": task, **after})
            return review_rows(tx.connection, Review.id == number)[0]

        return self._database.write(keep)

    def undo(self, review_id: int, user_id: int) -> ReviewRow:
        """Takes back one's own review; it stays readable with the time.

        Raises:
            NotFoundError: If there is no such review of this person.
        """

        def take_back(tx: Transaction) -> ReviewRow:
            mine = (Review.id == review_id, Review.user_id == user_id)
            rows = review_rows(tx.connection, *mine)
            if not rows:
                raise NotFoundError(f"you have no review {review_id}; only one's own are undone")
            row = rows[0]
            if row.undone_at is None:
                _undo(tx, row.post_id, *mine)
                before: dict[str, Any] = {"task": row.task, "verdict": row.verdict}
                before["labels"] = list(row.labels)
                if row.answers:
                    before = {"verdict": row.verdict, "answers": _lists(row.answers)}
                tx.audit(_actor(tx, user_id), "review.undo", f"post:{row.post_id}", before=before)
                tx.event("post.reviewed", row.post_id, review=review_id, task=row.task, undone=True)
            return review_rows(tx.connection, *mine)[0]

        return self._database.write(take_back)

    def last_of(self, user_id: int) -> ReviewRow | None:
        """A person's newest standing review, which `z` undoes."""
        mine = (Review.user_id == user_id, Review.undone_at.is_(None))
        with self._database.read() as connection:
            return next(iter(review_rows(connection, *mine, newest_first=True, most=1)), None)

    def of(self, post_id: int) -> tuple[ReviewRow, ...]:
        """All reviews of a post, the oldest first, also those that were undone."""
        with self._database.read() as connection:
            return tuple(review_rows(connection, Review.post_id == post_id))

    def newest(self, most: int) -> tuple[ReviewRow, ...]:
        """The newest standing reviews."""
        with self._database.read() as connection:
            return tuple(review_rows(connection, Review.undone_at.is_(None), newest_first=True, most=most))

    def hold(self, post_id: int, user_id: int, *, seconds: int = HOLD_S) -> Held:
        """Holds a post against other reviewers, or prolongs it. A person may hold several.

        Raises:
            NotFoundError: If there is no such post.
            ConflictError: If another one holds it; the message names them.
        """

        def take(tx: Transaction) -> Held:
            _post(tx, post_id)
            return _hold(tx, post_id, user_id, seconds)

        return self._database.write(take)

    def hold_next(self, user_id: int, wanted: PostFilter, *, seconds: int = HOLD_S) -> PostRow | None:
        """`hold_some` of one post; None where nothing is left."""
        return next(iter(self.hold_some(user_id, wanted, most=1, seconds=seconds)), None)

    def hold_some(
        self, user_id: int, wanted: PostFilter, *, most: int, seconds: int, without: Sequence[int] = ()
    ) -> list[PostRow]:
        """Finds the first posts of a filter that nobody holds and holds them, in one step, so that two
        reviewers never get one post; fewer than `most` where no more are left. Those of `without` are
        passed over.
        """
        wanted = wanted.model_copy(update={"free_for": user_id})

        def take(tx: Transaction) -> list[PostRow]:
            mine = exists().where(Claim.post_id == Post.id, Claim.user_id == user_id, Claim.until > tx.now)
            statement = page_statement(tx.connection, wanted).where(~mine)
            held, passed = list[int](), list(without)
            while len(held) < most:
                free = statement.where(Post.id.not_in(passed)) if passed else statement
                # of two writers of PostgreSQL one takes a row, and the other the next
                free = free.limit(most - len(held)).with_for_update(of=Post, skip_locked=True)
                found = [row.number for row in tx.connection.execute(free)]
                if not found:
                    break
                for number in found:
                    try:
                        _hold(tx, number, user_id, seconds)
                        held.append(number)
                    except ConflictError:
                        # somebody took it since it was found
                        passed.append(number)
            return post_rows(tx.connection, held)

        return self._database.write(take)

    def let_go(self, user_id: int, post_id: int | None = None) -> int:
        """Lets go of one post or of all that a person holds; how many. Holds that ran out are not counted."""
        gone = delete(Claim).where(Claim.user_id == user_id)
        if post_id is not None:
            gone = gone.where(Claim.post_id == post_id)

        def release(tx: Transaction) -> int:
            claims = tx.connection.execute(gone.returning(Claim.post_id, Claim.until)).all()
            held = [claim.post_id for claim in claims if claim.until > tx.now]
            for number in held:
                tx.event("post.held", number, held=False)
            return len(held)

        return self._database.write(release)

    def held(self) -> tuple[Held, ...]:
        """Who holds what just now."""
        wanted = select(Claim.post_id, Claim.user_id, User.name.label("user"), Claim.until)
        wanted = wanted.join(User, User.id == Claim.user_id).where(Claim.until > datetime.now(UTC))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(Claim.post_id)).mappings()
            return tuple(Held(**row) for row in rows)

    def export(self, task: str, *, since: datetime | None = None) -> Iterator[dict[str, str]]:
        """Rows for `crisislens train`: id, text, image (among the blobs), label, created_at, model_label.

        Of several people's reviews of a post the newest counts; `unsure` is left out. The id is the source's
        and its own joined by `:`, since two sources may use one id.
        """
        return training_rows(self._database, task, since=since)

    def judged(self, most: int, *, model: str) -> Iterator[JudgedPost]:
        """The posts that were reviewed last, with what one model says of them; the newest first.

        Arguments:
            most: How many reviewed posts are looked at.
            model: The fingerprint of the model; posts that it never answered are left out.
        """
        return judged_posts(self._database, most, model)


def _post(tx: Transaction, post_id: int) -> Any:
    row = tx.connection.execute(
        select(Post.id, Post.model).where(Post.id == post_id).with_for_update()
    ).first()
    if row is None:
        raise NotFoundError(f"there is no post {post_id}; it may have been erased")
    return row


def _actor(tx: Transaction, user_id: int) -> str:
    name = tx.connection.execute(select(User.name).where(User.id == user_id)).scalar()
    if name is None:
        raise NotFoundError(f"there is no user {user_id}")
    return f"user:{name}"


def _refuse_if_held(tx: Transaction, post_id: int, user_id: int) -> None:
    holder = select(User.name).join(Claim, Claim.user_id == User.id)
    holder = holder.where(Claim.post_id == post_id, Claim.user_id != user_id, Claim.until > tx.now)
    name = tx.connection.execute(holder).scalar()
    if name is not None:
        raise ConflictError(f"{name} is reviewing post {post_id} just now; take another one")


def _hold(tx: Transaction, post_id: int, user_id: int, seconds: int) -> Held:
    _refuse_if_held(tx, post_id, user_id)
    name = _actor(tx, user_id).partition(":")[2]
    row = {"post_id": post_id, "user_id": user_id, "until": tx.now + timedelta(seconds=seconds)}
    statement = upsert(tx.connection, Claim).values(row)
    new = {"user_id": user_id, "until": row["until"]}
    tx.connection.execute(statement.on_conflict_do_update(index_elements=[Claim.post_id], set_=new))
    tx.event("post.held", post_id, held=True, user=name)
    return Held(**row, user=name)


def _model_labels(tx: Transaction, post_id: int, task: str) -> list[str] | None:
    """What the model says of a task, none where several may hold; None where it was not asked."""
    wanted = select(Answer.label).where(Answer.post_id == post_id, Answer.task == task)
    found = list(tx.connection.execute(wanted.order_by(Answer.confidence.desc(), Answer.label)).scalars())
    return [label for label in found if label] if found else None


def _sure_answers(tx: Transaction, post_id: int) -> dict[str, list[str]]:
    """What the model says of each task that it is sure of.

    Raises:
        InputError: If it is sure of nothing.
    """
    wanted = select(Answer.task, Answer.label).where(Answer.post_id == post_id, Answer.abstained.is_(False))
    found: dict[str, list[str]] = {}
    for task, label in tx.connection.execute(wanted.order_by(Answer.confidence.desc(), Answer.label)):
        found.setdefault(task, []).extend([label] if label else [])
    if not found:
        raise InputError("the model is not sure of anything here; choose an answer")
    return dict(sorted(found.items()))


def _lists(answers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {task: list(labels) for task, labels in answers.items()}


def _undo(tx: Transaction, post_id: int, *terms: Any) -> None:
    standing = update(Review).where(*terms, Review.undone_at.is_(None)).values(undone_at=tx.now)
    undone = tx.connection.execute(standing).rowcount
    if undone:
        fewer = update(Post).where(Post.id == post_id).values(reviews=Post.reviews - undone)
        tx.connection.execute(fewer)
