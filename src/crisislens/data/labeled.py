"""Labeled posts of one task in their three parts, whichever source they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from crisislens.core.errors import DataError, ImageError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import resolve_image
from crisislens.data.language import training_languages
from crisislens.data.source import LabeledPost
from crisislens.data.splits import SplitReport, check_splits, clean_split, tweet_id
from crisislens.domain.tasks import Task

__all__ = ["PARTS", "LabeledData", "check_parts", "has_photo", "with_photo"]

PARTS: tuple[str, ...] = ("train", "dev", "test")
"""The parts of a data set: to learn from, to choose by, to measure on."""


@dataclass(frozen=True)
class LabeledData:
    """The splits of one task.

    Attributes:
        space: The task with its classes.
        splits: `train`, `dev` and `test`; posts whose label the setting drops are not among them.
        image_root: The folder that image paths start from.
        fingerprint: 16 hex digits over the source.
        description: What the source is, for cards.
    """

    space: Task
    splits: Mapping[str, Sequence[LabeledPost]]
    image_root: Path
    fingerprint: str
    description: Mapping[str, object]

    def labels(self, split: str) -> Int[np.ndarray, " s"] | Int[np.ndarray, "s c"]:
        """The class of each post of a split; a row of zeros and ones where several may hold."""
        posts = self.splits[split]
        if not self.space.several:
            return np.array([self.space.index(p.label) for p in posts], np.int64)
        held = np.zeros((len(posts), len(self.space)), np.int64)
        for row, labeled in enumerate(posts):
            for name in labeled.labels:
                held[row, self.space.index(name)] = 1
        return held

    def events(self, split: str) -> Shaped[np.ndarray, " s"]:
        """The event of each post."""
        return np.array([p.post.event or "unknown" for p in self.splits[split]])

    def tweets(self, split: str) -> Shaped[np.ndarray, " s"]:
        """The tweet of each post: photos of one tweet are drawn together for intervals."""
        return np.array([tweet_id(p.post) for p in self.splits[split]])

    def clean(self, split: str = "test") -> Shaped[np.ndarray, " s"]:
        """True for posts of a split that share neither tweet nor (nearly) the words with another
        split.
        """
        kept = {p.post.id for p in clean_split(self.splits, split, self._shared)}
        return np.array([p.post.id in kept for p in self.splits[split]])

    def photos(self) -> dict[str, int]:
        """How many posts of each split have a photo that is really there, as it was when first asked."""
        return dict(self._photos)

    def languages(self) -> tuple[str, ...]:
        """The languages of the training posts, see `data.language.training_languages`."""
        return self._languages

    # these go through every post, which takes seconds, and a grid trains many networks on the same data
    @cached_property
    def _photos(self) -> dict[str, int]:
        return {name: len(_with_photo(part, self.image_root)) for name, part in self.splits.items()}

    @cached_property
    def _shared(self) -> SplitReport:
        # without photos, which would have to be decoded; near-duplicates of photos stay
        return check_splits(self.splits)

    @cached_property
    def _languages(self) -> tuple[str, ...]:
        return training_languages([labeled.post.text for labeled in self.splits["train"]])

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(posts):,}" for name, posts in self.splits.items())
        return f"LabeledData({self.space.question}: {', '.join(self.space.classes)}; posts: {counts})"


def has_photo(labeled: LabeledPost, image_root: Path) -> bool:
    """Whether a post's photo is in the image folder."""
    if labeled.post.image is None:
        return False
    try:
        return bool(resolve_image(labeled.post.image, image_root))
    except ImageError:
        return False


def with_photo(data: LabeledData) -> LabeledData:
    """The posts whose photo is in the image folder.

    Raises:
        DataError: If a split has none.
    """
    kept = {name: _with_photo(posts, data.image_root) for name, posts in data.splits.items()}
    if empty := [name for name, posts in kept.items() if not posts]:
        raise DataError(
            f"no photo of the posts of {', '.join(empty)} is in {data.image_root}; put the photos where the "
            f"tables name them"
        )
    # photos come and go while the tables stay, so the posts that are left are part of the mark
    ids = {name: _ids(posts) for name, posts in kept.items()}
    mark = fingerprint([data.fingerprint, ids])
    return replace(data, splits=kept, fingerprint=mark, description={**data.description, "with_photo": True})


def _with_photo(posts: Sequence[LabeledPost], image_root: Path) -> list[LabeledPost]:
    return [labeled for labeled in posts if has_photo(labeled, image_root)]


def _ids(posts: Sequence[LabeledPost]) -> list[str]:
    return [labeled.post.id for labeled in posts]


def check_parts(data: LabeledData, *, fewest_dev: int = 2) -> None:
    """Refuses data that no training can use, in one sentence, before anything is encoded.

    Arguments:
        data: The posts.
        fewest_dev: Development posts that are needed to choose an epoch and a threshold.

    Raises:
        DataError: If a part is empty, training posts have one class only, a class of development or
            test posts is in no training post, or development posts are too few or of one class.
    """
    for part in PARTS:
        if not data.splits.get(part):
            raise DataError(f"there are no {part} posts; training needs some of each of {', '.join(PARTS)}")
    if len(data.splits["dev"]) < fewest_dev:
        found = len(data.splits["dev"])
        raise DataError(f"{found} dev post cannot choose an epoch; give at least {fewest_dev}")
    seen = {part: _classes(data, part) for part in PARTS}
    if unlearned := sorted(set(data.space.classes) - seen["train"]):
        raise DataError(
            f"no training post has the class {', '.join(unlearned)}; leave the class out of the task, or put "
            "posts of it into the train split"
        )
    if not data.space.several and len(seen["dev"]) < 2:
        raise DataError(
            f"all dev posts have the class {', '.join(seen['dev'])}; with one class there is nothing to "
            "choose by, so put posts of others into the dev split"
        )


def _classes(data: LabeledData, part: str) -> set[str]:
    return {str(data.space.resolve(name)) for labeled in data.splits[part] for name in labeled.labels}
