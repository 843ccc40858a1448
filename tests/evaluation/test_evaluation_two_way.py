"""Differences over seeds and posts: exact where nothing varies, wider where seeds do, and right about as
often as promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.evaluation.resampling import interval, resample_counts
from crisislens.evaluation.two_way import two_way_difference, two_way_differences


def outcomes(random: np.random.Generator, seeds: int, posts: int, right: float, spread: float) -> np.ndarray:
    """Right or wrong; each seed has a skill of its own."""
    skill = np.clip(right + spread * random.normal(size=(seeds, 1)), 0, 1)
    return (random.random((seeds, posts)) < skill).astype(float)


@settings(max_examples=25)
@given(st.integers(1, 5), st.integers(1, 30), st.integers(0, 999))
def test_the_difference_is_that_of_the_means_and_has_a_mirror(seeds: int, posts: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (outcomes(random, seeds, posts, p, 0.0) for p in (0.7, 0.5))
    there = two_way_difference("x", a, b, resamples=50)
    back = two_way_difference("x", b, a, resamples=50)
    assert there.difference == pytest.approx(a.mean() - b.mean())
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert -1 <= there.low <= there.high <= 1


def test_one_seed_is_the_bootstrap_over_posts() -> None:
    random = np.random.default_rng(0)
    a, b = (outcomes(random, 1, 400, p, 0.0) for p in (0.8, 0.7))
    found = two_way_difference("x", a, b, resamples=4000)
    plain = resample_counts((a - b).T, resamples=4000, seed=3)[:, 0] / 400
    assert (found.low, found.high) == pytest.approx(interval(plain), abs=0.01)


def test_several_pairs_at_once_are_what_each_is_alone() -> None:
    random = np.random.default_rng(4)
    x = np.stack([outcomes(random, 3, 80, p, 0.1) for p in (0.6, 0.7, 0.8)])
    pairs = [(2, 0), (0, 1), (2, 1)]
    together = two_way_differences("x", x, pairs, resamples=60, margin=0.02)
    assert together == [two_way_difference("x", x[a], x[b], resamples=60, margin=0.02) for a, b in pairs]


def test_seeds_that_lie_apart_widen_the_interval() -> None:
    random = np.random.default_rng(1)
    close, apart = (outcomes(random, 5, 300, 0.7, spread) for spread in (0.0, 0.15))
    same = np.full((5, 300), 0.5)
    narrow = two_way_difference("x", close, same, resamples=1000)
    wide = two_way_difference("x", apart, same, resamples=1000)
    assert wide.detectable > 1.5 * narrow.detectable


def test_chance_is_called_chance_although_seeds_differ() -> None:
    random, alarms = np.random.default_rng(2), 0
    for _ in range(120):
        a, b = (outcomes(random, 8, 100, 0.7, 0.05) for _ in range(2))
        alarms += two_way_difference("x", a, b, resamples=200).p_value < 0.05
    # 5 % of 120 are 6; more than 15 happen once in a thousand
    assert alarms <= 15


@pytest.mark.parametrize(
    ("a", "b", "resamples"),
    [
        (np.ones((0, 3)), np.ones((0, 3)), 10),
        (np.ones((2, 3)), np.ones((2, 3)), 0),
    ],
)
def test_what_does_not_belong_together_is_refused(a: np.ndarray, b: np.ndarray, resamples: int) -> None:
    with pytest.raises(InputError, match="the same seeds and posts"):
        two_way_difference("x", a, b, resamples=resamples)
