"""What people say of posts: append-only, undone and never deleted, one reviewer a post at a time."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from crisislens.store.database import Database
from crisislens.store.records import Held, PostFilter, PostRow, ReviewRow, Verdict

__all__ = ["HOLD_S", "Reviews"]

HOLD_S = 600


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
        task: str,
        labels: Sequence[str] = (),
        note: str | None = None,
    ) -> ReviewRow:
        """Keeps what a person says of one task of a post, and lets go of the post.

        `right` takes the model's labels; `label` the given ones (none is an answer where several may hold);
        `unsure` has none. An earlier review of the same person and task is undone by it.

        Raises:
            NotFoundError: If there is no such post.
            ConflictError: If another reviewer holds it.
            InputError: If the verdict is `right` and no model has answered.
        """
        raise NotImplementedError

    def undo(self, review_id: int, user_id: int) -> ReviewRow:
        """Takes back one's own review; it stays readable with the time.

        Raises:
            NotFoundError: If there is no such review of this person.
        """
        raise NotImplementedError

    def last_of(self, user_id: int) -> ReviewRow | None:
        """A person's newest standing review, which `z` undoes."""
        raise NotImplementedError

    def of(self, post_id: int) -> tuple[ReviewRow, ...]:
        """All reviews of a post, the oldest first, also those that were undone."""
        raise NotImplementedError

    def newest(self, most: int, *, task: str | None = None) -> tuple[ReviewRow, ...]:
        """The newest standing reviews."""
        raise NotImplementedError

    def hold(self, post_id: int, user_id: int, *, seconds: int = HOLD_S) -> Held:
        """Holds a post against other reviewers, or prolongs it. A person may hold several.

        Raises:
            NotFoundError: If there is no such post.
            ConflictError: If another one holds it; the message names them.
        """
        raise NotImplementedError

    def hold_next(self, user_id: int, wanted: PostFilter, *, seconds: int = HOLD_S) -> PostRow | None:
        """Finds the first post of a filter that nobody else holds and holds it, in one step, so that two
        reviewers never get one post. None where nothing is left.
        """
        raise NotImplementedError

    def let_go(self, user_id: int, post_id: int | None = None) -> int:
        """Lets go of one post or of all that a person holds; how many."""
        raise NotImplementedError

    def held(self) -> tuple[Held, ...]:
        """Who holds what just now."""
        raise NotImplementedError

    def export(self, task: str, *, since: datetime | None = None) -> Iterator[dict[str, str]]:
        """Rows for `crisislens train`: id, text, image (among the blobs), label, created_at, model_label.

        Of several people's reviews of a post the newest counts; `unsure` is left out.
        """
        raise NotImplementedError
