"""Leaks between splits: the same tweet, the same words or the same photo in training and in test
make a score look better than it is.

Ways to be the same, each found between any two splits: the source's id (several photos of one tweet
are several posts with one text), equal cleaned text, and near-duplicates of text or photo as
`data.clusters` joins them. Near-duplicates are transitive there, so a post counts as leaked also
where a chain of near-duplicates leads to the other split: the stricter reading.

Damage severity of CrisisMMD is the known case: 62 tweet ids stand in train and in test with the
same text and another photo.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from crisislens.core.errors import ImageError
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, image_hash, text_signature
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.data.source import LabeledPost
from crisislens.data.text import clean_text
from crisislens.domain.post import Post

__all__ = [
    "KINDS",
    "SplitReport",
    "check_splits",
    "clean_split",
    "photo_hash",
    "tweet_id",
]

KINDS = ("ids", "texts", "near_texts", "near_photos")
"""The ways to leak: shared ids, equal texts, near-duplicate texts, near-duplicate photos."""
# behind the digits of a tweet; an own id such as `report_12` is left alone
_PHOTO_NUMBER = re.compile(r"^(\d+)_\d{1,2}$")

Splits = Mapping[str, Sequence[LabeledPost]]


def tweet_id(post: Post) -> str:
    """The id of the tweet that a CrisisMMD row belongs to:
    the post's id without the number of the photo.

    >>> tweet_id(Post(id="919946322177802241_0"))
    '919946322177802241'
    """
    return _PHOTO_NUMBER.sub(r"\1", post.id)


@dataclass(frozen=True)
class SplitReport:
    """What splits share.

    Attributes:
        posts: Posts by split.
        shared: By pair of splits (`train-test`) and kind of `KINDS`, how many groups (ids, texts,
            clusters) stand in both.
        leaked: By split and kind, the ids of its posts that stand in any other split too.
        photos_checked: Photos that could be read and compared;
            the others are not known to be clean.
    """

    posts: dict[str, int]
    shared: dict[str, dict[str, int]]
    leaked: dict[str, dict[str, frozenset[str]]]
    photos_checked: int

    def dirty(self, split: str) -> frozenset[str]:
        """The ids of a split's posts that leak in any way."""
        return frozenset().union(*self.leaked[split].values())

    def as_dict(self) -> dict[str, object]:
        """Counts as plain values that JSON can hold, as a tree of splits, pairs and kinds."""
        leaked: dict[str, dict[str, int]] = {}
        for split, kinds in self.leaked.items():
            leaked[split] = {kind: len(ids) for kind, ids in kinds.items()}
            # a post that leaks in two ways counts once
            leaked[split]["any"] = len(self.dirty(split))
        return {
            "posts": dict(self.posts),
            "photos_checked": self.photos_checked,
            "shared": {pair: dict(kinds) for pair, kinds in self.shared.items()},
            "leaked_posts": leaked,
        }


def check_splits(
    splits: Splits,
    *,
    image_root: Path | None = None,
    limits: ImageLimits = ImageLimits(),
    group: Callable[[Post], str] = tweet_id,
    progress: Callable[[int, int], None] | None = None,
) -> SplitReport:
    """Looks for what the splits of one data set share.

    Arguments:
        splits: Posts by the name of their split.
        image_root: The folder of the photos; without one, photos are not compared.
        limits: Within which photos are decoded.
        group: What makes two posts one in the source.
        progress: Called with the posts done and the number of posts.
    """
    names = np.array([name for name, posts in splits.items() for _ in posts])
    posts = [labeled.post for part in splits.values() for labeled in part]
    texts = [clean_text(post.text) for post in posts]
    hashes = []
    for done, post in enumerate(posts, start=1):
        hashes.append(photo_hash(post, image_root, limits))
        if progress is not None:
            progress(done, len(posts))
    groups: dict[str, list[list[int]]] = {
        "ids": _groups(group(post) for post in posts),
        # texts without a word are equal to nothing, or all photos alone would be one
        "texts": _groups(text.casefold() or None for text in texts),
        "near_texts": _near_texts(texts),
        "near_photos": _near_photos(hashes),
    }
    shared: dict[str, dict[str, int]] = {}
    for a, b in combinations(splits, 2):
        shared[f"{a}-{b}"] = {kind: _in_both(groups[kind], names, a, b) for kind in KINDS}
    leaked: dict[str, dict[str, frozenset[str]]] = {}
    for name in splits:
        leaked[name] = {kind: _leaked(groups[kind], names, name, posts) for kind in KINDS}
    return SplitReport(
        posts={name: len(part) for name, part in splits.items()},
        shared=shared,
        leaked=leaked,
        photos_checked=sum(value is not None for value in hashes),
    )


def clean_split(splits: Splits, name: str, report: SplitReport) -> list[LabeledPost]:
    """The posts of a split that share nothing with any other, in their order:
    the duplicate-clean test set.

    Arguments:
        splits: As given to `check_splits`.
        name: The split to clean.
        report: What `check_splits` found.
    """
    dirty = report.dirty(name)
    return [labeled for labeled in splits[name] if labeled.post.id not in dirty]


def photo_hash(post: Post, root: Path | None, limits: ImageLimits) -> int | None:
    if root is None or post.image is None:
        return None
    try:
        return image_hash(decode_image(resolve_image(post.image, root), limits).pixels)
    except ImageError:
        return None


def _groups(keys: Iterable[str | None]) -> list[list[int]]:
    """Positions with equal keys, two or more together; None is equal to nothing."""
    places = defaultdict(list)
    for i, key in enumerate(keys):
        if key is not None:
            places[key].append(i)
    return [group for group in places.values() if len(group) > 1]


def _near_texts(texts: Sequence[str]) -> list[list[int]]:
    signatures = [text_signature(text) for text in texts]
    rows = np.array([np.zeros(SIGNATURE_LENGTH) if s is None else s for s in signatures], np.uint32).reshape(
        -1, SIGNATURE_LENGTH
    )
    nowhere = np.zeros(len(texts), bool)
    found = cluster(
        rows, np.array([s is not None for s in signatures], bool), np.zeros(len(texts), np.uint64), nowhere
    )
    return [list(c.members) for c in found]


def _near_photos(hashes: Sequence[int | None]) -> list[list[int]]:
    values: UInt64[np.ndarray, " b"] = np.array([value or 0 for value in hashes], np.uint64)
    nothing = np.zeros((len(hashes), SIGNATURE_LENGTH), np.uint32)
    found = cluster(
        nothing, np.zeros(len(hashes), bool), values, np.array([value is not None for value in hashes], bool)
    )
    return [list(c.members) for c in found]


def _in_both(groups: list[list[int]], names: np.ndarray, a: str, b: str) -> int:
    return sum({a, b} <= set(names[group].tolist()) for group in groups)


def _leaked(groups: list[list[int]], names: np.ndarray, name: str, posts: Sequence[Post]) -> frozenset[str]:
    return frozenset(
        posts[i].id
        for group in groups
        if len(set(names[group].tolist())) > 1
        for i in group
        if names[i] == name
    )
