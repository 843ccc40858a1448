"""Clusters of near-duplicates: joined, counted anew, and led by their earliest post."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, insert, select, update

from crisislens.store.models import Cluster, Post
from crisislens.store.transaction import Transaction

__all__ = ["Joined", "refresh_clusters"]


def refresh_clusters(tx: Transaction, cluster_ids: Iterable[int]) -> None:
    """Counts clusters anew and lets their earliest post lead; those of one post are dissolved.

    Posts that joined must have been marked as followers before.
    """
    for number in sorted(set(cluster_ids)):
        members = select(Post.id).where(Post.cluster_id == number).order_by(Post.at, Post.id)
        size = tx.connection.execute(
            select(func.count()).select_from(Post).where(Post.cluster_id == number)
        ).scalar_one()
        if size < 2:
            alone = update(Post).where(Post.cluster_id == number).values(cluster_id=None, lead=True)
            tx.connection.execute(alone)
            tx.connection.execute(delete(Cluster).where(Cluster.id == number))
        else:
            lead = tx.connection.execute(members.limit(1)).scalar_one()
            before = select(Cluster.lead_post_id).where(Cluster.id == number)
            led = tx.connection.execute(before).scalar()
            values = {"size": size, "lead_post_id": lead}
            tx.connection.execute(update(Cluster).where(Cluster.id == number).values(values))
            tx.connection.execute(update(Post).where(Post.id == led).values(lead=led == lead))
            tx.connection.execute(update(Post).where(Post.id == lead).values(lead=True))
        tx.event("cluster.changed", cluster=number, size=size)


class Joined:
    """Clusters while posts are being joined.

    Arguments:
        tx: The transaction.
        ids: Posts that may be joined.
    """

    def __init__(self, tx: Transaction, ids: Sequence[int]) -> None:
        self._tx = tx
        wanted = select(Post.id, Post.cluster_id).where(Post.id.in_(sorted(set(ids))))
        self._of: dict[int, int | None] = dict(tx.connection.execute(wanted).all())  # type: ignore[arg-type]
        self._into: dict[int, int] = {}
        self._kinds: dict[int, str] = {}
        self._touched: set[int] = set()

    def join(self, one: int, other: int, kind: str) -> None:
        """Puts two posts into one cluster."""
        a, b = self._root(one), self._root(other)
        if a is not None and a == b:
            self._mark(a, kind)
            return
        if a is None and b is None:
            a = self._make(other, kind)
            self._of[one] = self._of[other] = a
        elif a is None or b is None:
            # one of them stands alone
            target = a if b is None else b
            assert target is not None
            self._of[one] = self._of[other] = a = target
        else:
            self._into[b] = a
            self._touched.add(b)
        self._mark(a, kind)

    def _root(self, post_id: int) -> int | None:
        cluster = self._of.get(post_id)
        while cluster is not None and cluster in self._into:
            cluster = self._into[cluster]
        return cluster

    def _make(self, lead: int, kind: str) -> int:
        row = {"lead_post_id": lead, "size": 2, "kind": kind}
        return int(self._tx.connection.execute(insert(Cluster).returning(Cluster.id), row).scalar_one())

    def _mark(self, cluster: int, kind: str) -> None:
        self._touched.add(cluster)
        before = self._kinds.get(cluster, kind)
        self._kinds[cluster] = kind if before == kind else "both"

    def write(self) -> None:
        """Writes what was joined."""
        if not self._touched:
            return
        connection = self._tx.connection
        for gone in sorted(self._into):
            target = gone
            while target in self._into:
                target = self._into[target]
            moved = update(Post).where(Post.cluster_id == gone)
            connection.execute(moved.values(cluster_id=target, lead=False))
            connection.execute(delete(Cluster).where(Cluster.id == gone))
        members: dict[int, list[int]] = defaultdict(list)
        for number in self._of:
            cluster = self._root(number)
            if cluster is not None and cluster in self._touched:
                members[cluster].append(number)
        for cluster, ids in sorted(members.items()):
            joined = update(Post).where(Post.id.in_(ids))
            connection.execute(joined.values(cluster_id=cluster, lead=False))
            self._widen(cluster)
        refresh_clusters(self._tx, members)

    def _widen(self, cluster: int) -> None:
        """A cluster that texts made and a photo joins is one of both."""
        kind = self._kinds.get(cluster)
        if kind is None:
            return
        before = self._tx.connection.execute(select(Cluster.kind).where(Cluster.id == cluster)).scalar()
        if before not in (kind, "both", "person"):
            self._tx.connection.execute(update(Cluster).where(Cluster.id == cluster).values(kind="both"))
