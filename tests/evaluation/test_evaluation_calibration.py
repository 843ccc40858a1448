"""Calibration is measured as defined and mended by the one temperature that is best."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss, log_loss

from crisislens.core.errors import InputError
from crisislens.evaluation.calibration import (
    TEMPERATURES,
    brier_score,
    calibration_scores,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    softmax,
)


def honest(posts: int, classes: int = 3, seed: int = 0, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the truth, and labels drawn from it."""
    random = np.random.default_rng(seed)
    logits = spread * random.normal(size=(posts, classes))
    y = (softmax(logits).cumsum(1) < random.random((posts, 1))).sum(1).clip(max=classes - 1)
    return logits, y


def test_softmax_is_scipys_at_any_temperature() -> None:
    from scipy.special import softmax as reference

    logits = np.random.default_rng(0).normal(size=(20, 4)) * 300
    np.testing.assert_allclose(softmax(logits, 2.5), reference(logits / 2.5, axis=1), atol=1e-15)


def test_ece_by_hand() -> None:
    # bin [0.8, 0.9): confidence 0.8 twice, half right; bin [0.6, 0.7): confidence 0.6, right
    p = np.array([[0.8, 0.2], [0.2, 0.8], [0.6, 0.4]])
    y = np.array([0, 0, 0])
    assert expected_calibration_error(p, y, bins=10) == pytest.approx((2 * 0.3 + 1 * 0.4) / 3)


def test_reliability_bins_have_the_right_edges_and_all_posts() -> None:
    p = np.array([[1.0, 0.0], [0.5, 0.5], [0.74, 0.26]])
    bins = reliability(p, np.array([0, 1, 0]), bins=4)
    assert [(b.low, b.high, b.posts) for b in bins] == [(0.5, 0.75, 2), (0.75, 1.0, 1)]
    assert bins[1].accuracy == 1.0


def test_adaptive_bins_hold_equally_many() -> None:
    logits, y = honest(103)
    bins = reliability(softmax(logits), y, bins=10, adaptive=True)
    assert sorted({b.posts for b in bins}) == [10, 11]
    assert all(a.high <= b.low for a, b in pairwise(bins))
    assert len(reliability(softmax(logits)[:4], y[:4], bins=15, adaptive=True)) == 4


def test_brier_and_nll_equal_scikit_learns() -> None:
    logits, y = honest(80)
    p = softmax(logits)
    assert negative_log_likelihood(p, y) == pytest.approx(log_loss(y, p, labels=[0, 1, 2]))
    two = softmax(logits[:, :2])
    binary = (y > 0).astype(int)
    # scikit-learn counts one of the two classes only
    assert brier_score(two, binary) == pytest.approx(2 * brier_score_loss(binary, two[:, 1]))


def test_impossible_and_wrong_stays_finite() -> None:
    assert negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-12))


def test_honest_probabilities_need_no_mending() -> None:
    logits, y = honest(20_000)
    assert fit_temperature(logits, y) == pytest.approx(1, abs=0.03)
    assert expected_calibration_error(softmax(logits), y) < 0.015


@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0])
def test_temperature_undoes_a_scaling(factor: float) -> None:
    logits, y = honest(3000, seed=1)
    assert fit_temperature(factor * logits, y) == pytest.approx(factor * fit_temperature(logits, y), rel=1e-6)


def test_temperature_is_the_best_of_all() -> None:
    """The slow plain road: scipy minimizes the NLL itself."""
    for seed in range(5):
        logits, y = honest(150, classes=4, seed=seed)
        logits = 3 * logits + np.random.default_rng(seed).normal(size=logits.shape)
        plain = minimize_scalar(
            lambda t, z=logits, y=y: negative_log_likelihood(softmax(z, t), y),
            bounds=TEMPERATURES,
            method="bounded",
            options={"xatol": 1e-9},
        )
        # a flat minimum is found by its values only to the square root of the float's precision
        assert fit_temperature(logits, y) == pytest.approx(plain.x, rel=1e-5)


def test_temperature_improves_overconfident_logits_and_changes_no_answer() -> None:
    logits, y = honest(2000, seed=2)
    logits *= 3
    tau = fit_temperature(logits, y)
    before, after = calibration_scores(softmax(logits), y), calibration_scores(softmax(logits, tau), y)
    assert tau > 2.5
    assert after.ece < before.ece / 3
    assert after.ece_adaptive < before.ece_adaptive / 3
    assert after.nll < before.nll
    assert after.brier < before.brier
    assert (logits.argmax(1) == softmax(logits, tau).argmax(1)).all()


def test_separable_and_useless_logits_end_at_the_range() -> None:
    y = np.array([0, 1, 0])
    assert fit_temperature(np.eye(2)[y] * 2, y) == TEMPERATURES[0]
    assert fit_temperature(np.zeros((3, 2)), y) == TEMPERATURES[1]
    assert fit_temperature(np.eye(2)[1 - y] * 2, y) == TEMPERATURES[1]


def test_a_constant_added_to_a_posts_logits_changes_nothing() -> None:
    logits, y = honest(200, seed=3)
    shifted = logits + np.random.default_rng(0).normal(size=(200, 1)) * 50
    assert fit_temperature(shifted, y) == pytest.approx(fit_temperature(logits, y), rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 50),
    st.integers(2, 5),
    st.integers(0, 10_000),
    st.floats(0.1, 30),
    st.integers(1, 30),
    st.booleans(),
)
def test_ranges(posts: int, classes: int, seed: int, spread: float, bins: int, adaptive: bool) -> None:
    logits, y = honest(posts, classes, seed, spread)
    p = softmax(logits)
    found = reliability(p, y, bins, adaptive=adaptive)
    assert sum(b.posts for b in found) == posts
    assert all(b.low - 1e-12 <= b.confidence <= b.high + 1e-12 for b in found)
    assert 0 <= expected_calibration_error(p, y, bins, adaptive=adaptive) <= 1
    assert 0 <= brier_score(p, y) <= 2
    assert negative_log_likelihood(p, y) >= 0
    tau = fit_temperature(logits, y)
    assert TEMPERATURES[0] <= tau <= TEMPERATURES[1]
    # the temperature was chosen on these very posts, so it cannot be worse than any in its range
    assert negative_log_likelihood(softmax(logits, tau), y) <= negative_log_likelihood(p, y) + 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: expected_calibration_error(np.array([[0.5, 0.5]]), np.array([0]), 0),
            "0 bins were asked for",
        ),
        (lambda: expected_calibration_error(np.array([[2.0, -1.0]]), np.array([0])), "add up to 1"),
        (
            lambda: fit_temperature(np.array([[np.inf, 0.0]]), np.array([0])),
            "1 logits are not finite; the model diverged",
        ),
        (lambda: fit_temperature(np.array([[1.0, 0.0]]), np.array([-1])), "labels go from -1 to -1"),
    ],
)
def test_says_what_does_not_fit(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()
