"""Batches of features and labels for training: shuffled anew each epoch, similar lengths together,
equal for equal seed and epoch.

Shuffling goes in two steps. All posts are permuted; runs of `_WINDOW` batches are sorted by text
length, cut into batches, and the batches are permuted. So a batch pads little, and every batch is
still a nearly random draw. The order depends on nothing but seed, epoch and lengths.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crisislens.core.errors import InputError
from crisislens.features.cache import FeatureCache
from crisislens.nn.batch import FeatureBatch

__all__ = ["FeatureLoader"]

_WINDOW = 50


class FeatureLoader:
    """An iterable over batches; iterating it again gives the same batches,
    `at_epoch` the next epoch's.

    Arguments:
        cache: The features.
        labels: One entry (a number or a row of numbers) for each post that is iterated.
        batch_posts: Posts a batch; the last may be smaller.
        shuffle: Whether posts are shuffled; if not they come in order.
        seed: Seed of the run.
        epoch: The epoch, counted from 0.
        indices: The posts to iterate, as positions in the cache; None for all.

    Raises:
        InputError: If labels and posts differ in number.
    """

    def __init__(
        self,
        cache: FeatureCache,
        labels: Tensor | Sequence[int] | NDArray[np.generic],
        *,
        batch_posts: int = 32,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        indices: Sequence[int] | None = None,
    ) -> None:
        self.cache = cache
        self.labels = labels if isinstance(labels, Tensor) else torch.tensor(np.asarray(labels))
        self.indices = np.arange(len(cache)) if indices is None else np.asarray(indices, np.int64).reshape(-1)
        self.batch_posts, self.shuffle, self.seed, self.epoch = batch_posts, shuffle, seed, epoch
        if len(self.labels) != len(self.indices):
            raise InputError(
                f"{len(self.labels)} labels were given for {len(self.indices)} posts; give one label a post, "
                f"in their order"
            )

    def __len__(self) -> int:
        return -(-len(self.indices) // self.batch_posts)

    def __iter__(self) -> Iterator[tuple[FeatureBatch, Tensor]]:
        for rows in self._batches():
            yield self.cache.batch(self.indices[rows]), self.labels[torch.from_numpy(rows)]

    def at_epoch(self, epoch: int) -> "FeatureLoader":
        """The same loader for another epoch."""
        return FeatureLoader(
            self.cache,
            self.labels,
            batch_posts=self.batch_posts,
            shuffle=self.shuffle,
            seed=self.seed,
            epoch=epoch,
            indices=self.indices.tolist(),
        )

    def _batches(self) -> list[NDArray[np.int64]]:
        """Positions in `indices`, batch by batch."""
        n, size = len(self.indices), self.batch_posts
        if not self.shuffle:
            return [np.arange(i, min(i + size, n)) for i in range(0, n, size)]
        # of seed and epoch alone: a run that goes on at epoch 7 draws what it would have drawn
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(n)
        lengths = self.cache.lengths[self.indices]
        window = _WINDOW * size
        chunks = [order[i : i + window] for i in range(0, n, window)]
        # stable, so that equal lengths keep their random order
        ordered = [chunk[np.argsort(lengths[chunk], kind="stable")] for chunk in chunks]
        batches = [chunk[i : i + size] for chunk in ordered for i in range(0, len(chunk), size)]
        return [batches[i] for i in random.permutation(len(batches))]
