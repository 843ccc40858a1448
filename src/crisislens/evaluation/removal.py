r"""Rankings of words or patches, compared by what taking equally many of them away does to an answer.

For a post x with n parts, the class c that the whole post is given, and $r_k$ the first k parts of a
ranking, over shares q with $k_q = \max(1, \lceil q n \rceil)$,

$$\text{comprehensiveness} = \frac{1}{|Q|} \sum_{q \in Q} \big(p_c(x) - p_c(x \setminus r_{k_q})\big), \qquad
  \text{sufficiency} = \frac{1}{|Q|} \sum_{q \in Q} \big(p_c(x) - p_c(r_{k_q})\big),$$

the area over the perturbation curve. A faithful ranking has a high first and a low second. Every
ranking takes equally many parts, so none gains by taking more; that is what a comparison of whole
rationales of different lengths cannot say (`rationale_scores.faithfulness`).

Source: DeYoung et al., ERASER, ACL 2020, Sec. 4 (Eq. 1 and 2 and their aggregate over shares of tokens
for rankings), https://aclanthology.org/2020.acl-main.408. Where we differ: the empty share, at which
nothing is taken away, is left out of the mean; it is the same for every ranking.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from crisislens.core.errors import InputError
from crisislens.evaluation.classification import Estimate
from crisislens.evaluation.rationale_scores import mean_estimate
from crisislens.evaluation.significance import PairedDifference, holm
from crisislens.evaluation.two_way import two_way_difference

__all__ = ["SHARES", "Ranked", "area", "compare_rankings", "first_parts", "parts_taken", "ranking"]

SHARES = (0.05, 0.10, 0.20, 0.50)
"""Shares of a post's parts; ERASER's without its 1 %, which is below one word of a tweet."""


class Ranked(NamedTuple):
    """One way to rank parts.

    Attributes:
        mean: Of its values over posts, with the 95 % interval of a bootstrap over posts.
        minus: The first way minus this one on the same posts; None for the first way itself.
        corrected_p: Of that difference, after Holm's correction over all ways.
    """

    mean: Estimate
    minus: PairedDifference | None
    corrected_p: float | None


def parts_taken(parts: int, share: float) -> int:
    """How many parts a share of them is: rounded up, at least one.

    >>> [parts_taken(15, share) for share in SHARES]
    [1, 2, 3, 8]

    Raises:
        InputError: If there is no part, or the share is not above 0 and at most 1.
    """
    if parts < 1 or not 0 < share <= 1:
        raise InputError(
            f"a share of {share:g} of {parts} parts was asked for; give at least one part and a share above "
            f"0 and at most 1"
        )
    # the small number takes back what rounding adds to a share that means a whole number of parts
    return max(1, int(np.ceil(share * parts - 1e-9)))


def ranking(
    importance: Float[np.ndarray, " n"], allowed: Bool[np.ndarray, " n"], seed: int
) -> Int[np.ndarray, " a"]:
    """The parts that may be taken, the most important one first; equals in a drawn order.

    >>> ranking(np.array([0.1, 0.9, 0.5]), np.array([True, False, True]), seed=0).tolist()
    [2, 0]

    Arguments:
        importance: Of each part.
        allowed: Which parts are ranked at all.
        seed: Of the order of equals: by place, whatever stands in front would win.
    """
    order = np.random.default_rng(seed).permutation(np.flatnonzero(allowed))
    return np.asarray(order[np.argsort(-importance[order], kind="stable")])


def first_parts(order: Int[np.ndarray, " a"], count: int, parts: int) -> Bool[np.ndarray, " n"]:
    """Which of n parts are among the first of a ranking.

    >>> first_parts(np.array([2, 0]), 1, 3).tolist()
    [False, False, True]
    """
    chosen = np.zeros(parts, dtype=bool)
    chosen[order[:count]] = True
    return chosen


def area(full: Float[np.ndarray, " s"], shown: Float[np.ndarray, "s q"]) -> Float[np.ndarray, " s"]:
    """How far the answer's probability falls, the mean over shares, for each of s posts.

    >>> area(np.array([0.9]), np.array([[0.8, 0.4]])).round(6).tolist()
    [0.3]

    Arguments:
        full: For whole posts.
        shown: For what is left of them at each of q shares.
    """
    return np.asarray((full[:, None] - shown).mean(1))


def compare_rankings(
    values: Mapping[str, Float[np.ndarray, " s"]],
    first: str,
    *,
    resamples: int = 10_000,
    seed: int = 0,
) -> dict[str, Ranked]:
    """Each way's mean over posts, and the first way against every other on the same posts.

    Arguments:
        values: By way, one value a post.
        first: The way that the others are compared with.
        resamples: Resamples of posts.
        seed: Of the resamples.

    Raises:
        InputError: If there are no posts, the first way is missing, or the ways differ in their posts.
    """
    sizes = {len(x) for x in values.values()}
    if first not in values or len(sizes) != 1 or 0 in sizes:
        raise InputError(
            f"values of {', '.join(values) or 'no way'} with {sorted(sizes)} posts were given; a comparison "
            f"needs {first} and the same posts, at least one, of every way"
        )
    minus = {
        name: two_way_difference(
            name, values[first][None], values[name][None], resamples=resamples, seed=seed
        )
        for name in values
        if name != first
    }
    p = holm({name: difference.p_value for name, difference in minus.items()})
    return {
        name: Ranked(mean_estimate(x, resamples=resamples, seed=seed), minus.get(name), p.get(name))
        for name, x in values.items()
    }
