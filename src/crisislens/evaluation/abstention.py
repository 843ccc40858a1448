r"""Abstention: answer where the model is sure enough, and say what risk is left.

Answers with confidence at least $\theta$ are kept. Over $n$ posts, with $r_i = 1$ where the answer
is wrong,

$$\text{coverage}(\theta) = \tfrac1n |\{i : \hat p_i \geq \theta\}|, \qquad
  \text{risk}(\theta) = \frac{\sum_{\hat p_i \geq \theta} r_i}{|\{i : \hat p_i \geq \theta\}|}, \qquad
  \text{AURC} = \tfrac1n \sum_{k=1}^n \text{risk of the } k \text{ surest}.$$

Where confidences tie, the tied posts' errors count as spread evenly among them, so no order of
posts is favored.

A threshold for a target risk is chosen on development posts by an upper bound, not by the risk
seen: of $k$ kept posts with $e$ errors, the Clopper-Pearson bound
$B^{-1}(1 - \delta';\, e + 1,\, k - e)$ holds with probability $1 - \delta'$. It is computed at $L$
coverages fixed in advance with $\delta' = \delta / L$, so that all $L$ bounds hold together and any
of them may be picked.

A risk is a mean: of ten classes answers at 30 % can hide behind many at 95 %. So thresholds of single
answers do not go below `LIKELIER_RIGHT`: an answer that its own probability calls likelier wrong than right
is not given, whatever the others allow. Ours, no paper.

Sources: Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017,
https://arxiv.org/abs/1705.08500 (selection with guaranteed risk); Geifman et al., 2019,
https://arxiv.org/abs/1805.08206 (AURC); Clopper and Pearson, 1934. Where we differ: the first
bisects over thresholds and pays for log n tests; a fixed grid pays for about as many and bounds the
whole curve. The guarantee is for posts drawn as the development posts were: another disaster is
another distribution, and posts that also chose the model make it optimistic.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError

__all__ = [
    "LIKELIER_RIGHT",
    "RiskCoverage",
    "RiskThreshold",
    "SelectiveScores",
    "risk_coverage",
    "risk_upper_bound",
    "selective_scores",
    "threshold_for_risk",
]

LIKELIER_RIGHT = 0.5
"""The lowest threshold of single answers."""


class RiskCoverage(NamedTuple):
    """The curve, from the most cautious threshold to none; one point for every confidence that
    occurs.

    Attributes:
        threshold: θ, falling.
        coverage: Share of posts that are answered.
        risk: Share of wrong answers among them.
        aurc: Area under the curve; lower is better.
        aurc_oracle: The area that a perfect order of the same answers would have; what is above it
            is the confidence's fault.
    """

    threshold: Float[np.ndarray, " k"]
    coverage: Float[np.ndarray, " k"]
    risk: Float[np.ndarray, " k"]
    aurc: float
    aurc_oracle: float


class RiskThreshold(BaseModel):
    """A threshold with what it promises."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float
    """θ: below this confidence the model abstains."""
    coverage: float
    """Share of the development posts that it answers."""
    risk: float
    """Share of wrong answers among them, as seen."""
    bound: float
    """Upper bound of that risk, good with probability 1 − δ."""
    target: float
    """What was asked for."""
    met: bool
    """Whether the bound keeps the target; if not, θ is the one with the lowest bound."""


class SelectiveScores(BaseModel):
    """What a threshold does to posts that did not choose it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: float
    coverage: float
    """Share of posts that are answered."""
    risk: float | None
    """Share of wrong answers among them; null where none is answered."""
    aurc: float
    """Area under the whole risk-coverage curve."""
    aurc_oracle: float
    """The least area that these answers allow."""


def risk_coverage(confidence: Float[np.ndarray, " s"], right: Bool[np.ndarray, " s"]) -> RiskCoverage:
    """The risk-coverage curve of answers.

    >>> curve = risk_coverage(np.array([0.9, 0.8, 0.6, 0.5]), np.array([True, True, False, True]))
    >>> curve.coverage.tolist(), [round(r, 2) for r in curve.risk.tolist()]
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.33, 0.25])

    Arguments:
        confidence: Probability of each answer.
        right: Whether each is right.

    Raises:
        InputError: If there are no posts or the arguments differ in length.
    """
    _check(confidence, right)
    n, wrong = len(right), int((~right).sum())
    # negated, since unique sorts up and the surest come first
    levels, which = np.unique(-confidence, return_inverse=True)
    size = np.bincount(which)
    errors = np.bincount(which, weights=~right)
    kept, seen = np.cumsum(size), np.cumsum(errors)
    # risk of the k surest for every k, ties spread evenly
    spread = np.cumsum(np.repeat(errors / size, size)) / np.arange(1, n + 1)
    last = np.arange(1, n + 1)
    # all right answers before the first wrong one
    oracle = np.maximum(0, last - (n - wrong)) / last
    return RiskCoverage(-levels, kept / n, seen / kept, float(spread.mean()), float(oracle.mean()))


def risk_upper_bound(errors: int, kept: int, delta: float) -> float:
    """The Clopper-Pearson upper bound of a risk: the largest that makes so few errors not too
    surprising.

    Arguments:
        errors: Wrong answers.
        kept: Answers.
        delta: Probability with which the bound may fail.
    """
    from scipy.stats import beta

    # beta.ppf has no answer where nothing was right
    return 1.0 if errors >= kept else float(beta.ppf(1 - delta, errors + 1, kept - errors))


def threshold_for_risk(
    confidence: Float[np.ndarray, " s"],
    right: Bool[np.ndarray, " s"],
    target: float,
    *,
    delta: float = 0.05,
    levels: int = 20,
    least: float = 0.0,
) -> RiskThreshold:
    """The threshold with the greatest coverage whose risk is at most `target`, with probability 1 −
    δ.

    Arguments:
        confidence: Probability of each answer to a development post.
        right: Whether each is right.
        target: The risk that is accepted, 0 to 1.
        delta: Probability with which the promise may fail.
        levels: How many coverages are tried, $L$: 1/L, 2/L, … 1.
        least: The lowest threshold; coverages below it are tried at it.

    Returns:
        The threshold; where no coverage keeps the target, the one with the lowest bound, and `met`
        false.

    Raises:
        InputError: If there are no posts, or a number is out of range.
    """
    _check(confidence, right)
    if not (0 < target < 1 and 0 < delta < 1 and levels >= 1):
        raise InputError(
            f"target {target} and delta {delta} must lie between 0 and 1 and levels ({levels}) be at least 1"
        )
    ranked = np.sort(confidence)[::-1]
    cuts = ranked[
        np.maximum(1, np.ceil(len(ranked) * np.arange(1, levels + 1) / levels).astype(np.int64)) - 1
    ]
    tried_at = np.unique(np.maximum(cuts, least))
    # δ is shared among the cuts, also where some fall on one confidence: cautious, never bold
    tried = [_bounded(float(cut), confidence, right, target, delta / levels) for cut in tried_at]
    good = [t for t in tried if t.met]
    return max(good, key=lambda t: t.coverage) if good else min(tried, key=lambda t: t.bound)


def selective_scores(
    confidence: Float[np.ndarray, " s"], right: Bool[np.ndarray, " s"], threshold: float
) -> SelectiveScores:
    """Coverage and risk of a threshold, beside the whole curve's area.

    Raises:
        InputError: If there are no posts or the arguments differ in length.
    """
    curve = risk_coverage(confidence, right)
    kept = confidence >= threshold
    return SelectiveScores(
        threshold=threshold,
        coverage=float(kept.mean()),
        risk=float((~right[kept]).mean()) if kept.any() else None,
        aurc=curve.aurc,
        aurc_oracle=curve.aurc_oracle,
    )


def _bounded(
    cut: float,
    confidence: Float[np.ndarray, " s"],
    right: Bool[np.ndarray, " s"],
    target: float,
    delta: float,
) -> RiskThreshold:
    kept = confidence >= cut
    errors = int((~right[kept]).sum())
    bound = risk_upper_bound(errors, int(kept.sum()), delta)
    # none is kept where even the surest is below the lowest threshold
    risk = errors / max(1, int(kept.sum()))
    return RiskThreshold(
        threshold=cut, coverage=float(kept.mean()), risk=risk, bound=bound, target=target, met=bound <= target
    )


def _check(confidence: Float[np.ndarray, " s"], right: Bool[np.ndarray, " s"]) -> None:
    if len(confidence) != len(right):
        raise InputError(f"{len(confidence)} confidences were given for {len(right)} answers; give one each")
    if len(right) == 0:
        raise InputError("there are no answers to draw a risk-coverage curve of; give at least one")
    if not np.isfinite(confidence).all():
        raise InputError("a confidence is not a number; give probabilities")
