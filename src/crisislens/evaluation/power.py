r"""What a comparison could have shown, and what it has shown: "no difference was found" is not "there
is none".

From a difference $d$ and its resamples $d^*$ (of posts, paired), with $R$ of them:

$$d_\text{min} = (z_{.975} + z_{.8})\, \operatorname{sd}(d^*), \qquad
  p_\text{eq}(m) = \max\Big[\frac{1 + |\{d^* - d \geq d + m\}|}{1 + R},\;
  \frac{1 + |\{d^* - d \leq d - m\}|}{1 + R}\Big].$$

The first is the smallest true difference that a two-sided test at 5 % would find in four of five such
experiments. The second is the p-value of two one-sided tests (TOST): of "the true difference is $-m$
or less" and of "it is $m$ or more", each as the bootstrap has it when its resamples are moved to
that border. Where both are refuted at 5 %, which is where the 90 % interval lies within $(-m, m)$,
the difference is *shown to be smaller than* $m$. That takes a margin $m$ that somebody chose before
looking: the smallest difference that would matter.

The two questions are apart. A difference can be found and be shown to be smaller than the margin
(many posts), or neither (few): then nothing at all was learned of a difference below $d_\text{min}$.

Sources: Cohen, Statistical Power Analysis, 1988, ch. 2; Schuirmann 1987,
https://doi.org/10.1007/BF01068419 (TOST); Efron and Tibshirani, An Introduction to the Bootstrap,
1993, ch. 16 and 25 (tests and bioequivalence by the bootstrap).
"""

import numpy as np
from jaxtyping import Float

from crisislens.core.errors import InputError

__all__ = ["LEVEL", "MARGIN", "check_margin", "detectable_difference", "equivalence_p", "verdict"]

MARGIN = 0.01
"""The margin where nobody names another: one point of accuracy or F1. A convention of ours, fixed
before any comparison was tested against it.
"""
LEVEL = 0.05

# the standard normal's 97.5 % and 80 % quantiles: found at the 5 % level in four of five experiments
_DETECTABLE = 1.959964 + 0.841621
# sums in another order differ in the last bits; they must not decide on which side a resample lies
_ROUNDING = 1e-12


def check_margin(margin: float) -> None:
    """Refuses a margin that no difference could be smaller than, or that every one is.

    Raises:
        InputError: If it is not between 0 and 1.
    """
    if not 0 < margin < 1:
        raise InputError(
            f"a margin of {margin:g} was given; name the smallest difference that matters as a share above 0 "
            f"and below 1, 0.01 is one point"
        )


def detectable_difference(d_star: Float[np.ndarray, " r"]) -> float:
    """The smallest true difference that would be found four times in five.

    Arguments:
        d_star: The difference over resamples.
    """
    return _DETECTABLE * float(d_star.std())


def equivalence_p(d: float, d_star: Float[np.ndarray, " r"], margin: float = MARGIN) -> float:
    """The p-value of "the true difference is the margin or more, in either direction".

    >>> equivalence_p(0.0, np.linspace(-0.004, 0.004, 99), margin=0.01)
    0.01
    >>> equivalence_p(0.0, np.linspace(-0.04, 0.04, 99), margin=0.01)
    0.38

    Arguments:
        d: The difference on all posts.
        d_star: The difference over resamples.
        margin: The smallest difference that matters, a share above 0.

    Raises:
        InputError: If the margin is not between 0 and 1.
    """
    check_margin(margin)
    around = d_star - d
    from_below = int((around >= d + margin - _ROUNDING).sum())
    from_above = int((around <= d - margin + _ROUNDING).sum())
    return (1 + max(from_below, from_above)) / (1 + len(d_star))


def verdict(difference: float, p_value: float, p_equivalence: float, margin: float = MARGIN) -> str:
    """What may be said of a difference, in words.

    >>> verdict(0.02, 0.001, 0.9)
    'higher'
    >>> verdict(-0.004, 0.01, 0.02)
    'lower, by less than 1 point'
    >>> verdict(0.001, 0.6, 0.01)
    'shown to be smaller than 1 point'
    >>> verdict(0.001, 0.6, 0.3)
    'not shown'

    Arguments:
        difference: First minus second.
        p_value: Of "there is no difference", corrected where several were tested.
        p_equivalence: Of "it is the margin or more", likewise.
        margin: The smallest difference that matters.
    """
    points = f"{100 * margin:g} point{'' if margin == MARGIN else 's'}"
    small = p_equivalence < LEVEL
    if p_value < LEVEL:
        side = "higher" if difference > 0 else "lower"
        return f"{side}, by less than {points}" if small else side
    return f"shown to be smaller than {points}" if small else "not shown"
