"""Labeled posts of one setting, whichever source they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from crisislens.core.errors import DataError, ImageError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.crisismmd import CrisisMMD
from crisislens.data.images import resolve_image
from crisislens.data.source import LabeledPost
from crisislens.data.splits import check_splits, clean_split, tweet_id
from crisislens.demo import synthetic_labeled
from crisislens.domain.tasks import SETTINGS, Task
from crisislens.training.config import DataConfig

__all__ = ["TaskData", "load_data", "with_photo"]


@dataclass(frozen=True)
class TaskData:
    """The splits of one task.

    Attributes:
        space: The classes.
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

    def labels(self, split: str) -> Int[np.ndarray, " s"]:
        """The class of each post of a split."""
        return np.array([self.space.index(p.label) for p in self.splits[split]], np.int64)

    def events(self, split: str) -> Shaped[np.ndarray, " s"]:
        """The event of each post."""
        return np.array([p.post.event or "unknown" for p in self.splits[split]])

    def tweets(self, split: str) -> Shaped[np.ndarray, " s"]:
        """The tweet of each post: photos of one tweet are drawn together for intervals."""
        return np.array([tweet_id(p.post) for p in self.splits[split]])

    def clean(self, split: str = "test") -> Shaped[np.ndarray, " s"]:
        """True for posts of a split that share neither tweet nor (nearly) the words with another split. Takes
        seconds.
        """
        report = check_splits(self.splits)
        kept = {p.post.id for p in clean_split(self.splits, split, report)}
        return np.array([p.post.id in kept for p in self.splits[split]])


def load_data(config: DataConfig) -> TaskData:
    """Reads the labeled posts that a run file names.

    Raises:
        DataError: If the data set is not there or not as expected, or no post of a split has its photo where
            photos are asked for.
    """
    data = _load(config)
    return with_photo(data) if config.with_photo else data


def with_photo(data: TaskData) -> TaskData:
    """The posts whose photo is in the image folder.

    Raises:
        DataError: If a split has none.
    """

    def there(labeled: LabeledPost) -> bool:
        try:
            return labeled.post.image is not None and bool(resolve_image(labeled.post.image, data.image_root))
        except ImageError:
            return False

    kept = {name: [p for p in posts if there(p)] for name, posts in data.splits.items()}
    if empty := [name for name, posts in kept.items() if not posts]:
        raise DataError(
            f"no photo of the posts of {', '.join(empty)} is in {data.image_root}; put the photos where the "
            f"tables name them"
        )
    mark = fingerprint([data.fingerprint, {name: [p.post.id for p in posts] for name, posts in kept.items()}])
    return replace(data, splits=kept, fingerprint=mark, description={**data.description, "with_photo": True})


def _load(config: DataConfig) -> TaskData:
    space = SETTINGS[config.setting]
    if config.source == "synthetic":
        every = synthetic_labeled(config.root, posts=config.posts)[space.question]
        kept = [p for p in every if space.resolve(p.label) is not None]
        splits = {name: [p for p in kept if p.split == name] for name in ("train", "dev", "test")}
        identity: dict[str, object] = {
            "kind": "made-up crisis",
            "setting": config.setting,
            "posts": config.posts,
        }
        return TaskData(space, splits, config.root, fingerprint(identity), identity)
    source = CrisisMMD(config.root, setting=config.setting, variant=config.variant)
    splits = {name: source.load(name) for name in ("train", "dev", "test")}
    return TaskData(source.space, splits, source.image_root, source.fingerprint(), source.describe())
