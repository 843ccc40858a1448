"""What rises against its own past: an exact test for many places and needs at once.

**The question.** A series is the posts of one place (or of all) that say one thing. Time is cut backwards
from now into one block that is being asked about and $K$ blocks of the same length before it. Let $x$ be
the posts of the block now, $y_1, \\dots, y_K$ those of the past, $y$ their sum, $n = x + y$. Is $x$ more
than the past explains?

**Without clumping.** If posts come independently at one rate, each block is Poisson with the same mean, and
given $n$ each post falls into each of the $K+1$ blocks alike, so $x \\mid n \\sim \\mathrm{Bin}(n,
1/(K+1))$: the conditional test of Przyborowski and Wilenski (Biometrika 31, 1940), in which the unknown
rate has dropped out.

**With clumping.** Posts are passed on, and come in clumps: the variance of a block is $\\varphi$ times its
mean, with $\\varphi$ of 2 to 30 in real crises, and the test above then cries wolf. So a block is taken as
negative binomial with mean $\\mu$ and size $r = \\mu / (\\varphi - 1)$, which has variance $\\varphi \\mu$.
With $P(x) = \\binom{x+r-1}{x} (1-q)^r q^x$ for the block now and size $Kr$ for the sum of the past,

$$P(x \\mid n) = \\frac{\\binom{x+r-1}{x} \\binom{n-x+Kr-1}{n-x}}{\\binom{n+(K+1)r-1}{n}},$$

the factors $(1-q)^{(K+1)r} q^n$ cancel, and so does the rate with them: $x \\mid n$ is beta-binomial with
$n$ trials and parameters $r$ and $Kr$, exactly, and the binomial where $\\varphi \\to 1$. The $p$-value is
$P(X \\ge x \\mid n)$.

**What is not exact** is $r$, and two things keep it from being too large. $\\varphi$ is the upper end of a
one-sided 90 % interval (of chi-squared, with the degrees of freedom that Satterthwaite gives to a weighted
sum) of what all series of a kind show together, or what the series shows itself, if that is more, and never
less than 1: of one series alone that is half as much again, of hundreds it is the estimate. And the mean that
$r$ is made from is the geometric mean of $n / (K+1)$, which the hypothesis says but which holds the burst
itself, and of $(y+1) / (K+1)$, which does not: with the first alone, places that are nearly always silent
cried wolf three times as often as stated. Both were chosen on made-up streams and on shuffled times of the
real posts that `benchmarks/bursts.py` reports on.

**The rhythm of the day.** A past of whole days lets a morning stand among other mornings; what differs
between the hours of a day widens $\\varphi$, so the test becomes deafer and not louder.

**Many series.** With $m$ series looked at, the smallest $p$ is compared with $\\alpha / m$, the next with
$\\alpha / (m-1)$, and so on (Holm, Scandinavian Journal of Statistics 6, 1979). Then the chance of one
false burst or more in one look is at most $\\alpha$, however the series depend on each other. Series that
were never seen count among the $m$ as soon as a post of them is there. $\\alpha = 0.01$: of a hundred looks
at a situation in which nothing rises, one may show a burst. Looks one after the other share their past, so
that a false burst tends to stay for as long as its block. `benchmarks/bursts.py` counts all this on made-up
streams and on the times of real posts.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Generic, TypeVar

from scipy.stats import betabinom, binom, chi2

__all__ = [
    "ALPHA",
    "LEAST",
    "TEST",
    "Burst",
    "Series",
    "burst_p",
    "clumping",
    "clumping_at_most",
    "find_bursts",
]

ALPHA = 0.01
"""The chance of one false burst or more in one look."""
LEAST = 3
"""Fewer posts are no burst, however quiet it was before."""
TEST = "conditional negative-binomial test (beta-binomial), Holm over all series, 1 % a look"
"""What is named beside each burst."""
_NO_CLUMPS = 1.001
_SURE = 0.9

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Series:
    """Posts of one thing.

    Attributes:
        now: Posts of the block that is asked about.
        past: Those of blocks of the same length before it, in any order.
    """

    now: int
    past: tuple[int, ...]


@dataclass(frozen=True)
class Burst(Generic[Key]):
    """Something that rises.

    Attributes:
        key: What.
        now: Posts of the last block.
        usual: The mean of a block before it.
        clumps: The clumping that was allowed for: a block's variance over its mean.
        p: The chance of as many or more, if nothing rises.
        bound: What p was compared with.
    """

    key: Key
    now: int
    usual: float
    clumps: float
    p: float
    bound: float


def clumping(past: Sequence[Sequence[int]]) -> float:
    """The variance of blocks over their mean, of several series together; 1 where there is nothing to see.

    >>> clumping([(4, 4, 4, 4)]), clumping([(0, 8, 0, 8)])
    (1.0, 5.333333333333333)

    Arguments:
        past: Blocks of each series.
    """
    spread = mean = 0.0
    for blocks in past:
        if len(blocks) < 2:
            continue
        middle = sum(blocks) / len(blocks)
        mean += middle
        spread += sum((count - middle) ** 2 for count in blocks) / (len(blocks) - 1)
    return max(1.0, spread / mean) if mean else 1.0


def clumping_at_most(past: Sequence[Sequence[int]]) -> float:
    """The upper end of a 90 % interval of `clumping`; what few blocks show may be less than there is.

    Arguments:
        past: Blocks of each series.
    """
    found = clumping(past)
    weights = [sum(blocks) / len(blocks) for blocks in past if len(blocks) > 1]
    squares = sum((sum(blocks) / len(blocks)) ** 2 / (len(blocks) - 1) for blocks in past if len(blocks) > 1)
    if not squares:
        return found
    # Satterthwaite: loud series count for more than quiet ones
    freedom = sum(weights) ** 2 / squares
    return max(1.0, found * freedom / float(chi2.ppf(1 - _SURE, freedom)))


def burst_p(series: Series, clumps: float = 1.0) -> float:
    """The chance of as many posts as now or more, if nothing rises; see the head of this module.

    >>> round(burst_p(Series(3, (0,) * 5)), 6) == round((1 / 6) ** 3, 6)
    True

    Arguments:
        series: At least one past block.
        clumps: The variance of a block over its mean, 1 or more.
    """
    blocks = len(series.past)
    if not blocks:
        raise ValueError("a series without a past cannot be compared with it")
    n = series.now + sum(series.past)
    if series.now <= 0:
        return 1.0
    if clumps < _NO_CLUMPS:
        return float(binom.sf(series.now - 1, n, 1 / (blocks + 1)))
    expected = n / (blocks + 1)
    quiet = min(expected, (n - series.now + 1) / (blocks + 1))
    size = sqrt(expected * quiet) / (clumps - 1)
    return float(betabinom.sf(series.now - 1, n, size, blocks * size))


def find_bursts(
    series: Mapping[Key, Series], *, alpha: float = ALPHA, kinds: Mapping[Key, Hashable] | None = None
) -> list[Burst[Key]]:
    """What rises, the least likely first.

    Arguments:
        series: Everything that is looked at, all with the same number of past blocks.
        alpha: The chance of one false burst or more.
        kinds: From series to its kind; clumping is shared within a kind. All are of one without.
    """
    alike: dict[Hashable, list[tuple[int, ...]]] = {}
    for key, each in series.items():
        alike.setdefault(kinds[key] if kinds else None, []).append(each.past)
    shared = {kind: clumping_at_most(past) for kind, past in alike.items()}
    tested: list[tuple[float, int, Key, float]] = []
    for order, (key, each) in enumerate(series.items()):
        clumps = max(shared[kinds[key] if kinds else None], clumping([each.past]))
        p = burst_p(each, clumps) if each.now >= LEAST else 1.0
        tested.append((p, order, key, clumps))
    tested.sort(key=lambda row: row[:2])
    found: list[Burst[Key]] = []
    for rank, (p, _, key, clumps) in enumerate(tested):
        bound = alpha / (len(tested) - rank)
        # Holm: the first that stays below its bound ends it
        if p > bound:
            break
        each = series[key]
        found.append(Burst(key, each.now, sum(each.past) / len(each.past), clumps, p, bound))
    return found
