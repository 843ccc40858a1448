"""Abstaining costs coverage and buys risk; the bound on development posts holds on fresh ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from crisislens.core.errors import InputError
from crisislens.evaluation.abstention import (
    LIKELIER_RIGHT,
    risk_coverage,
    risk_upper_bound,
    selective_scores,
    threshold_for_risk,
)


def answers(posts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Calibrated confidences between 0.5 and 1, and whether the answers are right."""
    random = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * random.beta(3, 1, size=posts)
    return confidence, random.random(posts) < confidence


def test_the_curve_by_hand() -> None:
    curve = risk_coverage(np.array([0.6, 0.9, 0.7, 0.7]), np.array([False, True, True, False]))
    assert curve.threshold.tolist() == [0.9, 0.7, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 1 / 3, 1 / 2])
    # the surest 1, 2, 3, 4 with half an error each for the tied pair: 0, 1/4, 1/3, 1/2
    assert curve.aurc == pytest.approx((0 + 1 / 4 + 1 / 3 + 1 / 2) / 4)
    # a perfect order of two right and two wrong answers: 0, 0, 1/3, 1/2
    assert curve.aurc_oracle == pytest.approx((1 / 3 + 1 / 2) / 4)


def test_the_order_of_tied_posts_does_not_matter() -> None:
    confidence, right = np.full(10, 0.8), np.arange(10) < 6
    assert (
        risk_coverage(confidence, right).aurc
        == risk_coverage(confidence, right[::-1]).aurc
        == pytest.approx(0.4)
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_ranges_of_the_curve(rows: list[tuple[float, bool]]) -> None:
    confidence, right = np.array([c for c, _ in rows]), np.array([r for _, r in rows])
    curve = risk_coverage(confidence, right)
    assert (np.diff(curve.threshold) < 0).all()
    assert (np.diff(curve.coverage) > 0).all()
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx((~right).mean())
    assert ((curve.risk >= 0) & (curve.risk <= 1)).all()
    assert curve.aurc_oracle - 1e-12 <= curve.aurc <= 1
    scores = selective_scores(confidence, right, float(curve.threshold[0]))
    assert scores.coverage == curve.coverage[0]
    assert scores.risk == pytest.approx(curve.risk[0])


def test_the_bound_is_clopper_pearsons() -> None:
    """The bound is the risk at which so few errors have probability δ."""
    for errors, kept in [(0, 20), (3, 50), (49, 50)]:
        bound = risk_upper_bound(errors, kept, 0.05)
        assert binom.cdf(errors, kept, bound) == pytest.approx(0.05)
    assert risk_upper_bound(0, 20, 0.05) == pytest.approx(1 - 0.05 ** (1 / 20))
    assert risk_upper_bound(5, 5, 0.05) == 1.0


def test_the_threshold_keeps_its_promise_on_fresh_posts() -> None:
    target, delta, broken, coverages = 0.12, 0.1, 0, []
    for seed in range(100):
        found = threshold_for_risk(*answers(600, seed), target, delta=delta)
        confidence, right = answers(40_000, seed + 1000)
        fresh = selective_scores(confidence, right, found.threshold)
        assert found.met
        broken += fresh.risk is not None and fresh.risk > target
        coverages.append(fresh.coverage)
    # at most 10 of 100 on average, and far fewer since the bound is shared by 20 thresholds
    assert broken <= 10
    # and it is not bought by answering nothing
    assert np.mean(coverages) > 0.3


def test_a_harder_target_costs_coverage() -> None:
    confidence, right = answers(5000)
    found = [threshold_for_risk(confidence, right, target) for target in (0.1, 0.15, 0.2, 0.3)]
    assert all(f.met and f.risk <= f.bound <= f.target for f in found)
    assert [f.coverage for f in found] == sorted(f.coverage for f in found)
    assert found[-1].coverage == 1.0


def test_an_unreachable_target_is_said_to_be_unmet() -> None:
    confidence, right = answers(30)
    found = threshold_for_risk(confidence, right, 0.01)
    assert not found.met
    assert found.bound > 0.01
    assert 0 < found.coverage <= 1
    useless = threshold_for_risk(np.full(10, 0.5), np.zeros(10, bool), 0.2)
    assert (useless.met, useless.bound, useless.coverage) == (False, 1.0, 1.0)


def test_answers_likelier_wrong_than_right_do_not_hide_behind_sure_ones() -> None:
    """900 answers at .95, all right, would pay for 100 at .3 of which 70 are wrong."""
    confidence = np.repeat([0.95, 0.3], [900, 100])
    right = np.repeat([True, False, True], [900, 70, 30])
    assert threshold_for_risk(confidence, right, 0.2).threshold == pytest.approx(0.3)
    found = threshold_for_risk(confidence, right, 0.2, least=LIKELIER_RIGHT)
    assert (found.met, found.threshold, found.coverage, found.risk) == (True, 0.5, 0.9, 0.0)


def test_where_all_are_below_the_lowest_threshold_nothing_is_answered() -> None:
    found = threshold_for_risk(np.full(10, 0.4), np.ones(10, bool), 0.2, least=LIKELIER_RIGHT)
    assert (found.met, found.threshold, found.coverage, found.bound) == (False, 0.5, 0.0, 1.0)


def test_nothing_answered_has_no_risk() -> None:
    confidence, right = answers(10)
    scores = selective_scores(confidence, right, 1.1)
    assert scores.coverage == 0
    assert scores.risk is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: risk_coverage(np.zeros(0), np.zeros(0, bool)), "no answers to draw"),
        (lambda: risk_coverage(np.array([np.nan]), np.ones(1, bool)), "not a number"),
        (
            lambda: threshold_for_risk(np.ones(2), np.ones(2, bool), 0.0),
            "target 0.0 and delta 0.05 must lie between 0 and 1",
        ),
    ],
)
def test_says_what_does_not_fit(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(InputError, match=message):
        call()
