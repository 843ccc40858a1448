"""Near-duplicates, kept up post by post; a person may join and split."""

from collections.abc import Sequence

from crisislens.store.database import Database
from crisislens.store.records import ClusterRow

__all__ = ["Clusters"]


class Clusters:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, cluster_id: int) -> ClusterRow:
        """One cluster.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError

    def largest(self, most: int = 50) -> tuple[ClusterRow, ...]:
        """The largest ones first."""
        raise NotImplementedError

    def merge(self, cluster_ids: Sequence[int], *, actor: str) -> ClusterRow:
        """Joins clusters into the first one.

        Raises:
            NotFoundError: If one is missing.
        """
        raise NotImplementedError

    def split(self, post_id: int, *, actor: str) -> None:
        """Takes a post out of its cluster; it is not joined to it again.

        Raises:
            NotFoundError: If there is no such post, or it stands alone.
        """
        raise NotImplementedError
