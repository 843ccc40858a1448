r"""Two classifiers' opinions as one: the logarithmic opinion pool.

$$p_w(c) \propto p_a(c)^{1-w}\; p_b(c)^{w}$$

with calibrated $p_a, p_b$ and one weight $w \in [0, 1]$, chosen on development posts. A text
encoder and TF-IDF err on different posts: one knows paraphrases, the other place names and rare
words. Source: Genest & Zidek 1986, "Combining probability distributions".
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from crisislens.evaluation.scores import confusion_cells, weighted_f1

__all__ = ["choose_weight", "pool"]

GRID = tuple(i / 10 for i in range(11))


def pool(a: Float[np.ndarray, "s c"], b: Float[np.ndarray, "s c"], weight: float) -> Float[np.ndarray, "s c"]:
    """The pool $p_w$ of s posts over c classes.

    >>> pool(np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]]), 0.5).round(3).tolist()
    [[0.5, 0.5]]

    Arguments:
        a: Calibrated probabilities of the first.
        b: Of the second.
        weight: $w$; 0 is the first alone, 1 the second.

    Raises:
        ValueError: If the weight is not in [0, 1] or the shapes differ.
    """
    if not 0 <= weight <= 1 or a.shape != b.shape:
        raise ValueError(
            f"expected a weight in [0, 1] and equal shapes, got {weight}, {a.shape} and {b.shape}"
        )
    tiny = np.finfo(np.float64).tiny
    logs = (1 - weight) * np.log(np.maximum(a, tiny)) + weight * np.log(np.maximum(b, tiny))
    p: Float[np.ndarray, "s c"] = np.exp(logs - logs.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p


def choose_weight(
    y: Int[np.ndarray, " s"], several_a: Sequence[Float[np.ndarray, "s c"]], b: Float[np.ndarray, "s c"]
) -> float:
    """The weight in 0, 0.1, …, 1 with the highest mean weighted F1 over several first classifiers
    (seeds); of equals the smallest.

    Arguments:
        y: Classes of development posts.
        several_a: Calibrated probabilities of each seed of the first classifier.
        b: Calibrated probabilities of the second.
    """
    c = b.shape[1]

    def mean_f1(weight: float) -> float:
        cells = [confusion_cells(y, pool(a, b, weight).argmax(1), c) for a in several_a]
        counts = np.stack([np.bincount(x, minlength=c * c).reshape(c, c) for x in cells]).astype(np.float64)
        return float(weighted_f1(counts).mean())

    return max(GRID, key=lambda w: (mean_f1(w), -w))
