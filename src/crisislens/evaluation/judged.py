"""Logits read as answers: with which temperature, how sure, right or wrong, and from which confidence on they
are given.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from crisislens.domain.task import Task
from crisislens.evaluation.abstention import LIKELIER_RIGHT, RiskThreshold, threshold_for_risk
from crisislens.evaluation.calibration import TEMPERATURES, fit_temperature, softmax
from crisislens.evaluation.several import (
    HOLDS,
    fit_several_temperature,
    held_logits,
    set_confidence,
    several_probabilities,
)

__all__ = ["Judged", "judged", "read_off"]


@dataclass(frozen=True)
class Judged:
    """Logits read as answers.

    Attributes:
        probabilities: For each post the calibrated probability of each class.
        confidence: How sure each answer is.
        right: Whether it is right.
    """

    probabilities: Float[np.ndarray, "s c"]
    confidence: Float[np.ndarray, " s"]
    right: Bool[np.ndarray, " s"]


def judged(
    logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], *, space: Task, temperature: float
) -> Judged:
    """Answers with how sure they are, against the labels, as the product gives them
    (`pipeline.judgment`).

    Arguments:
        logits: For each post the logit of each class.
        y: The class of each post, or a row of zeros and ones where several may hold.
        space: The labels: whether several may hold, and which lie within others.
        temperature: Divides the logits.
    """
    if space.several:
        p = several_probabilities(held_logits(logits, space.outer), temperature)
        right = ((p >= HOLDS) == (y == 1)).all(1)
        return Judged(p, set_confidence(p), right)
    p = softmax(logits, temperature)
    return Judged(p, p.max(1), p.argmax(1) == y)


def read_off(
    logits: Float[np.ndarray, "s c"],
    y: Int[np.ndarray, "s ..."],
    target: float,
    *,
    delta: float,
    space: Task,
) -> tuple[float, RiskThreshold]:
    """The temperature and the threshold that labeled posts ask for.

    Arguments:
        logits: For each post the logit of each class.
        y: Its class, or a row of zeros and ones where several may hold.
        target: The risk that is accepted, 0 to 1.
        delta: Probability with which its promise may fail.
        space: The labels: whether several may hold, and which lie within others.

    Raises:
        InputError: If the arguments do not fit together.
    """
    held = held_logits(logits, space.outer) if space.several else logits
    temperature = _temperature(held, y, several=space.several)
    found = judged(held, y, space=space, temperature=temperature)
    # on probabilities after the temperature, as the product compares them with the threshold
    # a whole set of labels may be given although it is likelier not right in each of them
    least = 0.0 if space.several else LIKELIER_RIGHT
    return temperature, threshold_for_risk(found.confidence, found.right, target, delta=delta, least=least)


def _temperature(logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s ..."], *, several: bool) -> float:
    r"""The temperature of development posts, also where every one of them is told apart.

    Then the likelihood has no maximum, and a few dozen posts would make every answer certain. As
    Platt's targets do (Probabilistic Outputs for Support Vector Machines, 1999, sec. 2.2), one post
    more is thought of that the logits say nothing of: n answers are right to n / (n + 1), and the
    rest is spread evenly.
    """
    from scipy.optimize import brentq

    fitted = fit_several_temperature(logits, y) if several else fit_temperature(logits, y)
    coldest, hottest = TEMPERATURES
    # the fit ran into its bound only where every post is right
    if fitted > coldest:
        return fitted
    z = logits.astype(np.float64)
    held = y.astype(np.float64) if several else np.eye(z.shape[1])[y]
    # the one post more, spread over all
    doubt = 1 / (len(z) + 1)
    target = (1 - doubt) * held + doubt * (0.5 if several else 1 / z.shape[1])

    def slope(beta: float) -> float:
        p = several_probabilities(z, 1 / beta) if several else softmax(z, 1 / beta)
        return float(((p - target) * z).mean())

    if slope(1 / hottest) >= 0 or slope(1 / coldest) <= 0:
        return fitted
    return float(1 / brentq(slope, 1 / hottest, 1 / coldest, xtol=1e-12))
