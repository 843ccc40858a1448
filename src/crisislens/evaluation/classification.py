r"""Classification: accuracy, macro- and weighted F1, each class, each event, with bootstrap
intervals.

Formulas: `scores`; intervals: `resampling`. Values are scikit-learn's. The most probable class is
the answer; the first wins a tie.

Which posts are drawn together matters: photos of one tweet share their text, so intervals over
tweets (`clusters`) are the honest ones for CrisisMMD. Macro-F1 of a setting with a class of three
posts hangs on each of them; its interval says so.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.evaluation.checks import check_clusters, check_labels, check_probabilities
from crisislens.evaluation.resampling import interval, resample_cells
from crisislens.evaluation.scores import SCORES, confusion_cells

__all__ = ["ClassScores", "ClassificationReport", "Estimate", "GroupScores", "OrdinalScores", "evaluate"]

Labels = Shaped[np.ndarray, " s"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Record):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def percent(self) -> str:
        """The value and its interval times 100: `87.45 [85.80, 89.06]`."""
        return f"{100 * self.value:.2f} [{100 * self.low:.2f}, {100 * self.high:.2f}]"


class ClassScores(_Record):
    """One class: how it was found and how often it is there."""

    precision: float
    recall: float
    f1: float
    support: int
    """Posts that have the class."""
    predicted: int
    """Posts that were given it."""


class GroupScores(_Record):
    """The scores of one group of posts, such as an event."""

    posts: int
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate


class OrdinalScores(_Record):
    """Scores that know the classes' order."""

    quadratic_kappa: Estimate
    """Agreement beyond chance, a miss by two steps four times as bad as by one; 1 is perfect, 0
    chance.
    """
    mean_absolute_error: Estimate
    """Steps between label and answer; 0 is perfect."""


class ClassificationReport(_Record):
    """What the answers to labeled posts are worth."""

    posts: int
    classes: tuple[str, ...]
    accuracy: Estimate
    macro_f1: Estimate
    weighted_f1: Estimate
    per_class: dict[str, ClassScores]
    confusion: tuple[tuple[int, ...], ...]
    """Posts by true class (row) and answer (column)."""
    groups: dict[str, GroupScores] = {}
    ordinal: OrdinalScores | None = None
    resamples: int
    clusters: int | None = None
    """How many clusters were drawn for the intervals; null where posts were."""

    def as_dict(self) -> dict[str, object]:
        """Plain values that JSON can hold; `ClassificationReport(**values)` makes the report again."""
        return self.model_dump(mode="json")


def evaluate(
    y_true: Int[np.ndarray, " s"],
    probabilities: Float[np.ndarray, "s c"],
    classes: Sequence[str],
    *,
    groups: Labels | None = None,
    clusters: Labels | None = None,
    ordered: bool = False,
    seed: int = 0,
    resamples: int = 1000,
) -> ClassificationReport:
    """Scores answers against labels.

    >>> report = evaluate(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), ["no", "yes"])
    >>> round(report.accuracy.value, 3), report.confusion
    (0.667, ((1, 0), (1, 1)))

    Arguments:
        y_true: The true class of each post.
        probabilities: For each post the probability of each class.
        classes: The classes' names, in the order of the columns.
        groups: A group of each post (its event) that is also scored by itself.
        clusters: What is drawn together for intervals (the tweet of a photo); posts by themselves
            where None.
        ordered: Whether the classes are a scale, the first the least.
        seed: Seed of the resamples.
        resamples: How many resamples; 0 leaves every interval at its value.

    Raises:
        InputError: If the arguments do not fit together.
    """
    s, c = probabilities.shape
    if len(classes) != c:
        raise InputError(
            f"{len(classes)} class names were given for {c} columns of probabilities; name every column"
        )
    check_labels(y_true, posts=s, classes=c)
    check_probabilities(probabilities)
    check_clusters(groups, posts=s)
    check_clusters(clusters, posts=s)
    predicted = probabilities.argmax(1)
    whole = _estimates(y_true, predicted, c, clusters, seed, resamples, ordered)
    return ClassificationReport(
        posts=s,
        classes=tuple(classes),
        accuracy=whole["accuracy"],
        macro_f1=whole["macro_f1"],
        weighted_f1=whole["weighted_f1"],
        per_class=_per_class(y_true, predicted, classes),
        confusion=_confusion(y_true, predicted, c),
        groups={} if groups is None else _groups(y_true, predicted, c, groups, clusters, seed, resamples),
        ordinal=OrdinalScores(**{name: whole[name] for name in OrdinalScores.model_fields})
        if ordered
        else None,
        resamples=resamples,
        clusters=None if clusters is None else len(np.unique(clusters)),
    )


def _estimates(
    y: Int[np.ndarray, " s"],
    predicted: Int[np.ndarray, " s"],
    c: int,
    clusters: Labels | None,
    seed: int,
    resamples: int,
    ordered: bool = False,
) -> dict[str, Estimate]:
    values = _values(y, predicted, c, ordered)
    if resamples == 0:
        return {name: Estimate(value=value, low=value, high=value) for name, value in values.items()}
    cells = confusion_cells(y, predicted, c)
    drawn = resample_cells(cells, c * c, clusters=clusters, resamples=resamples, seed=seed).reshape(-1, c, c)
    bounds = {name: interval(SCORES[name](drawn)) for name in values}
    return {
        name: Estimate(value=value, low=bounds[name][0], high=bounds[name][1])
        for name, value in values.items()
    }


def _values(
    y: Int[np.ndarray, " s"], predicted: Int[np.ndarray, " s"], c: int, ordered: bool
) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, mean_absolute_error

    values = {
        "accuracy": float(accuracy_score(y, predicted)),
        "macro_f1": float(f1_score(y, predicted, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(y, predicted, average="weighted", zero_division=0)),
    }
    if ordered:
        # scikit-learn divides 0 by 0 where all posts have and are given one class; that is perfect agreement
        trivial = len({*y.tolist(), *predicted.tolist()}) == 1
        values["quadratic_kappa"] = (
            1.0
            if trivial
            else float(cohen_kappa_score(y, predicted, weights="quadratic", labels=list(range(c))))
        )
        values["mean_absolute_error"] = float(mean_absolute_error(y, predicted))
    return values


def _per_class(
    y: Int[np.ndarray, " s"], predicted: Int[np.ndarray, " s"], classes: Sequence[str]
) -> dict[str, ClassScores]:
    from sklearn.metrics import precision_recall_fscore_support

    rows = precision_recall_fscore_support(y, predicted, labels=list(range(len(classes))), zero_division=0)
    given = np.bincount(predicted, minlength=len(classes))
    return {
        name: ClassScores(precision=float(p), recall=float(r), f1=float(f), support=int(n), predicted=int(m))
        for name, p, r, f, n, m in zip(classes, *rows, given, strict=True)
    }


def _confusion(
    y: Int[np.ndarray, " s"], predicted: Int[np.ndarray, " s"], c: int
) -> tuple[tuple[int, ...], ...]:
    from sklearn.metrics import confusion_matrix

    return tuple(tuple(row) for row in confusion_matrix(y, predicted, labels=list(range(c))).tolist())


def _groups(
    y: Int[np.ndarray, " s"],
    predicted: Int[np.ndarray, " s"],
    c: int,
    groups: Labels,
    clusters: Labels | None,
    seed: int,
    resamples: int,
) -> dict[str, GroupScores]:
    scores = {}
    for name in np.unique(groups):
        rows = groups == name
        found = _estimates(
            y[rows], predicted[rows], c, None if clusters is None else clusters[rows], seed, resamples
        )
        scores[str(name)] = GroupScores(posts=int(rows.sum()), **found)
    return scores
