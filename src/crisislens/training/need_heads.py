r"""Heads for questions with yes or no of which few rows say yes: one logistic regression each, with a
strength of its own and a threshold that F1 chose.

For question $q$, on the rows that answer it, $\ell = w \cdot x + b$ minimizes

$$\tfrac12 \lVert w \rVert^2 + C_q \sum_i \log\big(1 + e^{-(2 y_i - 1)\,\ell_i}\big).$$

A head of a rare need is rarely surer than one half, so at one half it finds nothing. Each row is therefore
scored by a head that did not see its fold; $C_q$ has the best average precision there, and

$$t_q = \arg\max_t\ \tfrac1F \sum_f F_1(\ell > t\ \text{on fold}\ f), \qquad b \leftarrow b - t_q$$

moves the best threshold to one half. The mean over folds, and not the F1 of all rows at once, because each
fold's head has its own scale. Rows of another kind that are never trained on can have a say: among
strengths, and then among thresholds, that are nearly as good as the best on the folds, they choose. Our own
choice, no paper; Lipton et al. 2014, https://arxiv.org/abs/1402.1892, show why F1 wants a threshold below
one half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from crisislens.core.errors import InputError

__all__ = ["SLACK", "STRENGTHS", "YesNoHead", "fit_head", "fit_heads", "folds_of", "threshold_for_f1"]

STRENGTHS = (0.0003, 0.003, 0.03)
"""Values of C that are tried, for standardized vectors of some hundred components."""
FEWEST = 10
"""Yes rows below which nothing is chosen: the middle strength, and the threshold stays."""
SLACK = 0.02
"""How much F1 or average precision on the folds may cost what other rows choose."""


@dataclass(frozen=True)
class YesNoHead:
    """A linear head of one question.

    Attributes:
        weight: Of the standardized vector, shape (d,).
        bias: With the threshold taken off: yes where the logit is above 0.
        strength: The C that was chosen.
        threshold: What was taken off the bias; 0 where too few rows said yes.
        f1: At the threshold on rows that the heads did not see, mean over folds; NaN where not chosen.
        average_precision: Of the chosen strength, on the same rows; NaN where not chosen.
        yes: How many rows said yes.
    """

    weight: Float[np.ndarray, " d"]
    bias: float
    strength: float
    threshold: float
    f1: float
    average_precision: float
    yes: int


Group = TypeVar("Group", str, int)


def folds_of(groups: Sequence[Group], count: int, *, seed: int = 0) -> Int[np.ndarray, " s"]:
    """A fold for each row; rows of one group (a message and its translation) share theirs.

    >>> folds_of(["a", "b", "a"], 2).tolist() in ([0, 1, 0], [1, 0, 1])
    True
    """
    # not an array of strings: each would be as wide as the longest, 12 GB for the wordings of 60,000 texts
    order = {group: i for i, group in enumerate(sorted(set(groups)))}
    place = np.array([order[group] for group in groups])
    shuffled = np.random.default_rng(seed).permutation(len(order)) % count
    folds: Int[np.ndarray, " s"] = shuffled[place]
    return folds


def threshold_for_f1(
    logits: Float[np.ndarray, " s"],
    y: Int[np.ndarray, " s"],
    folds: Int[np.ndarray, " s"],
    counts: Float[np.ndarray, " s"] | None = None,
    beside: tuple[Float[np.ndarray, " t"], Int[np.ndarray, " t"]] | None = None,
) -> tuple[float, float]:
    """The threshold with the best mean F1 over folds that hold a yes, and that F1.

    Arguments:
        logits: Of rows that the heads did not see.
        y: 0 or 1.
        folds: The fold of each row.
        counts: How many rows of the source each stands for; one where it is not given.
        beside: Logits and answers of rows of another kind: the threshold with their best F1 is chosen among
            those that are at most `SLACK` worse on the folds. Not used where none of them says yes.

    Raises:
        InputError: If no row says yes.
    """
    stands = np.ones(len(y)) if counts is None else counts
    used = [folds == f for f in np.unique(folds) if y[folds == f].any()]
    if not used:
        raise InputError(f"expected rows that say yes, got {len(y)} rows without one; leave the question out")
    # a threshold for each row would be as many as rows; the upper ones matter where few say yes
    grid = np.unique(np.quantile(logits, 1.0 - np.geomspace(1.0, 1.0 / len(logits), 200)))
    means = [float(np.mean([_f1(y[rows], logits[rows] > t, stands[rows]) for rows in used])) for t in grid]
    # neighbors' mean: the single best of two hundred is luck where few rows say yes
    smooth = np.convolve(np.pad(means, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    best = int(np.argmax(smooth))
    if beside is not None and beside[1].any():
        near = np.flatnonzero(smooth >= smooth[best] - SLACK)
        others = [_f1(beside[1], beside[0] > grid[i], np.ones(len(beside[1]))) for i in near]
        # of those that tie, the one that is best on the folds
        best = int(max(zip(others, smooth[near], near, strict=True))[2])
    return float(grid[best]), means[best]


def fit_head(
    x: Float[np.ndarray, "s d"],
    y: Int[np.ndarray, " s"],
    folds: Int[np.ndarray, " s"],
    *,
    counts: Float[np.ndarray, " s"] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    probe: tuple[Float[np.ndarray, "t d"], Int[np.ndarray, " t"]] | None = None,
) -> YesNoHead:
    """A head of one question, its strength and threshold chosen by cross-validation.

    Arguments:
        x: Standardized vectors.
        y: 1 for yes, 0 for no, −1 where the row leaves the question open.
        folds: The fold of each row, see `folds_of`.
        counts: How many rows of the source each stands for, where a draw took more of one kind than of
            another: a threshold that is right among drawn rows is too low among all. 0 for rows that are
            trained on and choose nothing, such as made-up ones. One where it is not given.
        strengths: Values of C to choose from.
        probe: Standardized vectors and answers of rows of another kind, which the head is not trained on:
            they choose among strengths and thresholds that are at most `SLACK` worse without them.

    Raises:
        InputError: If not both answers occur.
    """
    known = y >= 0
    if len(np.unique(y[known])) < 2:
        raise InputError(f"expected rows that say yes and rows that say no, got {np.unique(y[known])} alone")
    stands = np.ones(len(y)) if counts is None else counts
    chooses = known & (stands > 0)
    weight, yes = strengths[len(strengths) // 2], int((y == 1).sum())
    threshold, best, precision = 0.0, float("nan"), float("nan")
    scored: dict[float, Float[np.ndarray, " s"]] = {}
    seen, share = y[chooses], stands[chooses]
    if (seen == 1).sum() >= FEWEST:
        scored = {c: _unseen(x, y, folds, known, c) for c in strengths}
        precisions = {
            c: float(average_precision_score(seen, z[chooses], sample_weight=share))
            for c, z in scored.items()
        }
        weight = _strength(x[known], y[known], precisions, probe)
        precision = precisions[weight]
    fitted = _fit(x[known], y[known], weight)
    if scored:
        beside = None if probe is None else (fitted.decision_function(probe[0]), probe[1])
        threshold, best = threshold_for_f1(scored[weight][chooses], seen, folds[chooses], share, beside)
    return YesNoHead(
        fitted.coef_[0], float(fitted.intercept_[0]) - threshold, weight, threshold, best, precision, yes
    )


def fit_heads(
    x: Float[np.ndarray, "s d"],
    answers: Mapping[str, Int[np.ndarray, " s"]],
    folds: Int[np.ndarray, " s"],
    *,
    counts: Float[np.ndarray, " s"] | None = None,
    strengths: Sequence[float] = STRENGTHS,
) -> dict[str, YesNoHead]:
    """A head for each question, see `fit_head`.

    Arguments:
        x: Standardized vectors.
        answers: By question, 1, 0 or −1 for each row.
        folds: The fold of each row.
        counts: How many rows of the source each stands for, see `fit_head`.
        strengths: Values of C to choose from.

    Raises:
        InputError: If a question has not both answers.
    """
    return {q: fit_head(x, y, folds, counts=counts, strengths=strengths) for q, y in answers.items()}


def _strength(
    x: Float[np.ndarray, "s d"],
    y: Int[np.ndarray, " s"],
    precisions: Mapping[float, float],
    probe: tuple[Float[np.ndarray, "t d"], Int[np.ndarray, " t"]] | None,
) -> float:
    best = max(precisions, key=lambda c: precisions[c])
    near = [c for c in precisions if precisions[c] >= precisions[best] - SLACK]
    if probe is None or not probe[1].any() or len(near) == 1:
        return best
    rows, answers = probe
    return max(near, key=lambda c: average_precision_score(answers, _fit(x, y, c).decision_function(rows)))


def _unseen(
    x: Float[np.ndarray, "s d"],
    y: Int[np.ndarray, " s"],
    folds: Int[np.ndarray, " s"],
    known: Bool[np.ndarray, " s"],
    strength: float,
) -> Float[np.ndarray, " s"]:
    logits = np.zeros(len(y))
    for fold in np.unique(folds):
        held, seen = folds == fold, known & (folds != fold)
        if len(np.unique(y[seen])) == 2:
            logits[held] = _fit(x[seen], y[seen], strength).decision_function(x[held])
    return logits


def _fit(x: Float[np.ndarray, "s d"], y: Int[np.ndarray, " s"], strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(x, y)


def _f1(y: Int[np.ndarray, " s"], said: Bool[np.ndarray, " s"], stands: Float[np.ndarray, " s"]) -> float:
    hits = float(stands[said & (y == 1)].sum())
    return 2 * hits / max(1e-9, float(stands[said].sum() + stands[y == 1].sum()))
