"""Near-duplicates, post by post: what a new post is like, of all that came before.

The same signatures, bands and thresholds as the groups of a report (`data.alike`), and the same meaning:
every two posts of a group are alike in what joins them. The same words fold, and so does the same photo
where there are no words; the same photo with other words links and folds nothing. What differs is that
posts come one after the other: a post joins the group of the nearest one, if it is like all versions
there, and never leaves it again for a nearer one that comes later. Of equal posts one stands in the
buckets, so that the work for a post does not grow with the number of copies; a bucket holds sixteen
versions, and a group sixty-four.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import delete, select

from crisislens.data.clusters import PHOTO_DISTANCE, TEXT_JACCARD, photo_bands, text_bands
from crisislens.store.joining import Groups, Seen, read_seen, refresh_clusters
from crisislens.store.models import Band, Cluster, Post, Signature, Witness
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Twin", "join_twins", "renew_witnesses"]

_BUCKET = 16
_PHOTO_BAND = 100
_LENGTH = 64
_MOST_LOOKED_AT = 512
_MOST_VERSIONS = 64
Key = tuple[int, int]
"""A band and the key of a bucket in it."""


@dataclass(frozen=True)
class Twin:
    """What a post is compared by.

    Attributes:
        post_id: The post.
        at: When it was posted.
        minhash: Signature of its text and its numbers, 264 bytes; None where there is too little text.
        phash: Hash of its photo; None without one.
    """

    post_id: int
    at: datetime
    minhash: bytes | None
    phash: int | None


def join_twins(tx: Transaction, twins: Sequence[Twin]) -> None:
    """Keeps the signatures of posts and joins each to what it is like."""
    known, apart = _signatures(tx, [twin.post_id for twin in twins])
    # the second look at a post brings its photo; its text was compared at the first
    fresh = [
        Seen(twin.post_id, twin.minhash, twin.phash)
        for twin in twins
        if twin.post_id not in apart and _changed(twin, known.get(twin.post_id))
    ]
    if not fresh:
        return
    _keep_signatures(tx, fresh)
    bands = _bands(fresh)
    buckets, seen = _look_up(tx, bands)
    ids = [*(post.post_id for post in fresh), *seen]
    folded, linked = Groups(tx, ids, links=False), Groups(tx, ids, links=True)
    rows = []
    for post in fresh:
        mine = bands[post.post_id]
        numbers = {number for key in mine for number in buckets[key]} - {post.post_id}
        others = [seen[number] for number in sorted(numbers)]
        if post.minhash is not None:
            folded.place(post, others, _same_words, _words)
        else:
            silent = [other for other in others if other.minhash is None]
            folded.place(post, silent, _same_photo, _photo)
        linked.place(post, others, _same_photo, _photo)
        seen[post.post_id] = post
        rows += _enter(buckets, post, mine, others)
    if rows:
        tx.connection.execute(upsert(tx.connection, Band).on_conflict_do_nothing(), rows)
    _write(tx, folded, linked)


def _write(tx: Transaction, folded: Groups, linked: Groups) -> None:
    # whether a cluster shows one photo is counted from the links, so these come first
    changed = linked.write() | folded.write()
    of = select(Post.cluster_id).where(Post.id.in_(linked.joined()), Post.cluster_id.is_not(None)).distinct()
    changed |= {int(number) for number in tx.connection.execute(of).scalars() if number is not None}
    refresh_clusters(tx, changed)


def renew_witnesses(tx: Transaction, group_ids: Iterable[int]) -> None:
    """Finds the versions of groups anew, as when a post that stood for one is gone, and puts each into its
    buckets; the first 512 posts of a group are looked at.
    """
    wanted = select(Cluster.id, Cluster.kind).where(Cluster.id.in_(sorted(set(group_ids))))
    for group, kind in tx.connection.execute(wanted.order_by(Cluster.id)).all():
        column = Post.shown_id if kind == "photo" else Post.cluster_id
        columns = (Signature.post_id, Signature.minhash, Signature.phash)
        members = select(*columns).join(Post, Post.id == Signature.post_id).where(column == group)
        members = members.order_by(Post.at, Post.id).limit(_MOST_LOOKED_AT)
        versions: dict[object, Seen] = {}
        for row in tx.connection.execute(members):
            post = read_seen(*row)
            versions.setdefault(_photo(post) if kind == "photo" else (_words(post) or _photo(post)), post)
        kept = list(versions.values())[:_MOST_VERSIONS]
        tx.connection.execute(delete(Witness).where(Witness.cluster_id == group))
        rows = [{"cluster_id": group, "post_id": post.post_id} for post in kept]
        if rows:
            tx.connection.execute(upsert(tx.connection, Witness).on_conflict_do_nothing(), rows)
        _enlist(tx, kept)


def _enlist(tx: Transaction, posts: Sequence[Seen]) -> None:
    """Puts posts into their buckets, where these have room."""
    bands = _bands(posts)
    buckets, _ = _look_up(tx, bands)
    rows = [row for post in posts for row in _enter(buckets, post, bands[post.post_id], ())]
    if rows:
        tx.connection.execute(upsert(tx.connection, Band).on_conflict_do_nothing(), rows)


def _enter(
    buckets: dict[Key, list[int]], post: Seen, keys: Sequence[Key], others: Sequence[Seen]
) -> list[dict[str, int]]:
    """Puts a post into those of its buckets that have room and hold no equal one; gives the rows."""
    words = any(other.minhash == post.minhash for other in others)
    photo = any(
        other.phash == post.phash and (other.minhash is None) == (post.minhash is None) for other in others
    )
    rows = []
    for key in keys:
        stands = photo if key[0] >= _PHOTO_BAND else words
        if not stands and len(buckets[key]) < _BUCKET and post.post_id not in buckets[key]:
            buckets[key].append(post.post_id)
            rows.append({"band": key[0], "key": key[1], "post_id": post.post_id})
    return rows


def _words(post: Seen) -> object:
    return post.minhash


def _photo(post: Seen) -> object:
    return post.phash


def _same_words(post: Seen, others: Sequence[Seen]) -> list[Seen]:
    """Those that say nearly the same, numbers and all, the nearest first; of equally near ones the first."""
    texts = [other for other in others if other.minhash and other.numbers == post.numbers]
    if not texts or not post.minhash:
        return []
    table = np.frombuffer(b"".join(other.entries for other in texts), "<u4")
    same = (table.reshape(-1, _LENGTH) == np.frombuffer(post.entries, "<u4")).mean(axis=1)
    order = np.argsort(-same, kind="stable")
    return [texts[i] for i in order if same[i] >= TEXT_JACCARD]


def _same_photo(post: Seen, others: Sequence[Seen]) -> list[Seen]:
    """Those that show nearly the same, the nearest first; of equally near ones the first."""
    if post.phash is None:
        return []
    apart = [((other.phash ^ post.phash).bit_count(), other) for other in others if other.phash is not None]
    near = [(bits, other) for bits, other in apart if bits <= PHOTO_DISTANCE]
    return [other for _, other in sorted(near, key=lambda pair: pair[0])]


def _bands(twins: Sequence[Seen]) -> dict[int, list[Key]]:
    """The buckets of each post; keys as the signed numbers that both databases hold."""
    found: dict[int, list[Key]] = {twin.post_id: [] for twin in twins}
    texts = [twin for twin in twins if twin.minhash is not None]
    if texts:
        table = np.frombuffer(b"".join(twin.entries for twin in texts), "<u4").astype(np.uint32)
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


def _changed(twin: Twin, before: Seen | None) -> bool:
    return before is None or (before.minhash, before.phash) != (twin.minhash, twin.phash)


def _signatures(tx: Transaction, ids: Sequence[int]) -> tuple[dict[int, Seen], set[int]]:
    """What posts are compared by, and which of them a person took out of their group."""
    wanted = select(Signature.post_id, Signature.minhash, Signature.phash, Signature.apart)
    found, apart = {}, set()
    for number, minhash, phash, alone in tx.connection.execute(wanted.where(Signature.post_id.in_(ids))):
        found[number] = read_seen(number, minhash, phash)
        if alone:
            apart.add(number)
    return found, apart


def _keep_signatures(tx: Transaction, twins: Sequence[Seen]) -> None:
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


def _look_up(tx: Transaction, bands: dict[int, list[Key]]) -> tuple[dict[Key, list[int]], dict[int, Seen]]:
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
    signatures, apart = _signatures(tx, numbers)
    seen = {number: signatures[number] for number in numbers if number in signatures and number not in apart}
    for members in buckets.values():
        members[:] = [number for number in members if number in seen]
    return buckets, seen
