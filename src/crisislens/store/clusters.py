"""Near-duplicates, kept up post by post; a person may join and split."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from crisislens.core.errors import InputError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.joining import refresh_clusters
from crisislens.store.models import Band, Cluster, Post, Signature, Witness
from crisislens.store.records import ClusterRow
from crisislens.store.transaction import Transaction
from crisislens.store.twins import renew_witnesses

__all__ = ["Clusters"]

_COLUMNS = (Cluster.id, Cluster.lead_post_id, Cluster.size, Cluster.kind)


class Clusters:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, cluster_id: int) -> ClusterRow:
        """One cluster.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, cluster_id)

    def largest(self, most: int = 50) -> tuple[ClusterRow, ...]:
        """The largest ones that fold, first."""
        wanted = (
            select(*_COLUMNS)
            .where(Cluster.kind != "photo")
            .order_by(Cluster.size.desc(), Cluster.id)
            .limit(most)
        )
        with self._database.read() as connection:
            return tuple(ClusterRow(**row) for row in connection.execute(wanted).mappings())

    def merge(self, cluster_ids: Sequence[int], *, actor: str) -> ClusterRow:
        """Joins clusters into the first one.

        Raises:
            NotFoundError: If one is missing.
            InputError: If fewer than two are given, or one only links posts that show the same photo.
        """
        if len(set(cluster_ids)) < 2:
            raise InputError("one cluster cannot be merged; give two or more")
        target, *others = dict.fromkeys(cluster_ids)

        def join(tx: Transaction) -> ClusterRow:
            for number in (target, *others):
                if _get(tx.connection, number).kind == "photo":
                    raise InputError(
                        f"the posts of {number} show the same photo and say different things: they are "
                        "linked and not folded, so there is nothing to merge"
                    )
            moved = update(Post).where(Post.cluster_id.in_(others))
            tx.connection.execute(moved.values(cluster_id=target, lead=False))
            versions = update(Witness).where(Witness.cluster_id.in_(others))
            tx.connection.execute(versions.values(cluster_id=target))
            tx.connection.execute(delete(Cluster).where(Cluster.id.in_(others)))
            tx.connection.execute(update(Cluster).where(Cluster.id == target).values(kind="person"))
            refresh_clusters(tx, [target])
            tx.audit(actor, "cluster.merge", f"cluster:{target}", after={"merged": sorted(others)})
            return _get(tx.connection, target)

        return self._database.write(join)

    def split(self, post_id: int, *, actor: str) -> None:
        """Takes a post out of its cluster; it is not joined to any again.

        Raises:
            NotFoundError: If there is no such post, or it stands alone.
        """

        def take_out(tx: Transaction) -> None:
            wanted = select(Post.cluster_id, Post.shown_id).where(Post.id == post_id)
            cluster, shown = tx.connection.execute(wanted).one_or_none() or (None, None)
            if cluster is None:
                raise NotFoundError(f"post {post_id} is in no cluster; nothing is to be split")
            alone = update(Post).where(Post.id == post_id)
            tx.connection.execute(alone.values(cluster_id=None, shown_id=None, lead=True))
            tx.connection.execute(update(Signature).where(Signature.post_id == post_id).values(apart=True))
            tx.connection.execute(delete(Band).where(Band.post_id == post_id))
            groups = [number for number in (shown, cluster) if number is not None]
            renew_witnesses(tx, groups)
            refresh_clusters(tx, groups)
            # the cluster may just have been led by it
            tx.connection.execute(alone.values(lead=True))
            tx.audit(actor, "cluster.split", f"post:{post_id}", before={"cluster": cluster})

        self._database.write(take_out)


def _get(connection: Connection, cluster_id: int) -> ClusterRow:
    row = connection.execute(select(*_COLUMNS).where(Cluster.id == cluster_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no cluster {cluster_id}; it may have been merged into another")
    return ClusterRow(**row)
