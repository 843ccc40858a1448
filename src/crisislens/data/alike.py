r"""Groups of posts that are alike, each with each: what a report may show once.

A chain (`data.clusters`) joins a to c where a is alike to b and b to c, however little a and c share; a
thousand different texts hang together so. Here every two members of a group are alike in the thing that
joins them ("complete link"), so any of them stands for all. Two things join, and are kept apart:

- `text` and `both`: the same words, and at `both` the same photo too. Posts without a word say the same
  where they show the same photo. A report shows such a group once. Texts that say different numbers are never
  the same words: "16 dead" does not stand for "17 dead".
- `photo`: the same photo with other words. These are different messages: a report links them and folds none.

Within a chain, the row that most posts are alike to comes first and takes, the nearest first, what is alike
to all that it has taken. Rows are ordered by content, never by position, so the groups are the same in
whatever order the posts come. A chain of more than `_BLOCK` different rows is cut in the order of content
first: its halves may then hold rows that would have been alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, UInt32, UInt64

from crisislens.data.clusters import (
    PHOTO_DISTANCE,
    TEXT_JACCARD,
    check_thresholds,
    photo_chains,
    spread,
    text_chains,
)
from crisislens.data.distinct import distinct_rows

__all__ = ["Alike", "AlikeKind", "alike"]

AlikeKind = Literal["text", "photo", "both"]

_BLOCK = 1024

Near = Callable[[Int[np.ndarray, " k"]], tuple[Int[np.ndarray, "k k"], int]]
"""From rows to how far each is from each, and the distance up to which two are alike."""


@dataclass(frozen=True)
class Alike:
    """Two or more posts of which every two are alike.

    Attributes:
        members: Their positions, ascending.
        kind: `text` where they say the same, `both` where they also show the same, `photo` where they show
            the same and do not all say the same.
    """

    members: tuple[int, ...]
    kind: AlikeKind


def alike(
    signatures: UInt32[np.ndarray, "b s"],
    has_text: Bool[np.ndarray, " b"],
    hashes: UInt64[np.ndarray, " b"],
    has_photo: Bool[np.ndarray, " b"],
    *,
    numbers: UInt64[np.ndarray, " b"] | None = None,
    jaccard: float = TEXT_JACCARD,
    max_distance: int = PHOTO_DISTANCE,
) -> list[Alike]:
    """Groups b posts. A post is in one group at most of `text` and `both`, and in one at most of `photo`.

    Arguments:
        signatures: From `text_signature`; rows where `has_text` is false are not looked at.
        has_text: True where the row is a signature.
        hashes: From `image_hash`; likewise with `has_photo`.
        has_photo: True where the hash is one.
        numbers: From `numbers_said`; texts with different ones are not alike. None tells none apart.
        jaccard: Share of equal signature entries from which two texts are alike, in (0, 1].
        max_distance: Hamming distance up to which two photos are, in bits, 0 to 16.

    Returns:
        The largest group first, then by first member.

    Raises:
        ValueError: If a threshold is out of its range.
    """
    check_thresholds(jaccard, max_distance)
    said = np.zeros(len(signatures), np.uint64) if numbers is None else numbers
    texts = spread(_texts(signatures, said, np.flatnonzero(has_text), jaccard), has_text)
    photos = spread(_photos(hashes[has_photo], max_distance), has_photo)
    messages = _messages(texts, photos)
    same_words = [Alike(group, _kind(group, photos)) for group in _members(messages)]
    same_photo = [
        Alike(group, "photo") for group in _members(photos) if len(np.unique(messages[list(group)])) > 1
    ]
    return sorted([*same_words, *same_photo], key=lambda found: (-len(found.members), found.members))


def _messages(texts: Int[np.ndarray, " b"], photos: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
    """A number for what each post says: of its words, or, without any, of its photo."""
    silent = texts < 0
    messages = texts.copy()
    after_texts = texts.max(initial=-1) + 1
    messages[silent] = photos[silent] + after_texts
    # neither words nor a photo: nothing to be alike in
    nothing = silent & (photos < 0)
    after_photos = messages.max(initial=-1) + 1
    messages[nothing] = after_photos + np.arange(nothing.sum())
    return messages


def _kind(group: tuple[int, ...], photos: Int[np.ndarray, " b"]) -> AlikeKind:
    shown = np.unique(photos[list(group)])
    return "both" if len(shown) == 1 and shown[0] >= 0 else "text"


def _texts(
    signatures: UInt32[np.ndarray, "b s"],
    numbers: UInt64[np.ndarray, " b"],
    where: Int[np.ndarray, " m"],
    jaccard: float,
) -> Int[np.ndarray, " m"]:
    """A group number for every text."""
    # the numbers as two more columns, so that equal rows are equal in both
    said = np.ascontiguousarray(numbers).view(np.uint32).reshape(-1, 2)
    found = distinct_rows([*signatures.T, *said.T], where)

    def near(some: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, "k k"], int]:
        rows = found.rows[some]
        apart = np.zeros((len(some), len(some)), np.int64)
        # entry by entry, because a cube of all comparisons would not fit the cache
        for column in signatures[rows].T:
            apart += column[:, None] != column[None, :]
        length = signatures.shape[1]
        for column in said[rows].T:
            apart[column[:, None] != column[None, :]] = length + 1
        most = max(k for k in range(length + 1) if 1 - k / length >= jaccard)
        return apart, most

    groups = _groups(text_chains(signatures, found.rows, jaccard), found.copies, near)
    return np.asarray(groups[found.inverse])


def _photos(hashes: UInt64[np.ndarray, " m"], max_distance: int) -> Int[np.ndarray, " m"]:
    """A group number for every photo."""
    rows, inverse, copies = np.unique(hashes, return_inverse=True, return_counts=True)

    def near(some: Int[np.ndarray, " k"]) -> tuple[Int[np.ndarray, "k k"], int]:
        differing = rows[some][:, None] ^ rows[some][None, :]
        return np.bitwise_count(differing).astype(np.int64), max_distance

    groups = _groups(photo_chains(rows, max_distance), copies, near)
    return groups[inverse.reshape(-1)]


def _groups(
    chains: Int[np.ndarray, " n"], copies: Int[np.ndarray, " n"], near: Near
) -> Int[np.ndarray, " n"]:
    """A group number for each of n different rows, found within their chains."""
    groups = np.arange(len(chains))
    order = np.argsort(chains, kind="stable")
    for start, end in _runs(chains[order]):
        for cut in range(start, end, _BLOCK):
            rows = order[cut : min(cut + _BLOCK, end)]
            if len(rows) > 1:
                groups[rows] = rows[_cliques(*near(rows), copies[rows])]
    return groups


def _cliques(
    apart: Int[np.ndarray, "k k"], most: int, copies: Int[np.ndarray, " k"]
) -> Int[np.ndarray, " k"]:
    """For each of k rows the first row of its group; within a group no two are more than `most` apart."""
    near = apart <= most
    first_of = np.arange(len(apart))
    left = np.ones(len(apart), bool)
    # how many posts still to be grouped are alike to each row
    crowd = near @ copies
    while left.any():
        center = int(np.argmax(np.where(left, crowd, -1)))
        fits = near[center] & left
        candidates = np.flatnonzero(fits)
        members = []
        for row in candidates[np.argsort(apart[center, candidates], kind="stable")]:
            if fits[row]:
                members.append(row)
                # from now on only what is alike to this one too
                fits &= near[row]
        first_of[members] = center
        left[members] = False
        crowd -= near[:, members] @ copies[members]
    return first_of


def _members(numbers: Int[np.ndarray, " b"]) -> list[tuple[int, ...]]:
    """The positions that share a number, where two or more do; -1 is no number."""
    order = np.argsort(numbers, kind="stable")
    found = []
    for start, end in _runs(numbers[order]):
        if numbers[order[start]] >= 0:
            found.append(tuple(np.sort(order[start:end]).tolist()))
    return found


def _runs(ordered: Int[np.ndarray, " n"]) -> list[tuple[int, int]]:
    """Where numbers repeat that lie in order: starts and ends of two or more equal ones."""
    bounds = np.flatnonzero(np.diff(ordered, prepend=-2, append=-2))
    # most of a million posts are alone, and a loop over them would cost more than the search
    repeated = np.flatnonzero(np.diff(bounds) > 1)
    return list(zip(bounds[repeated].tolist(), bounds[repeated + 1].tolist(), strict=True))
