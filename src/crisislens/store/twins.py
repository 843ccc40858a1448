"""Near-duplicates, post by post: what a new post is like, of all that came before.

The same signatures, bands and thresholds as the search of a whole run (`data.clusters`). A post is compared
with the first eight posts of each bucket that it falls into, and joins the clusters of those it is alike;
the work for a post does not grow with the number of copies. A run's search compares more pairs of a bucket
that holds more than eight different texts, so it may join a few more there.

The earliest post of a cluster leads it; the others are its near-duplicates, which lists can fold away.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import delete, func, insert, select, update

from crisislens.data.clusters import PHOTO_DISTANCE, TEXT_JACCARD, photo_bands, text_bands
from crisislens.store.models import Band, Cluster, Post, Signature
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Twin", "enlist", "join_twins", "refresh_clusters"]

_BUCKET = 8
_PHOTO_BAND = 100
_LENGTH = 64
Key = tuple[int, int]
"""A band and the key of a bucket in it."""


@dataclass(frozen=True)
class Twin:
    """What a post is compared by.

    Attributes:
        post_id: The post.
        at: When it was posted.
        minhash: Signature of its text, 256 bytes; None where there is too little text.
        phash: Hash of its photo; None without one.
    """

    post_id: int
    at: datetime
    minhash: bytes | None
    phash: int | None


@dataclass(frozen=True)
class _Seen:
    """A post that another may be like."""

    post_id: int
    minhash: bytes | None
    phash: int | None


def join_twins(tx: Transaction, twins: Sequence[Twin]) -> None:
    """Keeps the signatures of posts and joins each to what it is like."""
    known = _signatures(tx, [twin.post_id for twin in twins])
    apart = {number for number, (_, _, alone) in known.items() if alone}
    # the second look at a post brings its photo; its text was compared at the first
    fresh = [twin for twin in twins if _changed(twin, known) and twin.post_id not in apart]
    if not fresh:
        return
    _keep_signatures(tx, fresh)
    bands = _bands(fresh)
    buckets, seen = _look_up(tx, bands)
    clusters = _Clusters(tx, [*(twin.post_id for twin in fresh), *seen])
    rows = []
    for twin in fresh:
        mine = bands[twin.post_id]
        candidates = dict.fromkeys(n for key in mine for n in buckets[key] if n != twin.post_id)
        for number, kind in _alike(twin, [seen[number] for number in candidates]):
            clusters.join(twin.post_id, number, kind)
        seen[twin.post_id] = _Seen(twin.post_id, twin.minhash, twin.phash)
        rows += _enter(buckets, twin.post_id, mine)
    if rows:
        tx.connection.execute(upsert(tx.connection, Band).on_conflict_do_nothing(), rows)
    clusters.write()


def _enter(buckets: dict[Key, list[int]], post_id: int, keys: Sequence[Key]) -> list[dict[str, int]]:
    """Puts a post into those of its buckets that have room; gives the rows of the others to be written."""
    rows = []
    for key in keys:
        if len(buckets[key]) < _BUCKET and post_id not in buckets[key]:
            buckets[key].append(post_id)
            rows.append({"band": key[0], "key": key[1], "post_id": post_id})
    return rows


def _alike(twin: Twin, others: Sequence[_Seen]) -> list[tuple[int, str]]:
    """The posts that a post is like, and whether text or photo makes them so."""
    found: dict[int, str] = {}
    texts = [other for other in others if other.minhash] if twin.minhash else []
    if texts:
        table = np.frombuffer(b"".join(other.minhash or b"" for other in texts), "<u4")
        same = table.reshape(-1, _LENGTH) == np.frombuffer(twin.minhash or b"", "<u4")
        for i in np.flatnonzero(same.mean(axis=1) >= TEXT_JACCARD):
            found[texts[i].post_id] = "text"
    for other in others if twin.phash is not None else ():
        near = other.phash is not None and _distance(other.phash, twin.phash) <= PHOTO_DISTANCE
        if near and other.post_id not in found:
            found[other.post_id] = "photo"
    return list(found.items())


def _distance(one: int, other: int | None) -> int:
    return (one ^ (other or 0)).bit_count()


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


def enlist(tx: Transaction, post_ids: Sequence[int]) -> None:
    """Puts posts into their buckets, where these have room: when a post that stood in them is gone."""
    known = _signatures(tx, post_ids)
    twins = [
        Twin(number, tx.now, minhash, phash) for number, (minhash, phash, alone) in known.items() if not alone
    ]
    bands = _bands(twins)
    buckets, _ = _look_up(tx, bands)
    rows = [row for twin in twins for row in _enter(buckets, twin.post_id, bands[twin.post_id])]
    if rows:
        tx.connection.execute(upsert(tx.connection, Band).on_conflict_do_nothing(), rows)


def _bands(twins: Sequence[Twin]) -> dict[int, list[Key]]:
    """The buckets of each post; keys as the signed numbers that both databases hold."""
    found: dict[int, list[Key]] = {twin.post_id: [] for twin in twins}
    texts = [twin for twin in twins if twin.minhash is not None]
    if texts:
        table = np.frombuffer(b"".join(twin.minhash or b"" for twin in texts), "<u4").astype(np.uint32)
        for i, keys in enumerate(text_bands(table.reshape(-1, _LENGTH))):
            for twin, key in zip(texts, keys.astype(np.int64).tolist(), strict=True):
                found[twin.post_id].append((i, key))
    photos = [twin for twin in twins if twin.phash is not None]
    if photos:
        hashes = np.array([twin.phash for twin in photos], np.uint64)
        for i, keys in enumerate(photo_bands(hashes)):
            for twin, key in zip(photos, keys.astype(np.int64).tolist(), strict=True):
                found[twin.post_id].append((_PHOTO_BAND + i, key))
    return found


def _changed(twin: Twin, known: dict[int, tuple[bytes | None, int | None, bool]]) -> bool:
    before = known.get(twin.post_id)
    return before is None or before[:2] != (twin.minhash, twin.phash)


def _signatures(tx: Transaction, ids: Sequence[int]) -> dict[int, tuple[bytes | None, int | None, bool]]:
    wanted = select(Signature.post_id, Signature.minhash, Signature.phash, Signature.apart)
    found = {}
    for number, minhash, phash, apart in tx.connection.execute(wanted.where(Signature.post_id.in_(ids))):
        found[number] = (minhash, None if phash is None else int.from_bytes(phash, "little"), apart)
    return found


def _keep_signatures(tx: Transaction, twins: Sequence[Twin]) -> None:
    rows = [
        {
            "post_id": twin.post_id,
            "minhash": twin.minhash,
            "phash": None if twin.phash is None else twin.phash.to_bytes(8, "little"),
            "apart": False,
        }
        for twin in twins
    ]
    statement = upsert(tx.connection, Signature)
    new = {name: statement.excluded[name] for name in ("minhash", "phash")}
    keys = [Signature.post_id]
    tx.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)


def _look_up(tx: Transaction, bands: dict[int, list[Key]]) -> tuple[dict[Key, list[int]], dict[int, _Seen]]:
    """Who stands in the buckets of posts, and what they are compared by."""
    wanted: dict[int, set[int]] = defaultdict(set)
    for keys_of_a_post in bands.values():
        for band, key in keys_of_a_post:
            wanted[band].add(key)
    buckets: dict[Key, list[int]] = defaultdict(list)
    for band, keys in wanted.items():
        found = select(Band.key, Band.post_id).where(Band.band == band, Band.key.in_(sorted(keys)))
        for key, number in tx.connection.execute(found.order_by(Band.post_id)):
            buckets[band, key].append(number)
    numbers = sorted({number for members in buckets.values() for number in members})
    signatures = _signatures(tx, numbers)
    seen = {
        number: _Seen(number, *signatures[number][:2])
        for number in numbers
        if number in signatures and not signatures[number][2]
    }
    for members in buckets.values():
        members[:] = [number for number in members if number in seen]
    return buckets, seen


class _Clusters:
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
