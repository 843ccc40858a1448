"""Taking posts out for good, and taking out what is old."""

from collections.abc import Sequence
from datetime import datetime

from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.records import Swept

__all__ = ["Erasure", "Retention"]


class Erasure:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def posts(self, post_ids: Sequence[int], *, actor: str, reason: str = "") -> Swept:
        """Erases posts from tables, search, events, write-ahead log and blobs; a tombstone with the key stays
        and the audit trail says who, when and how many, with no text. Ids that are not there are left out.
        """
        raise NotImplementedError

    def key(self, source: str, external_id: str, *, actor: str, reason: str = "") -> bool:
        """Erases by the source's id, also before such a post ever came; whether there was one."""
        raise NotImplementedError

    def author(self, author: str, *, actor: str, reason: str = "") -> Swept:
        """Erases everything of one author."""
        raise NotImplementedError


class Retention:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def run(
        self,
        *,
        keep_days: float,
        media_days: float | None = None,
        now: datetime | None = None,
        actor: str = "system",
        trial: bool = False,
    ) -> Swept:
        """Erases posts received more than `keep_days` ago, photos after `media_days`, old events and sessions
        with them.

        Arguments:
            keep_days: Age of posts, in days.
            media_days: Age of photos; None keeps them with their posts.
            now: The time it is.
            actor: Who asked.
            trial: Only counts.
        """
        raise NotImplementedError
