r"""Scores as functions of the confusion matrix, for many matrices at once: what the bootstrap needs
a thousand times.

For $N \in \mathbb{N}^{c \times c}$ with $N_{ij}$ posts of class $i$ called $j$, $n = \sum N$,
support $s_i = \sum_j N_{ij}$ and $m_j = \sum_i N_{ij}$,

$$\text{accuracy} = \tfrac1n \sum_i N_{ii}, \quad F_i = \frac{2 N_{ii}}{s_i + m_i}, \quad
  F_\text{macro} = \operatorname*{mean}_{i:\, s_i + m_i > 0} F_i, \quad F_\text{weighted} = \tfrac1n \sum_i
  s_i F_i,$$

$$\kappa_w = 1 - \frac{\sum_{ij} w_{ij} N_{ij}}{\sum_{ij} w_{ij} s_i m_j / n},\; w_{ij} = (i - j)^2, \qquad
  \text{MAE} = \tfrac1n \sum_{ij} |i - j|\, N_{ij}.$$

The macro mean goes over classes that occur among labels or answers, as scikit-learn's does (and so
the published numbers). Quadratic kappa: Cohen 1968, https://doi.org/10.1037/h0026256; it is 1 where
labels and answers are one and the same class throughout (0/0).

Reported values come from scikit-learn; the tests hold these formulas against it. Only resamples use
them.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from crisislens.core.registry import Registry

__all__ = [
    "SCORES",
    "accuracy",
    "confusion_cells",
    "macro_f1",
    "mean_absolute_error",
    "quadratic_kappa",
    "weighted_f1",
]

Score = Callable[[Float[np.ndarray, "*r c c"]], Float[np.ndarray, "*r"]]
SCORES: Registry[Score] = Registry("score", "crisislens.scores")
"""Scores by name; all but the mean absolute error grow with quality."""


def confusion_cells(
    y: Int[np.ndarray, " s"], predicted: Int[np.ndarray, " s"], classes: int
) -> Int[np.ndarray, " s"]:
    """The cell of the flattened confusion matrix that each post falls into: $i c + j$."""
    return np.asarray(y * classes + predicted)


@SCORES.register("accuracy")
def accuracy(n: Float[np.ndarray, "*r c c"]) -> Float[np.ndarray, "*r"]:
    """Share of posts called by their class."""
    return np.asarray(np.trace(n, axis1=-2, axis2=-1) / n.sum((-2, -1)))


@SCORES.register("macro_f1")
def macro_f1(n: Float[np.ndarray, "*r c c"]) -> Float[np.ndarray, "*r"]:
    """Mean F1 of the classes that occur."""
    f, occurs = _f1(n)
    return np.asarray(f.sum(-1) / occurs.sum(-1))


@SCORES.register("weighted_f1")
def weighted_f1(n: Float[np.ndarray, "*r c c"]) -> Float[np.ndarray, "*r"]:
    """Mean F1 over posts: each class counts by its support."""
    f, _ = _f1(n)
    return np.asarray((f * n.sum(-1)).sum(-1) / n.sum((-2, -1)))


@SCORES.register("quadratic_kappa")
def quadratic_kappa(n: Float[np.ndarray, "*r c c"]) -> Float[np.ndarray, "*r"]:
    """Agreement beyond chance on a scale of classes."""
    w = _distance(n.shape[-1]) ** 2
    # what independent raters with these margins would show
    expected = np.einsum("...i,...j,ij->...", n.sum(-1), n.sum(-2), w) / n.sum((-2, -1))
    seen = (n * w).sum((-2, -1))
    # where labels and answers are all one class, both are 0: perfect agreement
    return np.where(expected > 0, 1 - seen / np.where(expected > 0, expected, 1), 1.0)


@SCORES.register("mean_absolute_error")
def mean_absolute_error(n: Float[np.ndarray, "*r c c"]) -> Float[np.ndarray, "*r"]:
    """Mean number of steps on the scale between label and answer."""
    return np.asarray((n * _distance(n.shape[-1])).sum((-2, -1)) / n.sum((-2, -1)))


def _f1(n: Float[np.ndarray, "*r c c"]) -> tuple[Float[np.ndarray, "*r c"], Float[np.ndarray, "*r c"]]:
    right = np.diagonal(n, axis1=-2, axis2=-1)
    total = n.sum(-1) + n.sum(-2)
    # a class that is neither marked nor answered in a resample has no F1, and no part in a mean
    occurs = total > 0
    return 2 * right / np.where(occurs, total, 1), occurs.astype(n.dtype)


def _distance(c: int) -> Float[np.ndarray, "c c"]:
    i = np.arange(c, dtype=np.float64)
    return np.asarray(np.abs(i[:, None] - i[None, :]))
