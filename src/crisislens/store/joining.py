"""Groups of near-duplicates while posts join them, and afterwards: counted anew, and led by their earliest.

A post joins a group only if it is like every version that the group holds (`data.alike`: complete link),
so that any member stands for all; of equal posts one is the witness of its version. Two kinds of groups
share the table: those that fold (the same words, or the same photo without words; `post.cluster_id`) and
those that only link (the same photo, whatever the words; `post.shown_id`, kind `photo`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from crisislens.store.models import Cluster, Post, Signature, Witness, table_of
from crisislens.store.transaction import Transaction, upsert

__all__ = ["ENTRY_BYTES", "Groups", "Seen", "read_seen", "refresh_clusters"]

_MOST_VERSIONS = 64
ENTRY_BYTES = 256
"""How long the signature of a text is."""


@dataclass(frozen=True)
class Seen:
    """A post that another may be like.

    Attributes:
        post_id: The post.
        minhash: Signature of its text, 256 bytes, and 8 of the numbers that it says; None where there is too
            little text.
        phash: Hash of its photo, 64 bits; None without one.
    """

    post_id: int
    minhash: bytes | None
    phash: int | None

    @property
    def entries(self) -> bytes:
        """The signature of its text; nothing where there is none."""
        return (self.minhash or b"")[:ENTRY_BYTES]

    @property
    def numbers(self) -> bytes:
        """The numbers that its text says; nothing in rows of before they were kept."""
        return (self.minhash or b"")[ENTRY_BYTES:]


Nearest = Callable[[Seen, Sequence[Seen]], list[Seen]]
"""From a post and others to those that it is like, the nearest first."""
Version = Callable[[Seen], object]
"""What two posts share that are equal in what joins them."""


def read_seen(post_id: int, minhash: bytes | None, phash: bytes | None) -> Seen:
    """A row of `signature`."""
    return Seen(post_id, minhash, None if phash is None else int.from_bytes(phash, "little"))


class Groups:
    """The groups of one kind that posts may join.

    Arguments:
        tx: The transaction.
        ids: Posts that may be joined, new ones and those that they may be like.
        links: Whether they only link (`shown_id`).
    """

    def __init__(self, tx: Transaction, ids: Sequence[int], *, links: bool) -> None:
        self._tx, self._links = tx, links
        column = Post.shown_id if links else Post.cluster_id
        wanted = select(Post.id, column).where(Post.id.in_(sorted(set(ids))), column.is_not(None))
        self._of: dict[int, int] = dict(tx.connection.execute(wanted).all())  # type: ignore[arg-type]
        self._versions = self._witnesses(sorted(set(self._of.values())))
        named = select(Cluster.id).where(Cluster.id.in_(list(self._versions)), Cluster.kind == "person")
        self._by_people = set(tx.connection.execute(named).scalars())
        self._joined: dict[int, list[int]] = defaultdict(list)
        self._new_witnesses: list[dict[str, int]] = []

    def _witnesses(self, groups: Sequence[int]) -> dict[int, list[Seen]]:
        found: dict[int, list[Seen]] = {group: [] for group in groups}
        columns = (Witness.cluster_id, Signature.post_id, Signature.minhash, Signature.phash)
        wanted = select(*columns).join(Signature, Signature.post_id == Witness.post_id)
        wanted = wanted.where(Witness.cluster_id.in_(groups)).order_by(Witness.cluster_id, Witness.post_id)
        for group, number, minhash, phash in self._tx.connection.execute(wanted):
            found[group].append(read_seen(number, minhash, phash))
        return found

    def place(self, post: Seen, others: Sequence[Seen], nearest: Nearest, version: Version) -> None:
        """Puts a post into the group of the nearest one that takes it, or makes a group of the two."""
        if post.post_id in self._of:
            return
        for other in nearest(post, others):
            group = self._of.get(other.post_id)
            if group is None:
                group = self._make(other.post_id)
                self._enter(group, other, version)
            if self._takes(group, post, nearest, version):
                self._enter(group, post, version)
                return

    def _takes(self, group: int, post: Seen, nearest: Nearest, version: Version) -> bool:
        versions = self._versions[group]
        # people joined what no measure would; who is like a part of it belongs to it
        if group in self._by_people or any(version(one) == version(post) for one in versions):
            return True
        return len(versions) < _MOST_VERSIONS and len(nearest(post, versions)) == len(versions)

    def _enter(self, group: int, post: Seen, version: Version) -> None:
        self._of[post.post_id] = group
        self._joined[group].append(post.post_id)
        versions = self._versions.setdefault(group, [])
        if len(versions) < _MOST_VERSIONS and all(version(one) != version(post) for one in versions):
            versions.append(post)
            self._new_witnesses.append({"cluster_id": group, "post_id": post.post_id})

    def _make(self, lead: int) -> int:
        row = {"lead_post_id": lead, "size": 1, "kind": "photo" if self._links else "text"}
        return int(self._tx.connection.execute(insert(Cluster).returning(Cluster.id), row).scalar_one())

    def write(self) -> set[int]:
        """Writes what was joined; gives the groups that changed, which are to be counted anew."""
        connection = self._tx.connection
        for group, ids in sorted(self._joined.items()):
            values: dict[str, Any] = (
                {"shown_id": group} if self._links else {"cluster_id": group, "lead": False}
            )
            connection.execute(update(Post).where(Post.id.in_(ids)).values(values))
        if self._new_witnesses:
            statement = upsert(connection, table_of(Witness)).on_conflict_do_nothing()
            connection.execute(statement, self._new_witnesses)
        return set(self._joined)

    def joined(self) -> list[int]:
        """The posts that joined a group."""
        return [number for ids in self._joined.values() for number in ids]


def refresh_clusters(tx: Transaction, cluster_ids: Iterable[int]) -> None:
    """Counts groups anew and lets their earliest post lead; those of one post are dissolved.

    Posts that joined one that folds must have been marked as followers before.
    """
    wanted = select(Cluster.id, Cluster.kind, Cluster.lead_post_id)
    wanted = wanted.where(Cluster.id.in_(sorted(set(cluster_ids)))).order_by(Cluster.id)
    for number, kind, led in tx.connection.execute(wanted).all():
        column = Post.shown_id if kind == "photo" else Post.cluster_id
        counted = select(func.count(), func.count(Post.shown_id), func.count(Post.shown_id.distinct()))
        size, shown, photos = tx.connection.execute(counted.where(column == number)).one()
        if size < 2:
            _dissolve(tx, number, column)
        else:
            earliest = select(Post.id).where(column == number).order_by(Post.at, Post.id).limit(1)
            lead = tx.connection.execute(earliest).scalar_one()
            values: dict[str, Any] = {"size": size, "lead_post_id": lead}
            if kind in ("text", "both"):
                values["kind"] = "both" if photos == 1 and shown == size else "text"
            tx.connection.execute(update(Cluster).where(Cluster.id == number).values(values))
            if kind != "photo":
                tx.connection.execute(update(Post).where(Post.id == led).values(lead=led == lead))
                tx.connection.execute(update(Post).where(Post.id == lead).values(lead=True))
        tx.event("cluster.changed", cluster=number, size=size)


def _dissolve(tx: Transaction, number: int, column: Any) -> None:
    """Ends a group of fewer than two posts."""
    values: dict[Any, Any] = {column: None}
    if column is Post.cluster_id:
        values[Post.lead] = True
    tx.connection.execute(update(Post).where(column == number).values(values))
    tx.connection.execute(delete(Witness).where(Witness.cluster_id == number))
    tx.connection.execute(delete(Cluster).where(Cluster.id == number))
