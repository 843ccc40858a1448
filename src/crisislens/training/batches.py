"""The batches of each epoch: which posts stand together, in which order, and how they become
tensors.

Every trainer draws its order here. An order is a function from the number of an epoch to the
positions of each batch; `Batches` makes the tensors when they are needed. Orders that depend on
seed and epoch alone (`EpochOrder`) allow a killed run to go on as if nothing had been. Orders that
go on with one generator from epoch to epoch (`StreamOrder`) are those that the shipped models were
trained with.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Int

from crisislens.nn.grouping import group_by_length

__all__ = [
    "EPOCH_STRIDE",
    "Batches",
    "EpochOrder",
    "StreamOrder",
    "batch_count",
    "epoch_batches",
    "random_batches",
    "similar_batches",
]

EPOCH_STRIDE = 1_000_003
"""Seeds of epoch e of a run with seed s are `EPOCH_STRIDE * s + e`."""

T = TypeVar("T")
Rows = Int[np.ndarray, " b"]
Order = Callable[[int], list[Rows]]


class Batches(Generic[T]):
    """The batches of every epoch, made when they are needed.

    Arguments:
        order: From an epoch, counted from 0, to the positions of each batch.
        collate: From positions to a batch.
        count: How many batches an epoch has.
    """

    def __init__(self, order: Order, collate: Callable[[Rows], T], count: int) -> None:
        self.order, self.collate, self.count = order, collate, count

    def __len__(self) -> int:
        return self.count

    def epoch(self, number: int, *, rank: int = 0, world: int = 1) -> Iterator[T]:
        """The batches of an epoch.

        Arguments:
            number: The epoch, counted from 0.
            rank: Which of several processes asks; each takes every `world`-th batch.
            world: How many processes there are. All get equally many batches, so the last ones may
                be left.
        """
        rows = self.order(number)
        # processes wait for each other in every step; one with a batch more would wait forever
        shared = len(rows) // world * world
        for batch in rows[rank:shared:world]:
            yield self.collate(batch)


def batch_count(posts: int, size: int) -> int:
    """Batches of `size` that hold `posts` posts, the last one perhaps smaller."""
    return -(-posts // size)


def epoch_batches(lengths: Int[np.ndarray, " s"], size: int, *, seed: int, epoch: int) -> list[Rows]:
    """The batches of one epoch: a new order each epoch, similar lengths together, equal for equal
    seed and epoch. A single post left over joins the batch before it.

    Arguments:
        lengths: Tokens of each post.
        size: Posts a batch.
        seed: Seed of the run.
        epoch: The epoch, counted from 0.
    """
    # of both numbers and nothing else: epoch 7 of a resumed run is epoch 7
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    batches = group_by_length(lengths, order, size, join_single=True)
    return [batches[i] for i in random.permutation(len(batches))]


@dataclass(frozen=True)
class EpochOrder:
    """`epoch_batches` of one run, as an order.

    Attributes:
        lengths: Tokens of each post.
        size: Posts a batch.
        seed: Seed of the run.
        fixed: Whether all epochs have the batches of the first one.
    """

    lengths: Int[np.ndarray, " s"]
    size: int
    seed: int
    fixed: bool = False

    def __call__(self, epoch: int) -> list[Rows]:
        """The positions of each batch."""
        return epoch_batches(self.lengths, self.size, seed=self.seed, epoch=0 if self.fixed else epoch)


def similar_batches(lengths: Int[np.ndarray, " s"], size: int, generator: torch.Generator) -> list[Rows]:
    """Batches of similar lengths in random order, drawn from a generator of torch."""
    order = torch.randperm(len(lengths), generator=generator).numpy()
    batches = group_by_length(lengths, order, size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def random_batches(posts: int, size: int, generator: torch.Generator) -> list[Rows]:
    """Batches in random order, whatever the lengths."""
    order = torch.randperm(posts, generator=generator).numpy()
    return [order[i : i + size] for i in range(0, posts, size)]


class StreamOrder:
    """An order that draws every epoch from one generator, which goes on from epoch to epoch.

    Arguments:
        draw: From the generator to the positions of each batch.
        seed: Of the generator.
    """

    def __init__(self, draw: Callable[[torch.Generator], list[Rows]], seed: int) -> None:
        self.draw, self.generator = draw, torch.Generator().manual_seed(seed)

    def __call__(self, epoch: int) -> list[Rows]:
        """The positions of each batch; epochs must be asked for in turn."""
        return self.draw(self.generator)
