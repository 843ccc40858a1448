r"""Significance: whether one system is better than another, or only luckier.

Paired bootstrap. For a score $S$ of systems $a$ and $b$ on the same posts, $d = S_a - S_b$, and
over resamples of posts $d^*$,

$$\text{interval} = \text{percentiles of } d^*, \quad
  p = \frac{1 + |\{ |d^* - d| \geq |d| \}|}{1 + R},$$

the second because $d^* - d$ has about the distribution that $d$ would have if there were no
difference. Beside them stand the smallest difference that could have been shown and a test of
whether the difference is smaller than one that would matter (`power`): "no difference was shown"
must not be read as "there is none". Several seeds of a system are several rows, and $S$ is their
mean: the seeds at hand are compared, and only posts are drawn. With `over_seeds` seeds are drawn as
well, $S^* = \frac{1}{k} \sum_i u_i S_i^*$ with $u \sim \operatorname{Multinomial}(k, 1/k)$ of the $k$
seeds that both systems were trained with, and what is found holds for other trainings too (`two_way`
does so for scores that are means over posts).

McNemar, exact: of the posts that only one system gets right, the share that $a$ gets is a coin's if
neither is better,
$p = \min(1, 2\, P[\text{Bin}(n_{10} + n_{01}, \tfrac12) \leq \min(n_{10}, n_{01})])$.

Interval over $k$ seeds: $\bar x \pm t_{k-1}\, s / \sqrt k$. Holm: with sorted p-values
$p_{(1)} \leq \dots \leq p_{(m)}$,
$\tilde p_{(i)} = \max_{j \leq i} \min(1, (m - j + 1)\, p_{(j)})$.

Sources: Efron and Tibshirani, 1993, ch. 16; Berg-Kirkpatrick et al., 2012,
https://aclanthology.org/D12-1091 (paired bootstrap in NLP; theirs is one-sided); McNemar 1947;
Student 1908; Holm 1979.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.evaluation.checks import check_clusters, check_labels
from crisislens.evaluation.power import MARGIN, detectable_difference, equivalence_p, verdict
from crisislens.evaluation.resampling import cluster_counts, interval, resample_counts
from crisislens.evaluation.scores import SCORES, Score, confusion_cells

__all__ = [
    "McNemar",
    "MeanInterval",
    "PairedDifference",
    "holm",
    "mcnemar",
    "mean_interval",
    "paired_bootstrap",
    "paired_difference",
]

Probabilities = Float[np.ndarray, "s c"] | Sequence[Float[np.ndarray, "s c"]]

Drawn = tuple[float, Float[np.ndarray, " r"]]
"""A system's score on all posts, and its scores over resamples of them."""

# sums in another order differ in the last bits; they must not decide whether a resample is as far as |d|
_ROUNDING = 1e-12


class PairedDifference(BaseModel):
    """How much better one system is than another on the same posts, in one score; values are
    shares, 0.01 is one point.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    """The score, or the class or event that it is of."""
    a: float
    """The score of the first system, the mean over its seeds."""
    b: float
    difference: float
    """a − b."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    p_value: float
    """Two-sided."""
    detectable: float
    """The smallest true difference that would be found four times in five."""
    margin: float = MARGIN
    """The smallest difference that matters, named before the comparison."""
    equivalence_p: float = 1.0
    """Of "the true difference is the margin or more"; below .05 it is shown to be smaller."""

    @property
    def verdict(self) -> str:
        """Higher, lower, shown to be smaller than the margin, or not shown."""
        return verdict(self.difference, self.p_value, self.equivalence_p, self.margin)


class McNemar(NamedTuple):
    """The test and the counts that it rests on.

    Attributes:
        only_a: Posts that only the first system gets right.
        only_b: Posts that only the second gets right.
        p_value: Two-sided.
    """

    only_a: int
    only_b: int
    p_value: float


class MeanInterval(BaseModel):
    """A mean over seeds with its t interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    half_width: float | None
    """Half of the interval; null for a single seed, which tells nothing of the spread."""
    count: int
    level: float

    def percent(self) -> str:
        """Times 100: `87.45 ± 0.61`, or `87.45 (1 seed)`."""
        spread = "(1 seed)" if self.half_width is None else f"± {100 * self.half_width:.2f}"
        return f"{100 * self.mean:.2f} {spread}"


def paired_bootstrap(
    y: Int[np.ndarray, " s"],
    p_a: Probabilities,
    p_b: Probabilities,
    metric: str = "weighted_f1",
    *,
    clusters: Shaped[np.ndarray, " s"] | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    margin: float = MARGIN,
    over_seeds: bool = False,
) -> PairedDifference:
    """Compares two systems on the same posts.

    >>> y = np.array([0, 1] * 50)
    >>> always_right, always_wrong = np.eye(2)[y], np.eye(2)[1 - y]
    >>> paired_bootstrap(y, always_right, always_wrong, "accuracy", resamples=99).p_value
    0.01

    Arguments:
        y: The true class of each post.
        p_a: Probabilities of the first system, or of each of its seeds.
        p_b: Probabilities of the second.
        metric: A name in `scores.SCORES`.
        clusters: What is drawn together (the tweet of a photo); posts by themselves where None.
        resamples: How many resamples; the least p-value is 1 / (resamples + 1).
        seed: Seed of the resamples.
        margin: The smallest difference that matters, see `power`.
        over_seeds: Whether seeds are drawn as well; the two systems' are then pairs, in the same order.

    Raises:
        InputError: If the arguments do not fit together, or fewer than two seeds are to be drawn.
        NotRegisteredError: If there is no such metric.
    """
    score = SCORES[metric]
    check_clusters(clusters, posts=len(y))
    if resamples < 1:
        raise InputError(
            f"{resamples} resamples were asked for; a bootstrap needs at least 1, 10000 is usual"
        )
    # every post a cluster of its own is the plain bootstrap
    together = np.arange(len(y)) if clusters is None else clusters
    systems = [_rows(p_a), _rows(p_b)]
    seeds = [len(rows) for rows in systems]
    if over_seeds and (seeds[0] != seeds[1] or seeds[0] < 2):
        raise InputError(
            f"seeds are to be drawn, and the systems have {seeds[0]} and {seeds[1]}; give as many of both, "
            f"at least 2"
        )
    first, second = _scores(y, systems, score, together, resamples, seed, over_seeds=over_seeds)
    return paired_difference(metric, first, second, margin=margin)


def paired_difference(what: str, first: Drawn, second: Drawn, *, margin: float = MARGIN) -> PairedDifference:
    """The difference of two systems from scores over the same resamples.

    >>> drawn = np.array([0.5, 0.7])
    >>> paired_difference("accuracy", (0.6, drawn), (0.5, drawn - 0.1)).p_value
    0.3333333333333333

    Arguments:
        what: What the score is of.
        first: The first system's score on all posts, and over resamples.
        second: The second's; its resamples are the first's, one by one.
        margin: The smallest difference that matters, see `power`.

    Raises:
        InputError: If the margin is not between 0 and 1.
    """
    (a, drawn_a), (b, drawn_b) = first, second
    d, d_star = a - b, drawn_a - drawn_b
    low, high = interval(d_star)
    # d* scatters around d; moved to 0, it is what the null hypothesis would have shown
    surprising = int((np.abs(d_star - d) >= abs(d) - _ROUNDING).sum())
    return PairedDifference(
        what=what,
        a=a,
        b=b,
        difference=d,
        low=low,
        high=high,
        p_value=(1 + surprising) / (1 + len(d_star)),
        detectable=detectable_difference(d_star),
        margin=margin,
        equivalence_p=equivalence_p(d, d_star, margin),
    )


def mcnemar(right_a: Bool[np.ndarray, " s"], right_b: Bool[np.ndarray, " s"]) -> McNemar:
    """McNemar's exact test of whether two systems are right equally often.

    >>> mcnemar(np.array([True] * 6 + [False]), np.array([False] * 6 + [True]))
    McNemar(only_a=6, only_b=1, p_value=0.125)

    Arguments:
        right_a: Whether the first system is right on each post.
        right_b: Whether the second is.
    """
    from scipy.stats import binomtest

    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    # without a post on which they differ there is nothing to test
    p = float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, min(1.0, p))


def mean_interval(values: Sequence[float], level: float = 0.95) -> MeanInterval:
    """The mean over seeds and its t interval.

    >>> mean_interval([0.87, 0.88, 0.86]).percent()
    '87.00 ± 2.48'

    Raises:
        InputError: If there are no values.
    """
    from scipy.stats import t

    if not values:
        raise InputError("there are no values to take the mean of; give one score a seed")
    k, mean = len(values), float(np.mean(values))
    # one seed says nothing of the spread: no interval, rather than one of width 0
    half = None if k == 1 else float(t.ppf((1 + level) / 2, k - 1) * np.std(values, ddof=1) / np.sqrt(k))
    return MeanInterval(mean=mean, half_width=half, count=k, level=level)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P-values of several tests, corrected so that the chance of any false alarm stays below the
    level; in the order given.

    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    m, worst, corrected = len(p_values), 0.0, {}
    for i, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        # monotone: a test cannot be clearer than one with a smaller p-value
        worst = max(worst, min(1.0, (m - i) * p_values[name]))
        corrected[name] = worst
    return {name: corrected[name] for name in p_values}


def _rows(p: Probabilities) -> list[Float[np.ndarray, "s c"]]:
    rows = [p] if isinstance(p, np.ndarray) else list(p)
    if not rows:
        raise InputError("a system has no probabilities; give one array for each of its seeds")
    return rows


def _scores(
    y: Int[np.ndarray, " s"],
    systems: Sequence[Sequence[Float[np.ndarray, "s c"]]],
    score: Score,
    clusters: Shaped[np.ndarray, " s"],
    resamples: int,
    seed: int,
    *,
    over_seeds: bool,
) -> list[Drawn]:
    """For each system the mean score over its seeds, as it is and over resamples, which are drawn
    once for all.
    """
    weights = _seed_weights(len(systems[0]), resamples, seed) if over_seeds else None
    counts = []
    for p in (p for rows in systems for p in rows):
        c = p.shape[1]
        check_labels(y, posts=len(p), classes=c)
        counts.append(cluster_counts(confusion_cells(y, p.argmax(1), c), c * c, clusters))
    # one draw for all systems and seeds: that is what pairs them
    together = resample_counts(np.concatenate(counts, axis=1), resamples=resamples, seed=seed)
    drawn = iter(np.split(together, np.cumsum([n.shape[1] for n in counts])[:-1], axis=1))
    whole, found = iter(counts), []
    for rows in systems:
        c = [p.shape[1] for p in rows]
        observed = [float(score(next(whole).sum(0).reshape(k, k))) for k in c]
        again = [score(next(drawn).reshape(-1, k, k)) for k in c]
        found.append((float(np.mean(observed)), np.average(again, axis=0, weights=weights)))
    return found


def _seed_weights(k: int, resamples: int, seed: int) -> Float[np.ndarray, "k r"]:
    """How often each of k seeds is drawn, resample by resample."""
    # a stream of its own: the draws of posts stay those of a comparison of the seeds at hand
    random = np.random.default_rng([seed, k])
    return random.multinomial(k, [1 / k] * k, size=resamples).T.astype(np.float64)
