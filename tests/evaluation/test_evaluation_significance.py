"""A difference that is chance is called chance about as often as it should be, and a real one is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, t

from crisislens.core.errors import InputError, NotRegisteredError
from crisislens.evaluation.significance import holm, mcnemar, mean_interval, paired_bootstrap
from crisislens.evaluation.two_way import two_way_difference


def system(y: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Answers that are right with probability `skill`."""
    random = np.random.default_rng(seed)
    right = random.random(len(y)) < skill
    return np.eye(2)[np.where(right, y, 1 - y)]


def labels(posts: int = 300) -> np.ndarray:
    return np.arange(posts) % 2


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1"])
def test_a_real_difference_is_found_with_its_sign(metric: str) -> None:
    y = labels()
    found = paired_bootstrap(y, system(y, 0.9, 0), system(y, 0.75, 1), metric, resamples=2000)
    assert 0.05 < found.low < found.difference < found.high < 0.25
    assert found.p_value < 0.01
    mirrored = paired_bootstrap(y, system(y, 0.75, 1), system(y, 0.9, 0), metric, resamples=2000)
    assert mirrored.difference == -found.difference
    assert mirrored.p_value == found.p_value


def test_chance_is_called_chance() -> None:
    y, alarms = labels(200), 0
    for seed in range(200):
        alarms += (
            paired_bootstrap(
                y, system(y, 0.8, 2 * seed), system(y, 0.8, 2 * seed + 1), "accuracy", resamples=300
            ).p_value
            < 0.05
        )
    # 5 % of 200 are 10; more than 20 happen once in a thousand
    assert 1 <= alarms <= 20


def test_a_system_does_not_differ_from_itself() -> None:
    y = labels()
    same = paired_bootstrap(y, system(y, 0.8, 0), system(y, 0.8, 0), resamples=100)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_pairing_helps_systems_that_err_together() -> None:
    y = labels(400)
    base = system(y, 0.8, 0)
    better = base.copy()
    wrong = np.flatnonzero(base.argmax(1) != y)[:12]
    better[wrong] = np.eye(2)[y[wrong]]
    paired = paired_bootstrap(y, better, base, "accuracy", resamples=2000)
    assert paired.difference == pytest.approx(12 / 400)
    # twelve posts gained, none lost: certain when paired, while each accuracy alone is known to 4 points only
    assert paired.p_value < 0.01
    assert paired.low > 0


def test_seeds_are_averaged_over_the_same_posts() -> None:
    y = labels()
    a = [system(y, 0.85, s) for s in range(3)]
    b = [system(y, 0.8, s + 10) for s in range(3)]
    found = paired_bootstrap(y, a, b, "accuracy", resamples=500)
    assert found.a == pytest.approx(np.mean([(p.argmax(1) == y).mean() for p in a]))
    single = paired_bootstrap(y, a[0], b[0], "accuracy", resamples=500)
    # three seeds with errors of their own are known better than one
    assert found.high - found.low < single.high - single.low


def test_draws_of_seeds_are_those_of_the_two_way_bootstrap() -> None:
    y = labels()
    a = [system(y, skill, s) for s, skill in enumerate((0.7, 0.8, 0.9, 0.95))]
    b = [system(y, 0.8, s + 10) for s in range(4)]
    posts = paired_bootstrap(y, a, b, "accuracy", resamples=4000)
    both = paired_bootstrap(y, a, b, "accuracy", resamples=4000, over_seeds=True)
    right = [np.stack([p.argmax(1) == y for p in rows]).astype(float) for rows in (a, b)]
    expected = two_way_difference("accuracy", *right, resamples=4000)
    assert both.difference == pytest.approx(expected.difference)
    assert both.low == pytest.approx(expected.low, abs=0.01)
    assert both.high == pytest.approx(expected.high, abs=0.01)
    # trainings that lie far apart are no evidence of the next one
    assert both.high - both.low > 1.3 * (posts.high - posts.low)
    assert both.detectable > posts.detectable


def test_equal_seeds_add_nothing() -> None:
    y = labels()
    a, b = [system(y, 0.9, 0)] * 3, [system(y, 0.8, 1)] * 3
    posts = paired_bootstrap(y, a, b, resamples=300)
    both = paired_bootstrap(y, a, b, resamples=300, over_seeds=True)
    assert (both.low, both.high) == pytest.approx((posts.low, posts.high))


def test_clusters_widen_the_interval_of_copied_posts() -> None:
    y = np.repeat(labels(100), 4)
    a, b = (
        np.repeat(system(labels(100), 0.9, 0), 4, axis=0),
        np.repeat(system(labels(100), 0.8, 1), 4, axis=0),
    )
    naive = paired_bootstrap(y, a, b, "accuracy", resamples=2000)
    honest = paired_bootstrap(y, a, b, "accuracy", clusters=np.repeat(np.arange(100), 4), resamples=2000)
    assert honest.high - honest.low == pytest.approx(2 * (naive.high - naive.low), rel=0.15)
    assert honest.p_value > naive.p_value


def test_mcnemar_is_a_coin() -> None:
    a = np.array([True] * 10 + [False] * 3 + [True] * 50)
    b = np.array([False] * 10 + [True] * 3 + [True] * 50)
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (10, 3)
    assert found.p_value == pytest.approx(2 * binom.cdf(3, 13, 0.5))
    assert mcnemar(b, a).p_value == found.p_value
    assert mcnemar(a, a).p_value == 1.0
    assert mcnemar(np.array([True, False]), np.array([False, True])).p_value == 1.0


def test_interval_over_seeds_is_students() -> None:
    values = [0.8, 0.82, 0.84, 0.9]
    found = mean_interval(values)
    assert found.mean == pytest.approx(0.84)
    assert found.half_width is not None
    low, high = t.interval(0.95, 3, loc=np.mean(values), scale=np.std(values, ddof=1) / 2)
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx((low, high))


def test_one_seed_tells_nothing_of_the_spread() -> None:
    found = mean_interval([0.5])
    assert found.half_width is None
    assert found.percent() == "50.00 (1 seed)"


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_never_below_raw_nor_above_bonferroni(p: dict[str, float]) -> None:
    corrected = holm(p)
    assert list(corrected) == list(p)
    assert all(p[k] <= corrected[k] <= min(1.0, len(p) * p[k]) for k in p)
    order = sorted(p, key=p.__getitem__)
    assert [corrected[k] for k in order] == sorted(corrected[k] for k in order)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: paired_bootstrap(labels(4), system(labels(4), 1, 0), []), InputError, "no probabilities"),
        (lambda: paired_bootstrap(labels(2), np.eye(2), np.eye(2), resamples=0), InputError, "0 resamples"),
        (
            lambda: paired_bootstrap(labels(2), np.eye(2), np.eye(2), "acuracy"),
            NotRegisteredError,
            "did you mean 'accuracy'",
        ),
        (lambda: mean_interval([]), InputError, "no values"),
        (
            lambda: paired_bootstrap(labels(2), [np.eye(2)] * 2, np.eye(2), over_seeds=True),
            InputError,
            "the systems have 2 and 1; give as many of both",
        ),
        (
            lambda: paired_bootstrap(labels(2), np.eye(2), np.eye(2), over_seeds=True),
            InputError,
            "at least 2",
        ),
    ],
)
def test_says_what_does_not_fit(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=message):
        call()
