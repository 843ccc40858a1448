r"""Two systems on the same labeled posts: what differs, how sure that is, and what could have been
seen.

Answers are sets of labels, so one measure serves tasks of one answer and of several. A score is one
of the summed counts of posts (`evaluation.several`); its difference, interval, p-value and what
could have been shown are those of `evaluation.significance`. Several seeds of a system are
averaged, and only posts are drawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import InputError
from crisislens.evaluation.power import MARGIN
from crisislens.evaluation.resampling import gather_counts, resample_counts
from crisislens.evaluation.several import label_counts, label_scores
from crisislens.evaluation.significance import Drawn, PairedDifference, mcnemar, paired_difference

__all__ = ["Answers", "Compared", "compare_answers"]

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


class Compared(BaseModel):
    """All differences of two systems."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a: str
    b: str
    posts: int
    seeds: tuple[int, int]
    overall: tuple[PairedDifference, ...]
    classes: tuple[PairedDifference, ...]
    """F1 of each class."""
    events: tuple[PairedDifference, ...]
    """Accuracy on each event; empty where there is one."""
    mcnemar_p: float
    """Exact p-value of the first seed of each; posts of one cluster are taken as independent here.
    """
    resamples: int
    margin: float = MARGIN
    """The smallest difference that matters, named before the comparison."""

    def markdown(self) -> str:
        """Three tables, and what they cannot say."""
        seeds = f"{self.seeds[0]} and {self.seeds[1]} seeds"
        parts = [
            f"### {self.a} against {self.b}: {self.posts} posts, {seeds}",
            f"Percent; differences with 95 % intervals ({self.resamples} resamples of posts that belong "
            f"together), two-sided p, the smallest difference that would be found four times in five, and "
            f"whether the difference is shown, shown to be smaller than {100 * self.margin:g} point(s), or "
            f"neither.",
            self._table(self.overall),
            f"McNemar on the first seeds: p = {self.mcnemar_p:.4f}.",
            f"F1 by class:\n\n{self._table(self.classes)}",
        ]
        if self.events:
            parts.append(f"Accuracy by event:\n\n{self._table(self.events)}")
        return "\n\n".join(parts) + "\n"

    def _table(self, rows: Sequence[PairedDifference]) -> str:
        head = f"| | {self.a} | {self.b} | difference | p | could have shown | verdict |"
        return "\n".join([head, "|---|---|---|---|---|---|---|", *map(_table_row, rows)])

    def _repr_markdown_(self) -> str:
        return self.markdown()


def _table_row(d: PairedDifference) -> str:
    """A line of a Markdown table, in percent."""
    spread = f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
    return (
        f"| {_TITLES.get(d.what, d.what)} | {100 * d.a:.2f} | {100 * d.b:.2f} | {spread} | "
        f"{d.p_value:.4f} | {100 * d.detectable:.2f} | {d.verdict} |"
    )


def compare_answers(
    a: Answers, b: Answers, *, resamples: int = 10_000, seed: int = 0, margin: float = MARGIN
) -> Compared:
    """Compares two systems on the posts that both answered.

    Arguments:
        a: The first system.
        b: The second, with the same labels for the same posts.
        resamples: Of the paired bootstrap.
        seed: Of the resamples.
        margin: The smallest difference that matters, a share; 0.01 is one point.

    Raises:
        InputError: If they share no post, label a post differently, or the margin is no share.
    """
    if a.name == b.name:
        a, b = replace(a, name=f"{a.name} (first)"), replace(b, name=f"{b.name} (second)")
    rows_a, rows_b = _shared(a, b)
    truth = [a.truth[i] for i in rows_a]
    # a label that only an answer names is a class as well: it was made up, and counts against its system
    classes = sorted(set().union(*truth, *_all_said(a, rows_a), *_all_said(b, rows_b)))
    y = _matrix(truth, classes)
    clusters = np.array([a.clusters[i] for i in rows_a])
    one, two = _side(a, rows_a, y, classes), _side(b, rows_b, y, classes)
    # one set of draws for every score: rows of the table then belong to the same resamples
    draws = _Draws(one, two, clusters, resamples, seed, margin)
    overall = [draws.difference(name, _Score(name)) for name in _SCORES]
    by_class = [draws.difference(name, _class_f1(k, len(classes))) for k, name in enumerate(classes)]
    events = np.array([a.events[i] for i in rows_a])
    return Compared(
        a=a.name,
        b=b.name,
        posts=len(y),
        seeds=(len(a.said), len(b.said)),
        overall=tuple(overall),
        classes=tuple(by_class),
        events=tuple(_by_event(one, two, events, clusters, resamples, seed, margin)),
        mcnemar_p=mcnemar(one.first_right, two.first_right).p_value,
        resamples=resamples,
        margin=margin,
    )


@dataclass(frozen=True)
class _Side:
    """One system on the shared posts.

    Attributes:
        counts: Per seed what its scores are made of, see `several.label_counts`.
        first_right: Of its first seed, whether each post's whole set is right.
    """

    counts: list[Float[np.ndarray, "s k"]]
    first_right: Bool[np.ndarray, " s"]

    def of(self, rows: Bool[np.ndarray, " s"]) -> "_Side":
        """The same system on some of the posts."""
        return _Side([seed[rows] for seed in self.counts], self.first_right[rows])


def _side(system: Answers, rows: Sequence[int], y: Int[np.ndarray, "s c"], classes: Sequence[str]) -> _Side:
    said = []
    for answers in system.said:
        shared = [answers[i] for i in rows]
        said.append(_matrix(shared, classes) == 1)
    return _Side([label_counts(y, seed) for seed in said], (said[0] == (y == 1)).all(1))


def _by_event(
    a: _Side,
    b: _Side,
    events: Shaped[np.ndarray, " s"],
    clusters: Shaped[np.ndarray, " s"],
    resamples: int,
    seed: int,
    margin: float,
) -> list[PairedDifference]:
    """The accuracy on each event; nothing where there is one, which the whole has said."""
    names = np.unique(events)
    if len(names) == 1:
        return []
    found = []
    for name in names:
        rows = events == name
        inside = _Draws(a.of(rows), b.of(rows), clusters[rows], resamples, seed, margin)
        found.append(inside.difference(str(name), _Score("accuracy")))
    return found


class _Draws:
    """Resamples of the same clusters for both systems.

    Arguments:
        a: The first system.
        b: The second, on the same posts.
        clusters: What is drawn together.
        resamples: How many resamples.
        seed: Of the resamples.
        margin: The smallest difference that matters.
    """

    def __init__(
        self,
        a: _Side,
        b: _Side,
        clusters: Shaped[np.ndarray, " s"],
        resamples: int,
        seed: int,
        margin: float,
    ) -> None:
        self.margin = margin
        # equal seeds draw equal clusters, which pairs the systems
        self.a = [_seed_draws(counts, clusters, resamples, seed) for counts in a.counts]
        self.b = [_seed_draws(counts, clusters, resamples, seed) for counts in b.counts]

    def difference(self, what: str, score: "_Score") -> PairedDifference:
        """The difference of one score."""
        return paired_difference(
            what, _mean_score(self.a, score), _mean_score(self.b, score), margin=self.margin
        )


_SeedDraws = tuple[Float[np.ndarray, "1 k"], Float[np.ndarray, "r k"]]


def _seed_draws(
    counts: Float[np.ndarray, "s k"], clusters: Shaped[np.ndarray, " s"], resamples: int, seed: int
) -> _SeedDraws:
    """One seed's counts summed over all posts, and over each resample."""
    drawn = resample_counts(gather_counts(counts, clusters), resamples=resamples, seed=seed)
    return counts.sum(0, keepdims=True), drawn


def _mean_score(seeds: Sequence[_SeedDraws], score: "_Score") -> Drawn:
    whole = [score(counts)[0] for counts, _ in seeds]
    drawn = [score(counts) for _, counts in seeds]
    return float(np.mean(whole)), np.asarray(np.mean(drawn, axis=0))


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
        # past the first two, three blocks of one column a class: found, missed, made up
        hit, missed, invented = (counts[:, 2 + self.column + i * self.classes] for i in range(3))
        return np.asarray(2 * hit / np.maximum(2 * hit + missed + invented, 1))


def _class_f1(column: int, classes: int) -> _Score:
    return _Score("", column, classes)


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
