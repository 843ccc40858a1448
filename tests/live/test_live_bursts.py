"""Bursts: the test against what it is derived from, and its false alarms where nothing rises."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from crisislens.live.bursts import ALPHA, LEAST, Series, burst_p, clumping, clumping_at_most, find_bursts


@pytest.mark.parametrize(("now", "past"), [(3, (1, 0, 2)), (5, (0, 0, 0)), (1, (4, 4)), (7, (1,) * 20)])
def test_without_clumps_it_is_the_binomial_tail(now: int, past: tuple[int, ...]) -> None:
    n, share = now + sum(past), 1 / (len(past) + 1)
    tail = sum(comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(now, n + 1))
    assert burst_p(Series(now, past)) == pytest.approx(tail, rel=1e-9)


@pytest.mark.parametrize("clumps", [1.5, 3.0, 12.0])
def test_with_clumps_it_is_the_conditional_tail_of_negative_binomials(clumps: float) -> None:
    """The rate drops out: any q gives the same tail."""
    series = Series(6, (1, 3, 0, 2))
    n, blocks = 12, 4
    size = np.sqrt(n / (blocks + 1) * min(n / (blocks + 1), 7 / (blocks + 1))) / (clumps - 1)
    for q in (0.2, 0.6):
        joint = [nbinom.pmf(k, size, 1 - q) * nbinom.pmf(n - k, blocks * size, 1 - q) for k in range(n + 1)]
        tail = sum(joint[6:]) / sum(joint)
        assert burst_p(series, clumps) == pytest.approx(tail, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(0, 30), min_size=1, max_size=30), st.floats(1, 40))
def test_it_is_a_chance_that_falls_with_more_posts_and_rises_with_clumps(
    now: int, past: list[int], clumps: float
) -> None:
    p = burst_p(Series(now, tuple(past)), clumps)
    assert 0 <= p <= 1
    more = burst_p(Series(now + 1, tuple(past)), clumps)
    assert more <= p + 1e-9
    if now > 2 * (max(past) + 1):
        assert burst_p(Series(now, tuple(past)), clumps + 1) >= p - 1e-9


CLUMPS = [([(4, 4, 4)], 1.0), ([()], 1.0), ([(3,)], 1.0), ([(0, 0)], 1.0), ([(0, 8), (0, 8)], 8.0)]


@pytest.mark.parametrize(("past", "said"), CLUMPS)
def test_clumping(past: list[tuple[int, ...]], said: float) -> None:
    assert clumping(past) == pytest.approx(said)


def test_few_blocks_leave_more_room_than_many() -> None:
    past = (0, 8, 0, 8, 0, 8)
    one, many = clumping_at_most([past]), clumping_at_most([past] * 200)
    assert clumping([past]) == pytest.approx(4.8)
    assert one > 1.5 * many > 1.5 * 4.8
    assert many == pytest.approx(4.8, rel=0.1)
    # a loud series counts for more: beside it, two hundred quiet ones leave as much room as few would
    mixed = [(0, 80, 0, 80, 0, 80), *[(0, 1, 0, 1, 0, 1)] * 200]
    assert clumping_at_most(mixed) > 1.2 * clumping(mixed)
    assert clumping_at_most([(), (0, 0)]) == 1.0


def test_a_series_without_a_past_is_refused() -> None:
    with pytest.raises(ValueError, match="without a past"):
        burst_p(Series(1, ()))


def test_what_rises_is_found_and_named() -> None:
    quiet = {f"place {i}": Series(2, (2, 1, 3, 2, 2, 1, 3, 2) * 3) for i in range(200)}
    found = find_bursts({**quiet, "rises": Series(14, (2, 1, 3, 2, 2, 1, 3, 2) * 3)})
    [one] = found
    assert (one.key, one.now, one.usual) == ("rises", 14, 2.0)
    assert one.p <= one.bound == ALPHA / 201
    # the same number is nothing new where it was usual
    assert find_bursts({"usual": Series(14, (14, 12, 15, 13) * 6)}) == []
    assert find_bursts({}) == []
    assert find_bursts({"few": Series(LEAST - 1, (0,) * 1000)}) == []


def test_kinds_do_not_share_their_clumps() -> None:
    past = (0, 30, 0, 0, 25, 0, 0, 40)
    series = {"wild": Series(20, past), "calm": Series(14, (1, 1, 1, 1, 1, 1, 1, 1))}
    together = {one.key for one in find_bursts(series)}
    apart = {one.key for one in find_bursts(series, kinds={"wild": 1, "calm": 2})}
    assert "wild" not in together | apart
    assert apart == {"calm"}


NULLS = ["poisson", "clumped"]


@pytest.mark.parametrize("kind", NULLS)
def test_false_alarms_stay_below_what_is_said(kind: str) -> None:
    """120 looks at 30 series; `benchmarks/bursts.py` has ten thousands."""
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(120):
        means = rng.gamma(0.7, 4.0, 30)
        size = (30, 25)
        drawn = rng.poisson(means[:, None], size)
        if kind == "clumped":
            drawn = rng.negative_binomial(means[:, None] / 3 + 1e-9, 1 / 4, size)
        series = {i: Series(int(row[0]), tuple(int(v) for v in row[1:])) for i, row in enumerate(drawn)}
        alarms += bool(find_bursts(series))
    # of 120 looks at most 1.2 are expected; seven or more would come once in 2,000 tests
    assert alarms <= 6
