"""Posts of a batch with the same context are no negatives of each other, in both losses and in all
directions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crisislens.nn.alignment import Alignment, AlignmentKind, describe, equal_rows
from crisislens.nn.contrast import margin_loss, negatives, softmax_loss

KINDS: tuple[AlignmentKind, ...] = ("shapley_margin", "shapley_softmax", "info_nce")


def slow(phi: list[list[float]], pairs: list[bool], context: list[int], tau: float) -> tuple[float, float]:
    """Both losses, target by target in plain Python."""
    margins, logs = [], []
    for j, whole in enumerate(pairs):
        others = [i for i in range(len(pairs)) if pairs[i] and context[i] != context[j]]
        if not whole or not others:
            continue
        margins.append(phi[j][j] - sum(phi[i][j] for i in others) / len(others))
        below = math.exp(phi[j][j] / tau) + math.fsum(math.exp(phi[i][j] / tau) for i in others)
        logs.append(phi[j][j] / tau - math.log(below))
    n = max(1, len(margins))
    return -sum(margins) / n, -sum(logs) / n


def table(k: int, seed: int) -> Tensor:
    return torch.rand(k, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=7), st.integers(0, 999))
def test_both_losses_are_the_slow_ones(posts: list[tuple[bool, int]], seed: int) -> None:
    pairs, context = [there for there, _ in posts], [one for _, one in posts]
    key, phi = torch.tensor(context), table(len(posts), seed)
    same, whole = key[:, None] == key[None, :], torch.tensor(pairs)
    margin, softmax = slow(phi.tolist(), pairs, context, 0.1)
    assert margin_loss(phi, whole, same).item() == pytest.approx(margin, abs=1e-12)
    assert softmax_loss(phi, whole, 0.1, same).item() == pytest.approx(softmax, rel=1e-10, abs=1e-12)


def test_masks_are_left_as_they_came() -> None:
    same, pairs = torch.zeros(3, 3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)
    assert negatives(pairs, same).sum() == 6
    assert not same.any()


@pytest.mark.parametrize(
    ("rows", "masks", "expected"),
    [
        # the same sequence, at another place of its row
        ([[1, 2, 0], [0, 1, 2]], [[1, 1, 0], [0, 1, 1]], [[1, 1], [1, 1]]),
        # a beginning is not the whole
        ([[1, 2, 3], [1, 2, 9]], [[1, 1, 1], [1, 1, 0]], [[1, 0], [0, 1]]),
        # no context is not a context that two posts share
        ([[5, 5], [5, 5]], [[0, 0], [0, 0]], [[1, 0], [0, 1]]),
    ],
)
def test_equal_sequences(rows: list[list[int]], masks: list[list[int]], expected: list[list[int]]) -> None:
    assert equal_rows(torch.tensor(rows), torch.tensor(masks).bool()).int().tolist() == expected


def made(kind: AlignmentKind) -> Alignment:
    torch.manual_seed(0)
    return Alignment(text_width=4, image_width=4, width=3, kind=kind, samples=8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_context_has_nothing_to_tell_apart(kind: AlignmentKind) -> None:
    x, there = torch.randn(3, 4), torch.ones(3, dtype=torch.bool)
    loss = made(kind)(x, x, x, there, there, torch.Generator().manual_seed(0), ~torch.zeros(3, 3).bool())
    assert loss.item() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_copies_do_not_push_a_text_away_from_its_context(kind: AlignmentKind) -> None:
    """The gradient of a target with regard to its context's copy is that of a player beside, not of a wrong
    answer: never against the pair."""
    s = table(4, 3).requires_grad_()
    same = torch.eye(4, dtype=torch.bool)
    same[0, 1] = same[1, 0] = True
    pairs = torch.ones(4, dtype=torch.bool)
    align = made(kind).double()
    with_mask = align.direction(s, pairs, torch.Generator().manual_seed(0), same)
    without = align.direction(s, pairs, torch.Generator().manual_seed(0))
    assert with_mask.item() != pytest.approx(without.item())
    if kind == "info_nce":
        [gradient] = torch.autograd.grad(with_mask, s)
        assert (gradient[0, 1], gradient[1, 0]) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "expectation", "named"),
    [
        ("info_nce", "softmax", "InfoNCE"),
        ("shapley_margin", "softmax", "Shapley values, softmax expectation, margin"),
        ("shapley_softmax", "uniform", "InfoNCE at τ'/a_k"),
        ("shapley_margin", "uniform", "margin of similarities"),
    ],
)
def test_a_row_is_called_what_it_computes(kind: AlignmentKind, expectation: str, named: str) -> None:
    assert describe(kind, expectation).startswith(named)  # type: ignore[arg-type]
