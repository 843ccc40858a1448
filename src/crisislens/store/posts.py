"""Posts: in, durable and once; out, by any filter and in any order."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.records import Accepted, NewPost, Page, PostDetail, PostFilter, PostRow

__all__ = ["Posts"]


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
        self._most_queued, self._least_free_bytes = most_queued, least_free_bytes

    def accept(
        self, source: str, posts: Sequence[NewPost], *, kind: str = "api", cursor: str | None = None
    ) -> list[Accepted]:
        """Takes posts in, in one transaction with the source's cursor; on disk when this returns.

        The same key with the same content is `same`, with other content `conflict` (nothing is changed), of
        an erased post `erased`.

        Arguments:
            source: The source's name; made with `kind` where there is none.
            posts: At most 500; order is kept.
            kind: What kind of source a new one is.
            cursor: Where to go on reading; None leaves it.

        Returns:
            For each post what became of it, in their order.

        Raises:
            StoreFullError: If the queue or the disk is full; then nothing was taken.
            StoreError: If nothing can be written.
        """
        return self.accept_soon(source, posts, kind=kind, cursor=cursor).result()

    def accept_soon(
        self, source: str, posts: Sequence[NewPost], *, kind: str = "api", cursor: str | None = None
    ) -> "Future[list[Accepted]]":
        """The same without waiting: the future resolves when the posts are on disk, and raises what `accept`
        does. Calls that wait share one transaction, which is what makes many clients fast.
        """
        raise NotImplementedError

    def find(self, wanted: PostFilter) -> Page[PostRow]:
        """A page of posts.

        Raises:
            InputError: If the filter's cursor is none of this order.
        """
        raise NotImplementedError

    def stream(self, wanted: PostFilter) -> Iterator[PostRow]:
        """All posts of a filter, read in steps, so that memory stays flat; `limit` is not looked at."""
        raise NotImplementedError

    def count(self, wanted: PostFilter, *, most: int = 10_000) -> int:
        """How many posts a filter has, counted up to `most`."""
        raise NotImplementedError

    def get(self, post_id: int) -> PostRow:
        """One post.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError

    def by_key(self, source: str, external_id: str) -> PostRow | None:
        """The post with a source's id."""
        raise NotImplementedError

    def detail(self, post_id: int) -> PostDetail:
        """Everything that is known of a post.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError

    def assessment(self, post_id: int, *, model: str | None = None) -> str | None:
        """The JSON of what a model says of a post; of the current one by default. None where none has."""
        raise NotImplementedError

    def documents(self, wanted: PostFilter) -> Iterator[str]:
        """The current assessments of a filter as JSON, word for word, for `report` and JSONL exports."""
        raise NotImplementedError

    def keep_rationale(self, post_id: int, model: str, doc: str) -> None:
        """Keeps the evidence that was made for a post, in place of an earlier one.

        Raises:
            NotFoundError: If there is no such post.
        """
        raise NotImplementedError

    def states(self, post_ids: Sequence[int]) -> dict[int, str]:
        """The states of posts; for `?wait=`. Erased ones are left out."""
        raise NotImplementedError
