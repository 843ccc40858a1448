r"""Two systems on the same labeled posts: what differs, how sure that is, and what could have been
seen.

Answers are sets of labels, so one measure serves tasks of one answer and of several. With $S$ a
score of the summed counts of posts (`evaluation.several`), $d = S_a - S_b$ and $d^*$ over resamples
of posts or clusters,

$$\text{interval} = \text{percentiles of } d^*, \quad p = \frac{1 + |\{ |d^* - d| \geq |d| \}|}{1 + R}, \quad
  d_\text{min} = (z_{.975} + z_{.8})\, \operatorname{sd}(d^*),$$

where $d_\text{min}$ is the smallest true difference that this test would find at the 5 % level in
four of five such experiments: where $|d|$ stays below it, "no difference was shown" must not be
read as "there is none". Several seeds of a system are averaged, and only posts are drawn. Sources:
as of `evaluation.significance`; the power of a z-test: Cohen, Statistical Power Analysis, 1988,
ch. 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.evaluation.resampling import interval, resample_counts
from crisislens.evaluation.several import label_counts, label_scores
from crisislens.evaluation.significance import mcnemar

__all__ = ["Answers", "Compared", "Difference", "compare_answers"]

_DETECTABLE = 1.959964 + 0.841621
_SCORES = ("accuracy", "macro_f1", "weighted_f1")
_TITLES = {"macro_f1": "macro-F1", "weighted_f1": "weighted F1"}


@dataclass(frozen=True)
class Answers:
    """What one system says of labeled posts.

    Attributes:
        name: The system.
        ids: The posts.
        truth: The labels of each post.
        said: Per seed the labels that are given to each post.
        events: The event of each post.
        clusters: What is drawn together: the tweet of several photos.
    """

    name: str
    ids: tuple[str, ...]
    truth: tuple[frozenset[str], ...]
    said: tuple[tuple[frozenset[str], ...], ...]
    events: tuple[str, ...]
    clusters: tuple[str, ...]


class Difference(BaseModel):
    """One score of two systems; values are shares, 0.01 is one point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    a: float
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

    def row(self, title: str = "") -> str:
        """A line of a Markdown table, in percent.

        Arguments:
            title: What the score is called there; empty takes its name.
        """
        spread = f"{100 * self.difference:+.2f} [{100 * self.low:+.2f}, {100 * self.high:+.2f}]"
        return (
            f"| {title or self.what} | {100 * self.a:.2f} | {100 * self.b:.2f} | {spread} | "
            f"{self.p_value:.4f} | {100 * self.detectable:.2f} |"
        )


class Compared(BaseModel):
    """All differences of two systems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a: str
    b: str
    posts: int
    seeds: tuple[int, int]
    overall: tuple[Difference, ...]
    classes: tuple[Difference, ...]
    """F1 of each class."""
    events: tuple[Difference, ...]
    """Accuracy on each event; empty where there is one."""
    mcnemar_p: float
    """Exact p-value of the first seed of each; posts of one cluster are taken as independent here.
    """
    resamples: int

    def markdown(self) -> str:
        """Three tables, and what they cannot say."""
        head = f"| | {self.a} | {self.b} | difference | p | could have shown |\n|---|---|---|---|---|---|"
        seeds = f"{self.seeds[0]} and {self.seeds[1]} seeds"
        parts = [
            f"### {self.a} against {self.b}: {self.posts} posts, {seeds}",
            f"Percent; differences with 95 % intervals ({self.resamples} resamples of posts that belong "
            f"together), two-sided p, and the smallest difference that would be found four times in five.",
            "\n".join([head, *(d.row(_TITLES.get(d.what, d.what)) for d in self.overall)]),
            f"McNemar on the first seeds: p = {self.mcnemar_p:.4f}.",
            "F1 by class:\n\n" + "\n".join([head, *(d.row() for d in self.classes)]),
        ]
        if self.events:
            parts.append("Accuracy by event:\n\n" + "\n".join([head, *(d.row() for d in self.events)]))
        return "\n\n".join(parts) + "\n"

    def _repr_markdown_(self) -> str:
        return self.markdown()


def compare_answers(a: Answers, b: Answers, *, resamples: int = 10_000, seed: int = 0) -> Compared:
    """Compares two systems on the posts that both answered.

    Arguments:
        a: The first system.
        b: The second, with the same labels for the same posts.
        resamples: Of the paired bootstrap.
        seed: Of the resamples.

    Raises:
        InputError: If they share no post, or label a post differently.
    """
    if a.name == b.name:
        a, b = replace(a, name=f"{a.name} (first)"), replace(b, name=f"{b.name} (second)")
    rows_a, rows_b = _shared(a, b)
    truth = [a.truth[i] for i in rows_a]
    classes = sorted(set().union(*truth, *_all_said(a, rows_a), *_all_said(b, rows_b)))
    y = _matrix(truth, classes)
    events = np.array([a.events[i] for i in rows_a])
    clusters = np.array([a.clusters[i] for i in rows_a])
    given = [
        [_matrix([answers[i] for i in rows], classes) == 1 for answers in system.said]
        for system, rows in ((a, rows_a), (b, rows_b))
    ]
    counts = [[label_counts(y, said) for said in seeds] for seeds in given]
    draws = _Draws(counts[0], counts[1], clusters, resamples, seed)
    overall = [draws.difference(name, _score(name)) for name in _SCORES]
    by_class = [draws.difference(name, _class_f1(k, len(classes))) for k, name in enumerate(classes)]
    first = [(seeds[0] == (y == 1)).all(1) for seeds in given]
    names = np.unique(events)
    by_event = []
    for name in names if len(names) > 1 else []:
        rows = events == name
        part = [[c[rows] for c in seeds] for seeds in counts]
        inside = _Draws(part[0], part[1], clusters[rows], resamples, seed)
        by_event.append(inside.difference(str(name), _score("accuracy")))
    return Compared(
        a=a.name,
        b=b.name,
        posts=len(y),
        seeds=(len(a.said), len(b.said)),
        overall=tuple(overall),
        classes=tuple(by_class),
        events=tuple(by_event),
        mcnemar_p=mcnemar(first[0], first[1]).p_value,
        resamples=resamples,
    )


class _Draws:
    """Resamples of the same clusters for both systems.

    Arguments:
        a: Per seed the counts of each post.
        b: The same of the second system.
        clusters: What is drawn together.
        resamples: How many resamples.
        seed: Of the resamples.
    """

    def __init__(
        self,
        a: Sequence[Float[np.ndarray, "s k"]],
        b: Sequence[Float[np.ndarray, "s k"]],
        clusters: Shaped[np.ndarray, " s"],
        resamples: int,
        seed: int,
    ) -> None:
        _, which = np.unique(clusters, return_inverse=True)
        self.sums = [[c.sum(0, keepdims=True) for c in system] for system in (a, b)]
        # equal seeds draw equal clusters, which pairs the systems
        self.drawn = [
            [resample_counts(_gathered(c, which), resamples=resamples, seed=seed) for c in system]
            for system in (a, b)
        ]
        self.resamples = resamples

    def difference(self, what: str, score: "_Score") -> Difference:
        """The difference of one score."""
        a, b = (float(np.mean([score(c)[0] for c in system])) for system in self.sums)
        drawn_a, drawn_b = (np.mean([score(c) for c in system], axis=0) for system in self.drawn)
        d, d_star = a - b, drawn_a - drawn_b
        low, high = interval(d_star)
        surprising = int((np.abs(d_star - d) >= abs(d) - 1e-12).sum())
        return Difference(
            what=what,
            a=a,
            b=b,
            difference=d,
            low=low,
            high=high,
            p_value=(1 + surprising) / (1 + self.resamples),
            detectable=_DETECTABLE * float(d_star.std()),
        )


class _Score:
    """A score of summed counts, one a row.

    Arguments:
        name: A score of `label_scores`, or empty for the F1 of one class.
        column: The class.
        classes: How many classes there are.
    """

    def __init__(self, name: str, column: int = 0, classes: int = 0) -> None:
        self.name, self.column, self.classes = name, column, classes

    def __call__(self, counts: Float[np.ndarray, "r k"]) -> Float[np.ndarray, " r"]:
        if self.name:
            return label_scores(counts)[self.name]
        hit, missed, invented = (counts[:, 2 + self.column + i * self.classes] for i in range(3))
        return np.asarray(2 * hit / np.maximum(2 * hit + missed + invented, 1))


def _score(name: str) -> _Score:
    return _Score(name)


def _class_f1(column: int, classes: int) -> _Score:
    return _Score("", column, classes)


def _gathered(counts: Float[np.ndarray, "s k"], which: Int[np.ndarray, " s"]) -> Float[np.ndarray, "g k"]:
    """Counts of posts summed over what is drawn together."""
    summed = np.zeros((which.max() + 1, counts.shape[1]))
    np.add.at(summed, which, counts)
    return summed


def _shared(a: Answers, b: Answers) -> tuple[list[int], list[int]]:
    place: Mapping[str, int] = {post: i for i, post in enumerate(b.ids)}
    rows_a = [i for i, post in enumerate(a.ids) if post in place]
    rows_b = [place[a.ids[i]] for i in rows_a]
    if not rows_a:
        raise InputError(f"{a.name} and {b.name} answered no post in common; compare runs on one test set")
    for i, j in zip(rows_a, rows_b, strict=True):
        if a.truth[i] != b.truth[j]:
            raise InputError(
                f"post {a.ids[i]!r:.60} is labeled {_listed(a.truth[i])} for {a.name} and "
                f"{_listed(b.truth[j])} for {b.name}; compare runs with one label space"
            )
    return rows_a, rows_b


def _listed(labels: frozenset[str]) -> str:
    return ", ".join(sorted(labels)) or "nothing"


def _all_said(system: Answers, rows: Sequence[int]) -> list[frozenset[str]]:
    return [answers[i] for answers in system.said for i in rows]


def _matrix(sets: Sequence[frozenset[str]], classes: Sequence[str]) -> Int[np.ndarray, "s c"]:
    column = {name: k for k, name in enumerate(classes)}
    held = np.zeros((len(sets), len(classes)), np.int64)
    for row, labels in enumerate(sets):
        held[row, [column[name] for name in labels]] = 1
    return held
