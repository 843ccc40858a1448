r"""Calibration: whether a probability of 0.8 is right four times in five, and the one number that
mends most of it.

With confidence $\hat p_i = \max_c p_{ic}$, answer $\hat y_i$ and bins $B$ of posts,

$$\text{ECE} = \sum_B \frac{|B|}{n} \Big|\operatorname*{mean}_{i \in B} 1[\hat y_i = y_i] -
\operatorname*{mean}_{i \in B} \hat p_i\Big|,$$
$$\text{Brier} = \operatorname*{mean}_i \sum_c (p_{ic} - 1[y_i = c])^2, \qquad \text{NLL} =
-\operatorname*{mean}_i \log p_{i y_i}.$$

Bins are of equal width (the published ECE) or hold equally many posts (adaptive: less noise where
posts are few). Temperature $\tau$ divides the logits $\ell$. In $\beta = 1/\tau$ the NLL is convex,
and its derivative is a difference of means,

$$f'(\beta) = \operatorname*{mean}_i \Big( \sum_c \operatorname{softmax}(\beta \ell_i)_c\, \ell_{ic} - \ell_{i
y_i} \Big),$$

which grows with β: its root is unique and found by bracketing (Brent); no step size, no local
minimum.

Sources: Guo et al., On Calibration of Modern Neural Networks, 2017,
https://arxiv.org/abs/1706.04599 (ECE, temperature); Nguyen and O'Connor, 2015,
https://arxiv.org/abs/1508.05154 (adaptive bins); Brier 1950. Guo et al. optimize τ by L-BFGS; the
root is the same.

Abstention, which needs calibrated confidence, stands in `abstention`; its two functions are offered
here as well.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.evaluation.abstention import risk_coverage, threshold_for_risk
from crisislens.evaluation.checks import check_labels, check_logits, check_probabilities

__all__ = [
    "TEMPERATURES",
    "CalibrationScores",
    "ReliabilityBin",
    "brier_score",
    "calibration_scores",
    "expected_calibration_error",
    "fit_temperature",
    "negative_log_likelihood",
    "reliability",
    "risk_coverage",
    "softmax",
    "threshold_for_risk",
]

TEMPERATURES = (0.05, 20.0)
"""The range of τ: outside of it there is no calibration to speak of, only separable or random
development posts.
"""
_TINY = 1e-12


class ReliabilityBin(NamedTuple):
    """One bar of a reliability diagram.

    Attributes:
        low: Lower edge of the bin (of equal width) or its least confidence (adaptive).
        high: Upper edge or greatest confidence.
        posts: Posts in it.
        confidence: Their mean confidence.
        accuracy: The share that is right.
    """

    low: float
    high: float
    posts: int
    confidence: float
    accuracy: float


class CalibrationScores(BaseModel):
    """How honest probabilities are; 0 is best everywhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ece: float
    """Expected calibration error, 15 bins of equal width."""
    ece_adaptive: float
    """The same, 15 bins of equally many posts."""
    brier: float
    """Summed over classes: 0 to 2."""
    nll: float
    """In nats."""


def softmax(logits: Float[np.ndarray, "s c"], temperature: float = 1.0) -> Float[np.ndarray, "s c"]:
    """Probabilities of logits divided by a temperature, in float64."""
    scaled = logits.astype(np.float64) / temperature
    p: Float[np.ndarray, "s c"] = np.exp(scaled - scaled.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p


def reliability(
    probabilities: Float[np.ndarray, "s c"],
    y: Int[np.ndarray, " s"],
    bins: int = 15,
    *,
    adaptive: bool = False,
) -> list[ReliabilityBin]:
    """Confidence against accuracy, bin by bin; bins without posts are left out.

    Arguments:
        probabilities: For each post the probability of each class.
        y: The true class of each post.
        bins: The number of bins.
        adaptive: Whether bins hold equally many posts instead of having equal width.

    Raises:
        InputError: If the arguments do not fit together.
    """
    confidence, right = _answers(probabilities, y, bins)
    if adaptive:
        order = np.argsort(confidence, kind="stable")
        members = [part for part in np.array_split(order, bins) if len(part)]
        edges = [(float(confidence[part].min()), float(confidence[part].max())) for part in members]
    else:
        # the last bin is closed: confidence 1 belongs to it
        which = np.minimum((confidence * bins).astype(np.int64), bins - 1)
        members = [np.flatnonzero(which == b) for b in np.unique(which)]
        edges = [(float(b) / bins, float(b + 1) / bins) for b in np.unique(which)]
    return [
        ReliabilityBin(low, high, len(part), float(confidence[part].mean()), float(right[part].mean()))
        for part, (low, high) in zip(members, edges, strict=True)
    ]


def expected_calibration_error(
    probabilities: Float[np.ndarray, "s c"],
    y: Int[np.ndarray, " s"],
    bins: int = 15,
    *,
    adaptive: bool = False,
) -> float:
    """ECE of the most probable class; 0 is honest, 1 as wrong as can be.

    >>> round(expected_calibration_error(np.array([[0.7, 0.3], [0.7, 0.3]]), np.array([0, 1])), 6)
    0.2

    Raises:
        InputError: If the arguments do not fit together.
    """
    found = reliability(probabilities, y, bins, adaptive=adaptive)
    return sum(b.posts * abs(b.accuracy - b.confidence) for b in found) / len(y)


def brier_score(probabilities: Float[np.ndarray, "s c"], y: Int[np.ndarray, " s"]) -> float:
    """Squared distance of the probabilities to the truth, summed over classes: 0 to 2."""
    _answers(probabilities, y, 1)
    return float(((probabilities - np.eye(probabilities.shape[1])[y]) ** 2).sum(1).mean())


def negative_log_likelihood(probabilities: Float[np.ndarray, "s c"], y: Int[np.ndarray, " s"]) -> float:
    """Mean surprise at the true class, in nats; a probability of 0 counts as 1e-12."""
    _answers(probabilities, y, 1)
    return float(-np.log(np.maximum(probabilities[np.arange(len(y)), y], _TINY)).mean())


def calibration_scores(
    probabilities: Float[np.ndarray, "s c"], y: Int[np.ndarray, " s"]
) -> CalibrationScores:
    """All scores of this module at once."""
    return CalibrationScores(
        ece=expected_calibration_error(probabilities, y),
        ece_adaptive=expected_calibration_error(probabilities, y, adaptive=True),
        brier=brier_score(probabilities, y),
        nll=negative_log_likelihood(probabilities, y),
    )


def fit_temperature(logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, " s"]) -> float:
    """The temperature τ that makes labels of held-out posts most likely; above 1 where the model is
    too sure of itself.

    >>> round(fit_temperature(np.array([[2.0, 0.0]] * 4), np.array([0, 0, 0, 1])), 6)  # 2 / log(3)
    1.820478

    Arguments:
        logits: For each post the logit of each class.
        y: The true class of each post.

    Returns:
        τ, kept within `TEMPERATURES`: the lower end where every post is right, the upper where the
            logits say
        nothing or less.

    Raises:
        InputError: If the arguments do not fit together.
    """
    from scipy.optimize import brentq

    check_labels(y, posts=len(logits), classes=logits.shape[1])
    check_logits(logits)
    z = logits.astype(np.float64)
    z_true = z[np.arange(len(y)), y]

    def slope(beta: float) -> float:
        return float(((softmax(z, 1 / beta) * z).sum(1) - z_true).mean())

    coldest, hottest = TEMPERATURES
    if slope(1 / hottest) >= 0:
        return hottest
    if slope(1 / coldest) <= 0:
        return coldest
    return float(1 / brentq(slope, 1 / hottest, 1 / coldest, xtol=1e-12))


def _answers(
    probabilities: Float[np.ndarray, "s c"], y: Int[np.ndarray, " s"], bins: int
) -> tuple[Float[np.ndarray, " s"], Bool[np.ndarray, " s"]]:
    """Confidence of each post and whether its answer is right."""
    if bins < 1:
        raise InputError(f"{bins} bins were asked for; calibration needs at least 1, 15 is usual")
    check_labels(y, posts=len(probabilities), classes=probabilities.shape[1])
    check_probabilities(probabilities)
    return probabilities.max(1), probabilities.argmax(1) == y
