"""The queue, which is the table of posts: leases, so that a killed worker loses nothing."""

from collections.abc import Sequence
from datetime import datetime

from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.records import Depth, Done, Job

__all__ = ["LEASE_S", "MOST_TRIES", "Queue"]

LEASE_S = 120
MOST_TRIES = 3


class Queue:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs

    def claim(self, worker: str, most: int = 64, *, lease_s: int = LEASE_S) -> list[Job]:
        """Takes waiting posts: texts first, then photos, then old posts for a new model.

        Where a whole batch waits, posts with photos are taken for their text alone, and come back for the
        photo when no text waits.
        """
        raise NotImplementedError

    def renew(self, worker: str, *, lease_s: int = LEASE_S) -> int:
        """Prolongs the leases of a worker; how many it holds."""
        raise NotImplementedError

    def finish(self, worker: str, found: Sequence[Done]) -> int:
        """Writes assessments, labels, mentions, signatures, clusters and events in one transaction.

        Posts whose lease has gone to another worker, or that were erased meanwhile, are left out.

        Returns:
            How many were written.
        """
        raise NotImplementedError

    def fail(self, worker: str, post_id: int, reason: str) -> None:
        """Gives up a post that cannot be assessed; it stays visible with the reason."""
        raise NotImplementedError

    def release(self, worker: str) -> int:
        """Gives back what a worker held when it ended or died; posts that were tried more than `MOST_TRIES`
        times fail. Returns how many.
        """
        raise NotImplementedError

    def sweep(self, *, now: datetime | None = None) -> int:
        """Gives back what leases ran out on, as `release` does. Returns how many."""
        raise NotImplementedError

    def retry(self, post_id: int, *, actor: str) -> None:
        """Puts a failed or finished post back.

        Raises:
            NotFoundError: If there is no such post.
        """
        raise NotImplementedError

    def renew_model(self, fingerprint: str, *, most: int = 1_000) -> int:
        """Puts finished posts that another model answered back, behind everything that waits, at most so
        many and the newest first; 0 where none is left. The older answers are kept.
        """
        raise NotImplementedError

    def depth(self) -> Depth:
        """How full it is."""
        raise NotImplementedError
