"""Losses against their formulas and torch's; grouping by length keeps every sequence and little padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from crisislens.nn.device import one_thread_each
from crisislens.nn.grouping import WINDOW_BATCHES, group_by_length
from crisislens.nn.losses import class_weights, cross_entropy, ordinal_distance
from crisislens.nn.word_owners import WindowBatch

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -3.0], [0.1, 0.2, 0.3], [-5.0, 4.0, 0.0]]).double()
Y = torch.tensor([0, 1, 2, 1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_weights_it_is_torchs_cross_entropy(smoothing: float) -> None:
    expected = functional.cross_entropy(LOGITS, Y, label_smoothing=smoothing)
    assert torch.allclose(cross_entropy(LOGITS, Y, smoothing=smoothing), expected)


def test_without_smoothing_weights_are_torchs_too() -> None:
    weights = torch.tensor([0.5, 2.0, 1.0]).double()
    expected = functional.cross_entropy(LOGITS, Y, weight=weights)
    assert torch.allclose(cross_entropy(LOGITS, Y, weights=weights), expected)


def test_with_both_a_frequent_class_does_not_pay_for_a_rare_one() -> None:
    """Each post has the weight of its own class, where torch weighs every smoothed class by its own."""
    weights = torch.tensor([0.1, 0.1, 10.0]).double()
    ours = cross_entropy(LOGITS[:2], Y[:2], weights=weights, smoothing=0.1)
    assert torch.allclose(ours, cross_entropy(LOGITS[:2], Y[:2], smoothing=0.1))
    assert functional.cross_entropy(LOGITS[:2], Y[:2], weight=weights, label_smoothing=0.1) > 2 * ours


@pytest.mark.parametrize("focus", [0.5, 1.0, 2.0])
def test_focusing_is_the_formula(focus: float) -> None:
    p = LOGITS.softmax(1)[torch.arange(4), Y]
    expected = ((1 - p) ** focus * -p.log()).mean()
    assert torch.allclose(cross_entropy(LOGITS, Y, focus=focus), expected)


def test_focusing_on_what_is_certain_has_a_finite_gradient() -> None:
    logits = torch.tensor([[100.0, -100.0]], requires_grad=True)
    cross_entropy(logits, torch.tensor([0]), focus=0.5).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.sampled_from(["none", "sqrt", "balanced"]))
@settings(deadline=None)
def test_class_weights_have_mean_one_over_the_posts(labels: list[int], balance: str) -> None:
    y = torch.tensor(labels)
    weights = class_weights(y, 4, balance)  # type: ignore[arg-type]
    assert float(weights[y].mean()) == pytest.approx(1, rel=1e-5)
    counts = torch.bincount(y, minlength=4)
    for i in range(4):
        for j in range(4):
            if counts[i] > counts[j]:
                assert weights[i] <= weights[j]


def test_balanced_classes_weigh_alike_in_sum_and_none_leaves_them() -> None:
    y = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = class_weights(y, 3, "balanced")
    assert (torch.bincount(y) * weights).tolist() == pytest.approx([10 / 3] * 3)
    assert class_weights(y, 3, "none").tolist() == [1, 1, 1]
    # the square root stands between the two
    assert class_weights(y, 3, "sqrt")[2] / class_weights(y, 3, "sqrt")[0] == pytest.approx(6**0.5)


def test_a_class_without_posts_weighs_as_one_with_a_single_post() -> None:
    weights = class_weights(torch.tensor([0, 0, 0, 2]), 3, "balanced")
    assert weights[1] == weights[2]
    assert weights.isfinite().all()


@pytest.mark.parametrize(("labels", "found"), [([], "no labels"), ([0, 3], "labels up to 3")])
def test_class_weights_of_foreign_labels_are_refused(labels: list[int], found: str) -> None:
    with pytest.raises(ValueError, match=rf"labels in 0 … 2, got {found}; check the label space"):
        class_weights(torch.tensor(labels, dtype=torch.long), 3, "none")


def test_far_classes_cost_more_than_near_ones() -> None:
    sure = 50 * torch.eye(4).double()
    distances = [float(ordinal_distance(sure[[k]], torch.tensor([0]))) for k in range(4)]
    assert distances == pytest.approx([0, 1 / 3, 2 / 3, 1])
    back = float(ordinal_distance(sure[[0]], torch.tensor([3])))
    assert back == pytest.approx(1)


@given(st.lists(st.lists(st.floats(-8, 8), min_size=3, max_size=3), min_size=1, max_size=6), st.data())
@settings(deadline=None)
def test_the_distance_lies_in_zero_to_one(rows: list[list[float]], data: st.DataObject) -> None:
    y = data.draw(st.lists(st.integers(0, 2), min_size=len(rows), max_size=len(rows)))
    assert 0 <= float(ordinal_distance(torch.tensor(rows).double(), torch.tensor(y))) <= 1


# batches of similar length

Sequences = st.lists(st.integers(1, 30), min_size=1, max_size=60)


@given(Sequences, st.integers(1, 8), st.booleans())
def test_every_sequence_is_in_one_batch(lengths: list[int], size: int, join: bool) -> None:
    order = np.random.default_rng(0).permutation(len(lengths))
    batches = group_by_length(np.array(lengths), order, size, join_single=join)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    longest = size + (1 if join and size > 1 else 0)
    assert all(1 <= len(batch) <= longest for batch in batches)
    if join and size > 1 and len(lengths) > 1:
        assert all(len(batch) > 1 for batch in batches)


@given(Sequences, st.integers(1, 8))
def test_inside_a_window_lengths_rise(lengths: list[int], size: int) -> None:
    order = np.arange(len(lengths))
    batches = group_by_length(np.array(lengths), order, size)
    sorted_lengths = np.array(lengths)[np.concatenate(batches)]
    for start in range(0, len(lengths), WINDOW_BATCHES * size):
        window = sorted_lengths[start : start + WINDOW_BATCHES * size]
        assert (np.diff(window) >= 0).all()


def test_windows_keep_the_same_sequences_apart_from_epoch_to_epoch() -> None:
    lengths = np.arange(4 * WINDOW_BATCHES)
    first, second = (
        group_by_length(lengths, np.random.default_rng(seed).permutation(len(lengths)), 2) for seed in (0, 1)
    )
    pairs = [{tuple(sorted(batch.tolist())) for batch in batches} for batches in (first, second)]
    assert len(pairs[0] & pairs[1]) < len(pairs[0]) / 2


def test_equal_lengths_keep_their_random_order() -> None:
    order = np.array([3, 1, 0, 2])
    [batch] = group_by_length(np.ones(4, np.int64), order, 4)
    assert batch.tolist() == order.tolist()


# small records and threads


def test_a_window_of_words_moves_whole() -> None:
    batch = WindowBatch(
        torch.tensor([[1, 2]]),
        torch.tensor([[True, True]]),
        torch.tensor([[-1, 0]]),
        torch.tensor([[True]]),
    )
    assert len(batch) == 1
    moved = batch.to("meta")
    assert {
        moved.ids.device.type,
        moved.mask.device.type,
        moved.owner.device.type,
        moved.words.device.type,
    } == {"meta"}


def test_one_thread_each_gives_back_what_was_there_also_after_an_error() -> None:
    before = torch.get_num_threads()
    inside = []

    def fail() -> None:
        with one_thread_each() as usable:
            inside.extend([usable, torch.get_num_threads()])
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert inside == [before, 1]
    assert torch.get_num_threads() == before
