r"""Chains of posts that say or show nearly the same, for a hundred thousand posts in a few seconds
and little memory: what must not be torn apart when data are split. What a report folds is
`data.alike`.

Equal rows are joined first. The different ones are compared where they fall into one bucket: texts
whose signatures agree in all 4 entries of one of 16 bands (at Jaccard $J$ with probability
$1 - (1 - J^4)^{16}$: 0.9998 at 0.8, 0.64 at 0.5), photos whose hashes agree in one of $d + 1$ bands
(by the pigeonhole principle every pair within Hamming distance $d$ does). Each candidate pair is
verified on the whole signature or hash, and verified pairs are joined into components, texts and
photos separately and then together.

A bucket is compared pair by pair up to `_BUCKET` rows; in a larger one, which only an avalanche of
similar posts makes, a row is compared with the next `_BUCKET` in the order of content and with the
bucket's first (of 4,000 versions of one text that are 80 % alike on average, 3,935 are joined, of
3,957 that all pairs would join). Rows are ordered by content and never by position, so the clusters
are the same in whatever order the posts come.

Source of the bands: Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3. Nothing
here keeps Python objects per post.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, UInt32, UInt64

from crisislens.data.distinct import distinct_rows

__all__ = [
    "PHOTO_DISTANCE",
    "TEXT_JACCARD",
    "Cluster",
    "check_thresholds",
    "cluster",
    "photo_bands",
    "photo_chains",
    "spread",
    "text_bands",
    "text_chains",
]

TEXT_JACCARD = 0.8
"""Share of equal signature entries from which two texts are near-duplicates."""
PHOTO_DISTANCE = 4
"""Bits in which the hashes of near-duplicate photos differ at most."""
_BANDS = 16
_BUCKET = 64
# pairs that are verified at a time, so that their signatures stay within some megabytes
_CHUNK = 1 << 14
# any odd number with bits all over: it only spreads keys over buckets
_MIX = np.uint64(0x9E3779B97F4A7C15)

Matches = Callable[[Int[np.ndarray, " m"], Int[np.ndarray, " m"]], Bool[np.ndarray, " m"]]


@dataclass(frozen=True)
class Cluster:
    """Two or more near-duplicate posts.

    Attributes:
        members: Their positions, ascending.
        kind: `text` or `photo` where only texts or only photos were found alike,
            `both` where both were.
    """

    members: tuple[int, ...]
    kind: Literal["text", "photo", "both"]


def cluster(
    signatures: UInt32[np.ndarray, "b s"],
    has_text: Bool[np.ndarray, " b"],
    hashes: UInt64[np.ndarray, " b"],
    has_photo: Bool[np.ndarray, " b"],
    *,
    jaccard: float = TEXT_JACCARD,
    max_distance: int = PHOTO_DISTANCE,
) -> list[Cluster]:
    """Clusters b posts by their texts and photos.

    Arguments:
        signatures: From `text_signature`; rows where `has_text` is false are not looked at.
        has_text: True where the row is a signature.
        hashes: From `image_hash`; likewise with `has_photo`.
        has_photo: True where the hash is one.
        jaccard: Share of equal signature entries from which two texts are near-duplicates,
            in (0, 1].
        max_distance: Hamming distance up to which two photos are, in bits, 0 to 16.

    Returns:
        The largest cluster first, then by first member.

    Raises:
        ValueError: If a threshold is out of its range.
    """
    check_thresholds(jaccard, max_distance)
    texts = spread(_text_labels(signatures, np.flatnonzero(has_text), jaccard), has_text)
    photos = spread(_photo_labels(hashes[has_photo], max_distance), has_photo)
    # each post by itself, then joined by text, then by photo
    labels = np.arange(len(signatures))
    labels = _join(labels, *_edges(texts))
    labels = _join(labels, *_edges(photos))
    return _clusters(labels, texts, photos)


def _text_labels(
    signatures: UInt32[np.ndarray, "b s"], where: Int[np.ndarray, " m"], jaccard: float
) -> Int[np.ndarray, " m"]:
    """A component number for every text."""
    # equal rows are one: retweets by the thousand would fill a bucket with themselves
    found = distinct_rows(list(signatures.T), where)
    return np.asarray(text_chains(signatures, found.rows, jaccard)[found.inverse])


def text_chains(
    signatures: UInt32[np.ndarray, "b s"], rows: Int[np.ndarray, " m"], jaccard: float
) -> Int[np.ndarray, " m"]:
    """A component number for each of m different signatures; those of one chain of alike texts share it.

    Arguments:
        signatures: A table that holds them, which is not copied.
        rows: Where they stand in it.
        jaccard: Share of equal entries from which two texts are alike.
    """

    def match(i: Int[np.ndarray, " n"], j: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        return np.asarray((signatures[rows[i]] == signatures[rows[j]]).mean(axis=1) >= jaccard)

    return _components(len(rows), text_bands(signatures, rows), match)


def _photo_labels(hashes: UInt64[np.ndarray, " m"], max_distance: int) -> Int[np.ndarray, " m"]:
    """A component number for every photo."""
    rows, inverse = np.unique(hashes, return_inverse=True)
    return photo_chains(rows, max_distance)[inverse.reshape(-1)]


def photo_chains(rows: UInt64[np.ndarray, " m"], max_distance: int) -> Int[np.ndarray, " m"]:
    """A component number for each of m different hashes; those of one chain of alike photos share it."""

    def match(i: Int[np.ndarray, " n"], j: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        return np.asarray(np.bitwise_count(rows[i] ^ rows[j]) <= max_distance)

    return _components(len(rows), photo_bands(rows, max_distance), match)


def text_bands(
    signatures: UInt32[np.ndarray, "b s"], rows: Int[np.ndarray, " n"] | None = None
) -> Iterator[UInt64[np.ndarray, " n"]]:
    """The buckets of signatures: one key a row for each of 16 bands.

    Arguments:
        signatures: A table of signatures.
        rows: Which of them; None for all.
    """
    width = signatures.shape[1] // _BANDS
    for band in range(_BANDS):
        key = np.zeros(len(signatures) if rows is None else len(rows), np.uint64)
        for column in signatures[:, band * width : (band + 1) * width].T:
            key = (key ^ (column if rows is None else column[rows])) * _MIX
            key ^= key >> np.uint64(31)
        yield key


def photo_bands(
    hashes: UInt64[np.ndarray, " n"], max_distance: int = PHOTO_DISTANCE
) -> Iterator[UInt64[np.ndarray, " n"]]:
    """The buckets of photo hashes: one key a row for each of `max_distance` + 1 bands."""
    # d differing bits cannot touch all of d + 1 bands
    bounds = np.linspace(0, 64, max_distance + 2).astype(int)
    for low, high in pairwise(bounds):
        yield hashes >> np.uint64(low) & np.uint64((1 << int(high - low)) - 1)


def _components(n: int, bands: Iterator[UInt64[np.ndarray, " n"]], match: Matches) -> Int[np.ndarray, " n"]:
    """Connected components of n different rows; pairs that share a band
    are joined where they match.
    """
    labels = np.arange(n)
    for key in bands:
        for i, j in _pairs(key):
            # most candidates of a later band are joined already, and comparing is what costs
            apart = np.flatnonzero(labels[i] != labels[j])
            for start in range(0, len(apart), _CHUNK):
                chosen = apart[start : start + _CHUNK]
                alike = chosen[match(i[chosen], j[chosen])]
                labels = _join(labels, i[alike], j[alike])
    return labels


def _pairs(key: UInt64[np.ndarray, " n"]) -> Iterator[tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]]:
    """Index pairs with equal keys: neighbors at distance 1, 2, … `_BUCKET` in sorted order, and
    each row with the first of its bucket.
    """
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    first = np.searchsorted(ordered, ordered)  # where the bucket of each row starts
    # joins what lies farther apart in a large bucket than the steps below reach
    yield order[first], order
    for step in range(1, _BUCKET + 1):
        equal = np.flatnonzero(ordered[step:] == ordered[:-step])
        if not len(equal):
            return
        yield order[equal], order[equal + step]


def _join(
    labels: Int[np.ndarray, " n"], i: Int[np.ndarray, " m"], j: Int[np.ndarray, " m"]
) -> Int[np.ndarray, " n"]:
    """The labels after joining the components of each pair."""
    if not len(i):
        return labels
    # here, because its import costs a tenth of a second and most starts join nothing
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(labels)
    graph = coo_matrix((np.ones(len(i), np.int8), (labels[i], labels[j])), shape=(n, n))
    merged: Int[np.ndarray, " n"] = connected_components(graph, directed=False)[1][labels]
    return merged


def check_thresholds(jaccard: float, max_distance: int) -> None:
    """Refuses thresholds that no two posts, or any two, would pass.

    Arguments:
        jaccard: Share of equal signature entries, in (0, 1].
        max_distance: Hamming distance of photos in bits, 0 to 16.

    Raises:
        ValueError: If one is out of its range.
    """
    if not 0 < jaccard <= 1 or not 0 <= max_distance <= 16:
        raise ValueError(
            f"jaccard must be in (0, 1] and max_distance in 0..16, got {jaccard} and {max_distance}"
        )


def spread(labels: Int[np.ndarray, " m"], where: Bool[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
    """The labels at their posts, -1 elsewhere.

    Arguments:
        labels: One for each post where `where` is true.
        where: The posts that have one.
    """
    full = np.full(len(where), -1)
    full[where] = labels
    return full


def _edges(labels: Int[np.ndarray, " b"]) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"]]:
    """A chain through the members of each component; posts labeled -1 have none."""
    order = np.argsort(labels, kind="stable")
    ordered = labels[order]
    linked = np.flatnonzero((ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0))
    return order[linked], order[linked + 1]


def _clusters(
    labels: Int[np.ndarray, " b"], texts: Int[np.ndarray, " b"], photos: Int[np.ndarray, " b"]
) -> list[Cluster]:
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1, append=len(labels)))
    found = []
    for start, end in pairwise(starts):
        if end - start < 2:
            continue
        members = np.sort(order[start:end])
        by_text, by_photo = _repeats(texts[members]), _repeats(photos[members])
        kind: Literal["text", "photo", "both"] = (
            "both" if by_text and by_photo else "text" if by_text else "photo"
        )
        found.append(Cluster(tuple(members.tolist()), kind))
    return sorted(found, key=lambda c: (-len(c.members), c.members))


def _repeats(labels: Int[np.ndarray, " m"]) -> bool:
    """True where a component number stands twice."""
    there = labels[labels >= 0]
    return len(np.unique(there)) < len(there)
