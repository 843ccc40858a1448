"""Rankings compared at equal numbers of parts, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.evaluation.removal import (
    SHARES,
    area,
    compare_rankings,
    first_parts,
    parts_taken,
    ranking,
)


@pytest.mark.parametrize(
    ("parts", "share", "count"),
    [(1, 0.05, 1), (20, 0.05, 1), (21, 0.05, 2), (10, 0.2, 2), (3, 0.5, 2), (7, 1.0, 7), (81, 1 / 9, 9)],
)
def test_a_share_is_rounded_up(parts: int, share: float, count: int) -> None:
    assert parts_taken(parts, share) == count


@pytest.mark.parametrize(("parts", "share"), [(0, 0.5), (5, 0.0), (5, 1.1), (5, -0.1)])
def test_a_share_of_nothing_is_refused(parts: int, share: float) -> None:
    with pytest.raises(InputError, match="at least one part"):
        parts_taken(parts, share)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=9))
def test_a_ranking_holds_what_is_allowed_and_falls(parts: list[tuple[float, bool]]) -> None:
    importance = np.array([x for x, _ in parts])
    allowed = np.array([y for _, y in parts])
    order = ranking(importance, allowed, seed=3)
    assert sorted(order.tolist()) == np.flatnonzero(allowed).tolist()
    assert (np.diff(importance[order]) <= 0).all()
    for count in range(len(order) + 1):
        assert first_parts(order, count, len(parts)).sum() == count


def test_equals_do_not_stand_by_place() -> None:
    zeros, all_allowed = np.zeros(6), np.ones(6, dtype=bool)
    first = {int(ranking(zeros, all_allowed, seed=s)[0]) for s in range(40)}
    assert len(first) > 3
    # and one post's order is its own again
    assert (ranking(zeros, all_allowed, seed=1) == ranking(zeros, all_allowed, seed=1)).all()


def test_the_area_is_the_mean_fall() -> None:
    full = np.array([0.8, 0.5])
    shown = np.array([[0.8, 0.7, 0.5, 0.0], [0.5, 0.5, 0.6, 0.4]])
    assert area(full, shown) == pytest.approx([0.3, 0.0])
    assert len(SHARES) == shown.shape[1]


def test_the_better_ranking_is_shown_to_be_better() -> None:
    random = np.random.default_rng(0)
    worse = random.random(80)
    ranked = compare_rankings(
        {"ours": worse + 0.1, "other": worse, "same": worse + 0.1}, "ours", resamples=200
    )
    assert ranked["ours"].minus is None
    assert ranked["ours"].corrected_p is None
    other = ranked["other"].minus
    assert other is not None
    # paired: what posts differ in does not widen the interval
    assert other.low == pytest.approx(0.1)
    assert other.high == pytest.approx(0.1)
    assert ranked["other"].corrected_p == pytest.approx(2 / 201)
    assert ranked["same"].corrected_p == 1
    assert ranked["ours"].mean.low <= ranked["ours"].mean.value <= ranked["ours"].mean.high


@pytest.mark.parametrize(
    "values",
    [{}, {"other": np.ones(3)}, {"ours": np.ones(3), "other": np.ones(4)}, {"ours": np.ones(0)}],
)
def test_other_posts_are_not_compared(values: dict[str, np.ndarray]) -> None:
    with pytest.raises(InputError, match="the same posts"):
        compare_rankings(values, "ours")
