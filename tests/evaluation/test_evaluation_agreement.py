"""Do raters agree: kappa against its formula and its limits; is one of two methods preferred."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.evaluation.agreement import fleiss_kappa, preference

# Fleiss 1971 in the form of Wikipedia's worked example: 10 items, 14 raters, 5 categories
WORKED = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def test_kappa_of_the_worked_example() -> None:
    assert fleiss_kappa(WORKED) == pytest.approx(0.20993, abs=1e-5)


@given(st.permutations(range(10)), st.permutations(range(5)))
def test_kappa_does_not_mind_the_order_of_items_or_categories(
    items: list[int], categories: list[int]
) -> None:
    assert fleiss_kappa(WORKED[items][:, categories]) == pytest.approx(fleiss_kappa(WORKED))


@given(st.integers(2, 6), st.lists(st.integers(0, 3), min_size=2, max_size=12))
def test_kappa_is_one_where_every_item_has_one_answer(raters: int, answers: list[int]) -> None:
    assert fleiss_kappa(raters * np.eye(4, dtype=np.int64)[answers]) == pytest.approx(1)


def test_two_raters_who_never_agree_are_below_chance() -> None:
    assert fleiss_kappa(np.array([[1, 1], [1, 1]])) == pytest.approx(-1)


@pytest.mark.parametrize(
    "counts",
    [np.zeros((0, 2), np.int64), np.array([[2, 0], [1, 0]]), np.array([[1, 0], [0, 1]])],
    ids=["no items", "raters differ", "one rater"],
)
def test_kappa_without_pairs_of_raters_is_refused(counts: np.ndarray) -> None:
    with pytest.raises(InputError, match="same number of raters, at least 2; leave out items"):
        fleiss_kappa(counts)


def test_a_tie_is_half_a_win_and_no_part_of_the_sign_test() -> None:
    found = preference({"1": {"ann": 1.0, "bob": 0.5}, "2": {"ann": 1.0, "bob": 0.0}, "3": {}})
    assert (found.wins, found.losses, found.ties) == (2, 1, 1)
    assert found.win_rate.value == 0.625
    # one item won and one that neither won
    assert (found.won, found.lost, found.p_value) == (1, 0, 1)


def test_raters_of_one_item_are_no_items_more() -> None:
    """Five who agree on six items have six items to say, not thirty ratings."""
    together = {f"{i}": dict.fromkeys("abcde", 1.0) for i in range(6)}
    assert preference(together).p_value == pytest.approx(2 / 2**6)
    # the item is won by most of its raters, whatever the others say
    split = {f"{i}": {"a": 1.0, "b": 1.0, "c": 0.0} for i in range(6)}
    assert preference(split).p_value == pytest.approx(2 / 2**6)
    # one who prefers the first, and two who prefer neither
    leaning = preference({"1": {"a": 1.0, "b": 0.5, "c": 0.5}, "2": {"a": 0.0}})
    assert (leaning.won, leaning.lost) == (1, 1)


def test_no_difference_is_seldom_called_one() -> None:
    random = np.random.default_rng(0)
    sides = random.integers(2, size=(300, 20))
    values = [
        preference({f"{i}": dict.fromkeys("abcde", float(x)) for i, x in enumerate(row)}, resamples=10)
        for row in sides
    ]
    assert np.mean([x.p_value < 0.05 for x in values]) <= 0.08


def test_ties_alone_say_nothing() -> None:
    found = preference({"1": {"ann": 0.5}, "2": {"ann": 0.5}})
    assert (found.win_rate.value, found.win_rate.low, found.win_rate.high, found.p_value) == (
        0.5,
        0.5,
        0.5,
        1,
    )


def test_ratings_of_one_item_are_drawn_together() -> None:
    """Ten raters of one item are less sure than ten items: nobody knows how another item would fare."""
    together = {"a": dict.fromkeys("0123456789", 1.0), "b": dict.fromkeys("0123456789", 0.0)}
    apart = {f"{i}": {"ann": float(i % 2)} for i in range(20)}
    one, many = preference(together).win_rate, preference(apart).win_rate
    assert one.value == many.value == 0.5
    assert one.high - one.low > 1.5 * (many.high - many.low)


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=30))
def test_the_other_method_has_the_rest(ratings: list[float]) -> None:
    first = preference({str(i): {"ann": x} for i, x in enumerate(ratings)}, resamples=50)
    second = preference({str(i): {"ann": 1 - x} for i, x in enumerate(ratings)}, resamples=50)
    assert first.win_rate.value + second.win_rate.value == pytest.approx(1)
    assert (first.wins, first.losses, first.ties) == (second.losses, second.wins, second.ties)
    assert first.p_value == pytest.approx(second.p_value)
    assert first.win_rate.low == pytest.approx(1 - second.win_rate.high)


@pytest.mark.parametrize("ratings", [{}, {"1": {}}])
def test_no_rating_is_told(ratings: dict[str, dict[str, float]]) -> None:
    with pytest.raises(InputError, match="there is no rating"):
        preference(ratings)
