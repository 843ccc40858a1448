"""Measures of rationales by hand and at their ends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.evaluation.rationale_scores import (
    agreement,
    curve_area,
    faithfulness,
    iou_counts,
    pointing,
    random_like,
    token_f1,
)

bools = st.lists(st.booleans(), min_size=1, max_size=12)


@given(bools)
def test_agreement_with_oneself_is_perfect(words: list[bool]) -> None:
    y = np.array(words)
    assert token_f1(y, y) == 1
    found, ours, covered, theirs = iou_counts(y, y)
    assert found == ours == covered == theirs


@given(bools, st.integers(0, 99))
def test_random_words_are_as_many(words: list[bool], seed: int) -> None:
    chosen = np.array(words)
    assert random_like(chosen, seed=seed).sum() == chosen.sum()
    allowed = np.ones_like(chosen)
    allowed[0] = False
    assert not random_like(chosen, allowed=allowed, seed=seed)[0]


def test_by_hand() -> None:
    marked = [np.array([1, 1, 0, 0], bool), np.array([0, 1, 1, 1], bool)]
    chosen = [np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1], bool)]
    p = [np.array([0.9, 0.8, 0.7, 0.1]), np.array([0.9, 0.1, 0.2, 0.8])]
    found = agreement(marked, chosen, p, resamples=50)
    assert found.token_f1.value == pytest.approx((4 / 5 + 2 / 4) / 2)
    # stretches: 2/3 overlap matches, 1/3 does not: precision 1/2, recall 1/2
    assert found.iou_f1.value == pytest.approx(0.5)
    # the second post ranks a word that is none first: precision at its three hits 1/2, 2/3, 3/4
    assert found.auprc.value == pytest.approx((1 + (1 / 2 + 2 / 3 + 3 / 4) / 3) / 2)
    assert found.token_f1.low <= found.token_f1.value <= found.token_f1.high


def test_faithfulness_follows_the_first_answer() -> None:
    full = np.array([[0.9, 0.1], [0.2, 0.8]])
    without = np.array([[0.3, 0.7], [0.2, 0.8]])
    only = np.array([[0.9, 0.1], [0.4, 0.6]])
    found = faithfulness(full, without, only, resamples=20)
    assert found.comprehensiveness.value == pytest.approx((0.6 + 0.0) / 2)
    assert found.sufficiency.value == pytest.approx((0.0 + 0.2) / 2)


def test_area_of_a_straight_line() -> None:
    shares = np.linspace(0, 1, 5)
    assert curve_area(shares, 1 - shares) == pytest.approx(0.5)


def test_pointing_by_hand() -> None:
    heat = np.zeros((3, 4, 4))
    heat[0, 0, 3] = 1  # upper right cell
    heat[1, 3, 0] = 2  # lower left, with a little elsewhere
    heat[1, 0, 0] = 1
    found = pointing(heat, np.array([1, 2, 0]), 2, resamples=20)
    # the third has no heat at all: chance
    assert found.hits.value == pytest.approx((1 + 1 + 0.25) / 3)
    assert found.share.value == pytest.approx((1 + 2 / 3 + 0.25) / 3)
    assert found.chance == 0.25


def test_patches_across_a_border_are_shared() -> None:
    # nine patches in two cells: the middle one belongs to both by halves
    heat = np.zeros((1, 9, 9))
    heat[0, 0, 4] = 1
    assert pointing(heat, np.array([0]), 2, resamples=5).hits.value == pytest.approx(0.5)
    assert pointing(heat, np.array([0]), 2, resamples=5).share.value == pytest.approx(0.5)
    assert pointing(np.ones((1, 9, 9)), np.array([4]), 3, resamples=5).share.value == pytest.approx(1 / 9)
