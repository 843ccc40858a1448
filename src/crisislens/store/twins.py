"""Near-duplicates, post by post: what a new post is like, of all that came before.

The same signatures, bands and thresholds as the search of a whole run (`data.clusters`). A post is compared
with the first eight posts of each bucket that it falls into, and joins the clusters of those it is alike;
the work for a post does not grow with the number of copies. A run's search compares more pairs of a bucket
that holds more than eight different texts, so it may join a few more there.

The earliest post of a cluster leads it; the others are its near-duplicates, which lists can fold away.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import select

from crisislens.data.clusters import PHOTO_DISTANCE, TEXT_JACCARD, photo_bands, text_bands
from crisislens.store.joining import Joined
from crisislens.store.models import Band, Signature
from crisislens.store.transaction import Transaction, upsert

__all__ = ["Twin", "enlist", "join_twins"]

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
    clusters = Joined(tx, [*(twin.post_id for twin in fresh), *seen])
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
