"""What a comparison could have shown, by simulation: experiments whose true difference is known are found,
and called small, as often as the formulas promise.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from crisislens.core.errors import InputError
from crisislens.evaluation.power import MARGIN, check_margin, equivalence_p, verdict
from crisislens.evaluation.significance import PairedDifference, paired_difference

POSTS, EXPERIMENTS, RESAMPLES = 400, 300, 400
# posts that only one system gets right: the spread of a difference comes from them
DISCORDANT = 0.2


def spread(true: float) -> float:
    """The standard deviation of a difference of accuracies over draws of the posts."""
    return float(np.sqrt((DISCORDANT - true**2) / POSTS))


def experiments(true: float, margin: float = MARGIN) -> Iterator[PairedDifference]:
    """Comparisons of two systems whose accuracies really differ by `true`."""
    random = np.random.default_rng(7)
    shares = [(DISCORDANT + true) / 2, (DISCORDANT - true) / 2, 1 - DISCORDANT]
    for counts in random.multinomial(POSTS, shares, size=EXPERIMENTS):
        again = random.multinomial(POSTS, counts / POSTS, size=RESAMPLES)
        first, second = (again[:, side] / POSTS for side in (0, 1))
        yield paired_difference(
            "accuracy", (counts[0] / POSTS, first), (counts[1] / POSTS, second), margin=margin
        )


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


# three standard errors of a share over 300 experiments
def near(p: float) -> object:
    return pytest.approx(p, abs=3 * np.sqrt(p * (1 - p) / EXPERIMENTS))


def test_the_smallest_difference_is_found_four_times_in_five() -> None:
    smallest = (1.959964 + 0.841621) * spread(0.0)
    found = list(experiments(smallest))
    assert share([d.p_value < 0.05 for d in found]) == near(0.8)
    assert np.median([d.detectable for d in found]) == pytest.approx(smallest, rel=0.1)


def test_a_difference_of_the_whole_margin_is_rarely_called_smaller() -> None:
    """The error that matters: to say that nothing is there. At most 5 %, whatever the power."""
    for margin in (1.5 * spread(0.0), 4 * spread(0.0)):
        called = [d.equivalence_p < 0.05 for d in experiments(margin, margin)]
        assert share(called) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / EXPERIMENTS)


def test_no_difference_is_called_smaller_as_often_as_the_margin_allows() -> None:
    """Both one-sided tests must refuse: 2 Φ(m / s - z.95) - 1 of the experiments."""
    for width in (2.0, 2.927):
        margin = width * spread(0.0)
        promised = max(0.0, 2 * norm.cdf(width - norm.ppf(0.95)) - 1)
        assert share([d.equivalence_p < 0.05 for d in experiments(0.0, margin)]) == near(promised)


def test_too_few_posts_can_show_neither() -> None:
    margin = 0.5 * spread(0.0)
    verdicts = {d.verdict for d in experiments(0.0, margin) if d.p_value >= 0.05}
    assert verdicts == {"not shown"}


Draws = st.lists(st.floats(-0.25, 0.25, width=32), min_size=2, max_size=30)


@settings(max_examples=40)
@given(st.floats(-0.25, 0.25, width=32), Draws, st.floats(0.001, 0.3), st.floats(0.001, 0.3))
def test_a_wider_margin_never_makes_it_harder(d: float, noise: list[float], one: float, other: float) -> None:
    d_star = d + np.array(noise)
    narrow, wide = sorted((one, other))
    p = equivalence_p(d, d_star, narrow)
    assert 0 < equivalence_p(d, d_star, wide) <= p <= 1
    # the same difference the other way round
    assert equivalence_p(-d, -d_star, narrow) == pytest.approx(p)


@given(st.floats(0.011, 0.2), st.integers(2, 30))
def test_what_is_seen_beyond_the_margin_is_never_called_smaller(d: float, resamples: int) -> None:
    assert equivalence_p(d, np.full(resamples, d), MARGIN) == 1


@pytest.mark.parametrize("margin", [0.0, -0.01, 1.0, 1.5, float("nan")])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(InputError, match="smallest difference that matters"):
        check_margin(margin)


@pytest.mark.parametrize(
    ("d", "p", "p_smaller", "margin", "said"),
    [
        (0.02, 0.049, 0.05, 0.01, "higher"),
        (-0.02, 0.049, 0.05, 0.01, "lower"),
        (-0.004, 0.01, 0.02, 0.005, "lower, by less than 0.5 points"),
        (0.001, 0.05, 0.049, 0.02, "shown to be smaller than 2 points"),
        (0.001, 0.05, 0.05, 0.01, "not shown"),
    ],
)
def test_verdicts(d: float, p: float, p_smaller: float, margin: float, said: str) -> None:
    assert verdict(d, p, p_smaller, margin) == said
