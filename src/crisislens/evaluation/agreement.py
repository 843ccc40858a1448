r"""Do raters agree, and is one of two methods preferred?

Fleiss' kappa for n items, each rated by r raters into c categories, with $n_{ij}$ raters who put
item i into category j:

$$\kappa = \frac{\bar P - \bar P_e}{1 - \bar P_e}, \qquad \bar P = \frac{1}{n} \sum_i \frac{\sum_j n_{ij}^2 -
r}{r (r - 1)}, \qquad
  \bar P_e = \sum_j \Big(\frac{1}{n r} \sum_i n_{ij}\Big)^2 .$$

A win rate counts a tie as half a win; its interval is a bootstrap over items, since ratings of one
item belong together. The sign test is over items for the same reason: an item is won by the method
that its ratings prefer on the whole (a tie is half a win for each), and the test asks whether items
won, without those that neither won, could be a coin's.

Sources: Fleiss 1971, https://doi.org/10.1037/h0031619; Dixon and Mood 1946 (sign test).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from crisislens.core.errors import InputError
from crisislens.evaluation.classification import Estimate
from crisislens.evaluation.resampling import interval

__all__ = ["Preference", "fleiss_kappa", "preference"]


class Preference(NamedTuple):
    """How often the first of two methods was preferred.

    Attributes:
        win_rate: Wins and half of the ties among all ratings, with its 95 % interval.
        wins: Ratings for the first.
        losses: Ratings for the second.
        ties: Ratings for neither.
        p_value: Of the sign test over items, two-sided.
        won: Items that the first won, over which that test is.
        lost: Items that the second won.
    """

    win_rate: Estimate
    wins: int
    losses: int
    ties: int
    p_value: float
    won: int
    lost: int


def fleiss_kappa(counts: Int[np.ndarray, "n c"]) -> float:
    """Fleiss' kappa; 1 is perfect agreement, 0 what chance gives.

    >>> fleiss_kappa(np.array([[2, 0], [0, 2]]))
    1.0

    Arguments:
        counts: Raters by item and category; each item by the same number of raters, at least 2.

    Raises:
        InputError: If there is no item, or raters differ or are fewer than 2.
    """
    if not len(counts) or len(set(counts.sum(1).tolist())) != 1 or counts[0].sum() < 2:
        raise InputError(
            "kappa needs items that all have the same number of raters, at least 2; leave out items that "
            "somebody skipped"
        )
    r = counts[0].sum()
    observed = float((((counts**2).sum(1) - r) / (r * (r - 1))).mean())
    expected = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    # one category throughout: agreement is perfect, and chance explains it whole (0/0)
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def preference(
    ratings: Mapping[str, Mapping[str, float]], *, resamples: int = 2000, seed: int = 0
) -> Preference:
    """How often the first method was preferred.

    >>> preference({"1": {"ann": 1.0, "bob": 1.0}, "2": {"ann": 0.5}}).win_rate.value
    0.8333333333333334

    Arguments:
        ratings: From item to rater to 1 where the first method was preferred, 0 where the second, ½
            for neither.
        resamples: Resamples of items for the interval.
        seed: Of the resamples.

    Raises:
        InputError: If there is no rating.
    """
    from scipy.stats import binomtest

    # an item that nobody rated says nothing
    items = [np.array([*given.values()]) for given in ratings.values() if given]
    if not items:
        raise InputError("there is no rating; give at least one file of answers")
    sums, sizes = np.array([x.sum() for x in items]), np.array([len(x) for x in items])
    drawn = np.random.default_rng(seed).integers(len(items), size=(resamples, len(items)))
    low, high = interval(sums[drawn].sum(1) / sizes[drawn].sum(1))
    every = np.concatenate(items)
    wins, losses = int((every == 1).sum()), int((every == 0).sum())
    # five raters of one item are no five coins: they see the same two explanations
    won, lost = int((sums > sizes / 2).sum()), int((sums < sizes / 2).sum())
    p = float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
    rate = Estimate(value=float(every.mean()), low=low, high=high)
    return Preference(rate, wins, losses, len(every) - wins - losses, p, won, lost)
