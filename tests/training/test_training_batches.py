"""Every post once an epoch, similar lengths together, shared by processes; one grouping for all trainers."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from crisislens.nn.grouping import WINDOW_BATCHES, group_by_length
from crisislens.training.batches import (
    Batches,
    EpochOrder,
    StreamOrder,
    batch_count,
    epoch_batches,
    random_batches,
    similar_batches,
)


@given(st.integers(1, 400), st.integers(1, 7), st.integers(0, 9), st.booleans())
def test_grouping_holds_everyone_once_and_sorts_inside_windows(
    posts: int, size: int, seed: int, join: bool
) -> None:
    random = np.random.default_rng(seed)
    lengths, order = random.integers(1, 30, posts), random.permutation(posts)
    batches = group_by_length(lengths, order, size, join_single=join)
    assert sorted(np.concatenate(batches).tolist()) == list(range(posts))
    for start in range(0, len(batches), WINDOW_BATCHES):
        window = np.concatenate(batches[start : start + WINDOW_BATCHES])[: WINDOW_BATCHES * size]
        # a window keeps to its own part of the order
        assert set(window) == set(order[start * size : start * size + len(window)])
    inside = np.concatenate(batches[:WINDOW_BATCHES])[: WINDOW_BATCHES * size]
    assert (np.diff(lengths[inside]) >= 0).all()
    if not join:
        assert len(batches) == batch_count(posts, size)


def test_equal_lengths_keep_their_random_order() -> None:
    order = np.array([3, 0, 2, 1])
    [batch] = group_by_length(np.ones(4, int), order, 4)
    assert batch.tolist() == [3, 0, 2, 1]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 3))
def test_processes_share_an_epoch_evenly(posts: int, size: int, world: int) -> None:
    order = EpochOrder(np.ones(posts, int), size, seed=0)
    batches = Batches(order, lambda rows: rows.tolist(), count=len(order(2)))
    parts = [list(batches.epoch(2, rank=rank, world=world)) for rank in range(world)]
    assert len({len(part) for part in parts}) == 1
    taken = [row for part in parts for batch in part for row in batch]
    assert len(set(taken)) == len(taken)
    # at most one batch a process waits for the next epoch
    assert len(batches) - sum(len(part) for part in parts) < world


def test_orders_repeat_and_differ_by_epoch() -> None:
    lengths = np.arange(40) % 7
    order, fixed = EpochOrder(lengths, 4, seed=1), EpochOrder(lengths, 4, seed=1, fixed=True)
    assert [b.tolist() for b in order(3)] == [b.tolist() for b in epoch_batches(lengths, 4, seed=1, epoch=3)]
    assert [b.tolist() for b in order(0)] != [b.tolist() for b in order(1)]
    assert [b.tolist() for b in fixed(0)] == [b.tolist() for b in fixed(9)]


def test_a_stream_goes_on_from_epoch_to_epoch() -> None:
    lengths = np.arange(23) % 5
    orders = [StreamOrder(lambda g: similar_batches(lengths, 4, g), seed=2) for _ in range(2)]
    first, second = ([[b.tolist() for b in order(epoch)] for epoch in (0, 1)] for order in orders)
    assert first == second
    assert first[0] != first[1]
    drawn = random_batches(10, 4, torch.Generator().manual_seed(0))
    assert [len(b) for b in drawn] == [4, 4, 2]
    assert sorted(np.concatenate(drawn).tolist()) == list(range(10))
