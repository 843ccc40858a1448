r"""Rationales against people, and against the model that they explain.

Agreement. With the marked words $Y$ and the chosen ones $\hat Y$ of a post,

$$F_1 = \frac{2\,|Y \cap \hat Y|}{|Y| + |\hat Y|},$$

averaged over posts. IoU F1 (DeYoung et al. 2020, Sec. 3): stretches $\hat s$ and $s$ match if
$|\hat s \cap s| / |\hat s \cup s| \geq 0.5$; precision is the share of chosen stretches that match
one marked, recall the share of marked ones that are matched, F1 of the two over all posts. AUPRC:
the area under precision and recall of each post's words ranked by probability (average precision),
averaged over posts with words of both kinds.

Faithfulness (DeYoung et al. 2020, Eq. 1 and 2). For the class $c = \operatorname{argmax} p(x)$ of a
post x with rationale r,

$$\text{comprehensiveness} = p_c(x) - p_c(x \setminus r), \qquad \text{sufficiency} = p_c(x) - p_c(r):$$

a faithful rationale has a high first (without it the model changes its mind) and a low second (it
alone is enough). Both must be read beside those of random words and of all words, since removing
more changes more.

Deletion and insertion curves (Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421): p_c while the
most important words or patches go, or come back into nothing, a share at a time; their areas.

Collage pointing (ours, after the grid pointing game of Böhle et al. 2021,
https://arxiv.org/abs/2104.00032): a picture with the evidence stands in one cell of a g × g
collage; the share of the heat in that cell, and how often the hottest cell is that one (chance
1/g²).

Source: DeYoung et al., ERASER, ACL 2020, https://aclanthology.org/2020.acl-main.408.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from crisislens.evaluation.classification import Estimate
from crisislens.evaluation.resampling import interval

__all__ = [
    "Agreement",
    "Faithfulness",
    "PointingScore",
    "agreement",
    "curve_area",
    "faithfulness",
    "iou_counts",
    "mean_estimate",
    "pointing",
    "random_like",
    "token_f1",
]

WordMask = Bool[np.ndarray, " w"]
AnyWords = Bool[np.ndarray, "_"]  # texts differ in length


class Agreement(NamedTuple):
    """How rationales agree with people's, each with its 95 % bootstrap interval over posts."""

    token_f1: Estimate
    iou_f1: Estimate
    auprc: Estimate


class Faithfulness(NamedTuple):
    """Comprehensiveness and sufficiency, means over posts with 95 % bootstrap intervals."""

    comprehensiveness: Estimate
    sufficiency: Estimate


class PointingScore(NamedTuple):
    """Collage pointing: the share of collages whose hottest cell is the right one, the mean share
    of heat in it, and chance.
    """

    hits: Estimate
    share: Estimate
    chance: float


def token_f1(marked: WordMask, chosen: WordMask) -> float:
    """The F1 of chosen against marked words; 1 where both are empty, 0 where one is.

    >>> token_f1(np.array([True, True, False]), np.array([True, False, False]))
    0.6666666666666666
    """
    # nothing marked and nothing chosen is agreement, too
    total = int(marked.sum() + chosen.sum())
    return 1.0 if total == 0 else 2 * int((marked & chosen).sum()) / total


def iou_counts(marked: WordMask, chosen: WordMask, threshold: float = 0.5) -> tuple[int, int, int, int]:
    """Stretches of one post: chosen ones that match, chosen ones, marked ones that are matched,
    marked ones.

    >>> iou_counts(np.array([True, True, False, True]), np.array([True, True, True, False]))
    (1, 1, 1, 2)
    """
    ours, theirs = _stretches(chosen), _stretches(marked)
    found, covered = set(), set()
    # by place and not by stretch: a stretch may match several and still counts once
    for i, a in enumerate(ours):
        for j, b in enumerate(theirs):
            if _alike(a, b, threshold):
                found.add(i)
                covered.add(j)
    return len(found), len(ours), len(covered), len(theirs)


def _alike(a: tuple[int, int], b: tuple[int, int], threshold: float) -> bool:
    """Whether two stretches overlap, by at least a share of what both cover together."""
    shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    together = a[1] - a[0] + b[1] - b[0] - shared
    return shared > 0 and shared >= threshold * together


def _stretches(words: WordMask) -> list[tuple[int, int]]:
    # a False at both sides, so that a stretch at an edge begins and ends too
    edges = np.flatnonzero(np.diff(np.concatenate([[0], words.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def agreement(
    marked: Sequence[AnyWords],
    chosen: Sequence[AnyWords],
    probability: Sequence[Float[np.ndarray, " _"]],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Agreement of rationales with people's.

    Arguments:
        marked: Of each post, which words a person marked.
        chosen: Which words were chosen.
        probability: The importance of each word, for the ranking.
        resamples: Resamples of posts for the intervals.
        seed: Of the resamples.
    """
    from sklearn.metrics import average_precision_score

    f1 = np.array([token_f1(y, z) for y, z in zip(marked, chosen, strict=True)])
    counts = np.array([iou_counts(y, z) for y, z in zip(marked, chosen, strict=True)], dtype=np.float64)
    # average precision says nothing where all words are evidence, or none
    mixed = [(y, p) for y, p in zip(marked, probability, strict=True) if y.any() and not y.all()]
    ranked = np.array([average_precision_score(y, p) for y, p in mixed])
    drawn = np.random.default_rng(seed).integers(len(counts), size=(resamples, len(counts)))
    low, high = interval(np.array([_iou_f1(counts[rows].sum(0)) for rows in drawn]))
    iou = Estimate(value=_iou_f1(counts.sum(0)), low=low, high=high)
    return Agreement(
        mean_estimate(f1, resamples=resamples, seed=seed),
        iou,
        mean_estimate(ranked, resamples=resamples, seed=seed),
    )


def _iou_f1(counts: Float[np.ndarray, " 4"]) -> float:
    found, ours, covered, theirs = counts
    precision, recall = found / max(1.0, ours), covered / max(1.0, theirs)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def mean_estimate(values: Float[np.ndarray, " s"], *, resamples: int = 1000, seed: int = 0) -> Estimate:
    """A mean with its 95 % bootstrap interval; all zero where there are no values."""
    if not len(values):
        return Estimate(value=0.0, low=0.0, high=0.0)
    drawn = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))
    low, high = interval(values[drawn].mean(1))
    return Estimate(value=float(values.mean()), low=low, high=high)


def faithfulness(
    full: Float[np.ndarray, "s c"],
    without: Float[np.ndarray, "s c"],
    only: Float[np.ndarray, "s c"],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Faithfulness:
    """Comprehensiveness and sufficiency of the class that the whole post is given.

    Arguments:
        full: Probabilities for whole posts.
        without: For posts without their rationales.
        only: For rationales alone.
        resamples: Resamples of posts for the intervals.
        seed: Of the resamples.
    """
    # the class of the whole post in all three: what it becomes without its rationale is not the question
    rows, best = np.arange(len(full)), full.argmax(1)
    p, p_without, p_only = (x[rows, best] for x in (full, without, only))
    return Faithfulness(
        mean_estimate(p - p_without, resamples=resamples, seed=seed),
        mean_estimate(p - p_only, resamples=resamples, seed=seed),
    )


def random_like(chosen: WordMask, *, allowed: WordMask | None = None, seed: int = 0) -> WordMask:
    """As many random words as were chosen: the baseline of the same size.

    Arguments:
        chosen: The chosen words.
        allowed: From which to draw; all where None.
        seed: Of the draw.
    """
    pool = np.arange(len(chosen)) if allowed is None else np.flatnonzero(allowed)
    drawn = np.zeros(len(chosen), dtype=bool)
    # without replacement: as many words as were chosen, not at most
    drawn[np.random.default_rng(seed).permutation(pool)[: int(chosen.sum())]] = True
    return drawn


def curve_area(shares: Float[np.ndarray, " k"], values: Float[np.ndarray, " k"]) -> float:
    """The area under a deletion or insertion curve by trapezoids.

    >>> curve_area(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0, 0.0]))
    0.25
    """
    return float(np.trapezoid(values, shares))


def pointing(
    heat: Float[np.ndarray, "s h w"],
    cell: Int[np.ndarray, " s"],
    grid: int,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> PointingScore:
    """Whether the heat of collages falls into the cell of the evidence.

    A patch that lies across a border counts for the cells in proportion to its area in each. The
    cell with the most heat is the answer; a tie, and a heat that is zero everywhere, count as
    chance.

    Arguments:
        heat: Heat of each collage's patches, not negative.
        cell: The cell of the evidence, counted row by row.
        grid: Cells g along a side.
        resamples: Resamples of collages for the intervals.
        seed: Of the resamples.
    """
    rows, columns = (_shares(n, grid) for n in heat.shape[1:])
    mass = np.einsum("gh,shw,kw->sgk", rows, heat, columns).reshape(len(heat), grid * grid)
    mine = mass[np.arange(len(heat)), cell]
    best = mass.max(1, keepdims=True)
    # shares of patches across a border differ in their last bits
    tied = np.isclose(mass, best, rtol=1e-9, atol=0)
    hits = tied[np.arange(len(heat)), cell] / tied.sum(1)
    total = mass.sum(1)
    # the inner where keeps the division away from zero; the outer one says what stands there
    share = np.where(total > 0, mine / np.where(total > 0, total, 1.0), 1 / grid**2)
    return PointingScore(
        mean_estimate(hits, resamples=resamples, seed=seed),
        mean_estimate(share, resamples=resamples, seed=seed),
        1 / grid**2,
    )


def _shares(n: int, grid: int) -> Float[np.ndarray, "g n"]:
    """Which part of each of n equal intervals lies in each of g equal ones."""
    left, cells = np.arange(n) / n, np.arange(grid) / grid
    low = np.maximum(left[None], cells[:, None])
    high = np.minimum((left + 1 / n)[None], (cells + 1 / grid)[:, None])
    return np.asarray(np.maximum(0.0, high - low) * n)
