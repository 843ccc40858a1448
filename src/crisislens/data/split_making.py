"""Splits for data that come without: groups of near-duplicates stay together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crisislens.core.errors import DataError, InputError
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, text_signature
from crisislens.data.images import ImageLimits
from crisislens.data.splits import photo_hash, tweet_id
from crisislens.data.text import clean_text
from crisislens.domain.post import Post

__all__ = ["folds", "make_splits", "near_duplicate_groups"]

# of posts that are split: so many folds, and the share of them that dev and test get each
_FOLDS = 20
_SHARE = 0.15


def near_duplicate_groups(
    posts: Sequence[Post], image_root: Path, limits: ImageLimits = ImageLimits()
) -> list[int]:
    """A number for each post; posts with near-duplicate texts or photos, or chains of them,
    have the same.
    """
    signatures = [text_signature(clean_text(post.text)) for post in posts]
    hashes = [photo_hash(post, image_root, limits) for post in posts]
    nothing = np.zeros(SIGNATURE_LENGTH)
    rows = np.array([nothing if s is None else s for s in signatures], np.uint32)
    found = cluster(
        rows.reshape(-1, SIGNATURE_LENGTH),
        np.array([s is not None for s in signatures], bool),
        np.array([h or 0 for h in hashes], np.uint64),
        np.array([h is not None for h in hashes], bool),
    )
    owner = list(range(len(posts)))
    for group in found:
        for member in group.members:
            owner[member] = min(group.members)
    return owner


def folds(labels: Sequence[str], groups: Sequence[int], *, count: int, seed: int = 0) -> list[int]:
    """A fold in [0, count) for each post: groups stay together, and each fold gets about its share
    of every class.

    Groups go, the largest first and otherwise in random order, to the fold that has the fewest
    posts of the group's first label.

    Raises:
        InputError: If there are fewer groups than folds.
    """
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    if len(members) < count:
        raise InputError(f"{len(members)} groups cannot fill {count} folds; ask for fewer")
    random = np.random.default_rng(seed)
    # the largest first: small groups even out what large ones leave uneven
    order = sorted((members[g] for g in random.permutation(sorted(members)).tolist()), key=len, reverse=True)
    of_class = [dict[str, int]() for _ in range(count)]
    sizes, found = [0] * count, [0] * len(labels)
    for together in order:
        label = labels[together[0]]
        # k last, so that equal folds are filled in one order on every machine
        best = min(range(count), key=lambda k: (of_class[k].get(label, 0), sizes[k], k))
        sizes[best] += len(together)
        for i in together:
            found[i] = best
            of_class[best][labels[i]] = of_class[best].get(labels[i], 0) + 1
    return found


def make_splits(
    posts: Sequence[Post],
    labels: Sequence[str],
    *,
    image_root: Path,
    parts: Sequence[str] = ("train", "dev", "test"),
    seed: int = 0,
) -> list[str]:
    """The part of each post, without leaks: about 70 % `train` and 15 % each `dev` and `test`.

    Posts of one source id, near-duplicates and chains of them stay together; each part gets about
    its share of every label (`folds`).

    Arguments:
        posts: All posts.
        labels: A label of each.
        image_root: The folder of their photos.
        parts: The parts to make; `train` is what the others leave.
        seed: Of the order in which groups are dealt out.

    Raises:
        DataError: If there are too few different posts to fill the parts.
    """
    groups = _joined(near_duplicate_groups(posts, image_root), [tweet_id(post) for post in posts])
    count = min(_FOLDS, len(set(groups)))
    if count < len({"train", *parts}):
        wanted = ", ".join(dict.fromkeys(("train", *parts)))
        raise DataError(
            f"{len(set(groups))} different posts cannot be split into {wanted}; label more of them"
        )
    # at least one fold each, also of three groups
    share = max(1, round(_SHARE * count))
    of_fold: dict[int, str] = {}
    others = [part for part in parts if part != "train"]
    for i, part in enumerate(others):
        of_fold |= dict.fromkeys(range(i * share, (i + 1) * share), part)
    return [of_fold.get(fold, "train") for fold in folds(labels, groups, count=count, seed=seed)]


def _joined(groups: Sequence[int], ids: Sequence[str]) -> list[int]:
    """Groups joined where two of them share an id."""
    parent = list(range(len(groups)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[object, int] = {}
    for i, (group, name) in enumerate(zip(groups, ids, strict=True)):
        for key in (("group", group), ("id", name)):
            a, b = root(first.setdefault(key, i)), root(i)
            parent[max(a, b)] = min(a, b)
    return [root(i) for i in range(len(groups))]
