r"""Answers of which several may hold at once: probabilities, how sure the whole set is, scores,
calibration.

Each label $c$ of a post has a logit $\ell_c$ of its own,

$$p_c = \sigma(\ell_c / \tau), \qquad \hat y_c = 1[p_c \geq \tfrac12], \qquad
  \hat p = \prod_c \max(p_c,\, 1 - p_c),$$

where a label that lies within another one (`domain.task.Label.within`) is first held to it: its
logit is the smaller of the two, $\ell_c \leftarrow \min(\ell_c, \ell_{o(c)})$. The sigmoid is
monotone, so $p_c \leq p_{o(c)}$ at every temperature. $\hat p$ is the probability that the whole
set is right if the labels were independent given the post. They are not, so it is a cautious
confidence; abstention is chosen on it and on whether the set is right. The temperature τ makes
labels of held-out posts most likely; in $\beta = 1/\tau$ the mean of
$\log(1 + e^{\beta \ell_c}) - y_c\, \beta \ell_c$ is convex and its derivative has one root, as for
the softmax (`calibration`).

Scores per label are those of the binary question; macro-F1 is their mean over labels that occur,
weighted F1 weighs them by support, accuracy is the share of posts whose set is exactly right
(subset accuracy). Values are scikit-learn's, the tests say. Intervals: percentiles of the bootstrap
over posts, or over clusters (`resampling`). Source of the scores: Zhang and Zhou, A Review on
Multi-Label Learning Algorithms, 2014, https://doi.org/10.1109/TKDE.2013.39, sec. 2.3.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from crisislens.core.errors import InputError
from crisislens.evaluation.calibration import TEMPERATURES, CalibrationScores
from crisislens.evaluation.checks import check_clusters, check_logits
from crisislens.evaluation.classification import ClassificationReport, ClassScores, Estimate, GroupScores
from crisislens.evaluation.resampling import gather_counts, interval, resample_counts

__all__ = [
    "HOLDS",
    "evaluate_several",
    "fit_several_temperature",
    "held_logits",
    "label_counts",
    "label_scores",
    "set_confidence",
    "several_calibration",
    "several_probabilities",
]

HOLDS = 0.5
"""The probability from which on a label is said to hold."""
_BINS = 15
_TINY = 1e-12
_SCORES = ("accuracy", "macro_f1", "weighted_f1")
Clusters = Shaped[np.ndarray, " s"]


def held_logits(logits: Float[np.ndarray, "*s c"], outer: Sequence[int]) -> Float[np.ndarray, "*s c"]:
    """Logits of which none is above that of the label that it lies within.

    >>> held_logits(np.array([-2.0, 3.0, 1.0]), outer=(0, 0, 2)).tolist()
    [-2.0, -2.0, 1.0]

    Arguments:
        logits: The logit of each label.
        outer: For each label the position of the one that it lies within, or its own
            (`domain.task.Task.outer`).
    """
    return np.asarray(np.minimum(logits, logits[..., list(outer)]))


def several_probabilities(
    logits: Float[np.ndarray, "*s c"], temperature: float = 1.0
) -> Float[np.ndarray, "*s c"]:
    """The probability of each label, in float64."""
    # exp(710) overflows; beyond 700 the sigmoid is 0 or 1 in every bit anyway
    scaled = np.clip(logits.astype(np.float64) / temperature, -700, 700)
    return np.asarray(1 / (1 + np.exp(-scaled)))


def set_confidence(probabilities: Float[np.ndarray, "*s c"]) -> Float[np.ndarray, "*s"]:
    """How sure the whole set of labels is, in (0, 1]."""
    return np.asarray(np.maximum(probabilities, 1 - probabilities).prod(-1))


def fit_several_temperature(logits: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s c"]) -> float:
    """The temperature τ that makes labels of held-out posts most likely, kept within
    `TEMPERATURES`.

    >>> z = np.array([[2.0], [2.0], [2.0], [2.0]])
    >>> round(fit_several_temperature(z, np.array([[1], [1], [1], [0]])), 6)  # 2 / log(3)
    1.820478

    Arguments:
        logits: For each post the logit of each label.
        y: 1 where a label holds, 0 where not.

    Raises:
        InputError: If the arguments do not fit together.
    """
    from scipy.optimize import brentq

    _check(logits, y)
    check_logits(logits)
    z = logits.astype(np.float64)

    def slope(beta: float) -> float:
        return float(((several_probabilities(z, 1 / beta) - y) * z).mean())

    # where all labels are right (or wrong) the likelihood has no top, and the bound is the answer
    coldest, hottest = TEMPERATURES
    if slope(1 / hottest) >= 0:
        return hottest
    if slope(1 / coldest) <= 0:
        return coldest
    return float(1 / brentq(slope, 1 / hottest, 1 / coldest, xtol=1e-12))


def several_calibration(
    probabilities: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s c"]
) -> CalibrationScores:
    """How honest the probabilities of single labels are: every pair of post and label is one binary
    answer.

    The two calibration errors compare p with the share of pairs that hold, in 15 bins of equal
    width and of equally many pairs; Brier and NLL are summed over the labels of a post.
    """
    _check(probabilities, y)
    p, truth = probabilities.ravel(), y.ravel().astype(np.float64)
    even = np.minimum((p * _BINS).astype(np.int64), _BINS - 1)
    equal = np.empty(len(p), np.int64)
    # bins of equally many pairs: the k-th smallest goes to bin k · bins / n
    equal[np.argsort(p, kind="stable")] = np.arange(len(p)) * _BINS // len(p)
    surprise = np.log(np.maximum(np.where(truth == 1, p, 1 - p), _TINY))
    return CalibrationScores(
        ece=_calibration_error(p, truth, even),
        ece_adaptive=_calibration_error(p, truth, equal),
        brier=float(((probabilities - y) ** 2).sum(1).mean()),
        nll=float(-surprise.reshape(y.shape).sum(1).mean()),
    )


def evaluate_several(
    y: Int[np.ndarray, "s c"],
    probabilities: Float[np.ndarray, "s c"],
    classes: Sequence[str],
    *,
    groups: Clusters | None = None,
    clusters: Clusters | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> ClassificationReport:
    """Scores sets of labels; the report is that of one answer, without a confusion matrix.

    >>> y, p = np.array([[1, 0], [1, 1]]), np.array([[0.9, 0.2], [0.8, 0.4]])
    >>> report = evaluate_several(y, p, ["water", "food"], resamples=0)
    >>> report.accuracy.value, report.per_class["water"].f1, report.per_class["food"].recall
    (0.5, 1.0, 0.0)

    Arguments:
        y: 1 where a label holds, 0 where not.
        probabilities: For each post the probability of each label.
        classes: The labels' names, in the order of the columns.
        groups: A group of each post (its event) that is also scored by itself.
        clusters: What is drawn together for intervals; posts by themselves where None.
        seed: Seed of the resamples.
        resamples: How many resamples; 0 leaves every interval at its value.

    Raises:
        InputError: If the arguments do not fit together.
    """
    _check(probabilities, y)
    if len(classes) != y.shape[1]:
        raise InputError(f"{len(classes)} names were given for {y.shape[1]} labels; name every column")
    for names in (groups, clusters):
        check_clusters(names, posts=len(y))
    said = probabilities >= HOLDS
    found: dict[str, GroupScores] = {}
    for name in [] if groups is None else np.unique(groups):
        rows = groups == name
        # an event is resampled by its own tweets
        inside = None if clusters is None else clusters[rows]
        scores = _estimates(y[rows], said[rows], inside, seed, resamples)
        found[str(name)] = GroupScores(posts=int(rows.sum()), **scores)
    return ClassificationReport(
        posts=len(y),
        classes=tuple(classes),
        **_estimates(y, said, clusters, seed, resamples),
        per_class=_per_class(y, said, classes),
        confusion=(),
        groups=found,
        resamples=resamples,
        clusters=None if clusters is None else len(np.unique(clusters)),
    )


def _check(values: Float[np.ndarray, "s c"], y: Int[np.ndarray, "s c"]) -> None:
    if values.shape != y.shape or len(y) == 0:
        raise InputError(
            f"labels of shape {list(y.shape)} were given for predictions of shape {list(values.shape)}; "
            "give one row a post and one column a label, and at least one post"
        )
    if not np.isin(y, (0, 1)).all():
        raise InputError("labels of which several may hold are 0 or 1; map them by the task")


def _calibration_error(
    p: Float[np.ndarray, " n"], truth: Float[np.ndarray, " n"], bins: Int[np.ndarray, " n"]
) -> float:
    """The mean over pairs of |share that holds − mean probability| of their bin."""
    sizes = np.bincount(bins, minlength=_BINS)
    gaps = np.bincount(bins, weights=truth - p, minlength=_BINS)
    return float(np.abs(gaps).sum() / sizes.sum())


def label_counts(y: Int[np.ndarray, "s c"], said: Bool[np.ndarray, "s c"]) -> Float[np.ndarray, "s k"]:
    """For each post what its scores are made of: one, whether its set is right, then per label
    whether it was found, missed, made up.

    Arguments:
        y: 1 where a label holds, 0 where not.
        said: Whether it is said to hold.

    Returns:
        k = 2 + 3 c counts a post; scores are functions of their sums.
    """
    right = (said == (y == 1)).all(1)
    parts = (np.ones(len(y)), right)
    labels = ((y == 1) & said, (y == 1) & ~said, (y == 0) & said)
    return np.concatenate([np.stack(parts, 1), *labels], axis=1).astype(np.float64)


def label_scores(counts: Float[np.ndarray, "r k"]) -> dict[str, Float[np.ndarray, " r"]]:
    """Accuracy, macro-F1 and weighted F1 of each row of summed counts, see `label_counts`."""
    hit, missed, invented = np.split(counts[:, 2:], 3, axis=1)
    total = 2 * hit + missed + invented
    # a label that nobody has and nobody was given has no F1, and leaves the mean
    occurs = total > 0
    f1 = 2 * hit / np.where(occurs, total, 1)
    support = hit + missed
    return {
        "accuracy": counts[:, 1] / counts[:, 0],
        "macro_f1": f1.sum(1) / np.maximum(occurs.sum(1), 1),
        "weighted_f1": (f1 * support).sum(1) / np.maximum(support.sum(1), 1),
    }


def _estimates(
    y: Int[np.ndarray, "s c"],
    said: Bool[np.ndarray, "s c"],
    clusters: Clusters | None,
    seed: int,
    resamples: int,
) -> dict[str, Estimate]:
    counts = label_counts(y, said)
    values = label_scores(counts.sum(0, keepdims=True))
    if resamples == 0:
        return {name: _exact(float(values[name][0])) for name in _SCORES}
    if clusters is not None:
        counts = gather_counts(counts, clusters)
    drawn = label_scores(resample_counts(counts, resamples=resamples, seed=seed))
    estimates = {}
    for name in _SCORES:
        low, high = interval(drawn[name])
        estimates[name] = Estimate(value=float(values[name][0]), low=low, high=high)
    return estimates


def _exact(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value)


def _per_class(
    y: Int[np.ndarray, "s c"], said: Bool[np.ndarray, "s c"], classes: Sequence[str]
) -> dict[str, ClassScores]:
    from sklearn.metrics import precision_recall_fscore_support

    scores = {}
    for i, name in enumerate(classes):
        precision, recall, f1, _ = precision_recall_fscore_support(
            y[:, i], said[:, i], average="binary", zero_division=0
        )
        scores[name] = ClassScores(
            precision=float(precision),
            recall=float(recall),
            f1=float(f1),
            support=int(y[:, i].sum()),
            predicted=int(said[:, i].sum()),
        )
    return scores
