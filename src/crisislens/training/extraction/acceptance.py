r"""From which probability on what an extractor says is told, chosen on development posts.

$$\theta = \arg\max_{t \in \{0, 0.05, \ldots, 0.9\}} F_1\bigl(\{x : p(x) \ge t\}\bigr),$$

the smallest of equal ones. Published scores take all that is found; the product leaves out what is
below $\theta$, and says how good the rest is. Probabilities $p$ are those of a CRF's span, of a
pair's relation, or the mean over a block of word pairs (`models.extraction`). This is ours.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from crisislens.domain.extraction import NO_RELATION
from crisislens.evaluation.extraction import (
    ExtractionReport,
    entity_report,
    quintuple_report,
    quintuples,
    relation_report,
)
from crisislens.models.extraction import Prediction, TaskName
from crisislens.training.extraction.data import Example
from crisislens.training.extraction.evaluate import post_of_pair

__all__ = ["Items", "best_thresholds", "in_words", "report_above"]

Items = Literal["entities", "relations", "quintuples"]
"""What is counted."""

_STEPS = 19
_MARKED = 20


def report_above(
    examples: Sequence[Example],
    found: Sequence[Prediction],
    items: Items,
    above: float,
    above_links: float | None = None,
    *,
    resamples: int = 2000,
) -> ExtractionReport:
    """Scores of what is accepted.

    Arguments:
        examples: The posts, or pairs.
        found: What an extractor says of each, with probabilities.
        items: What is counted: `entities`, the `relations` of given pairs, or `quintuples`.
        above: The least that is accepted.
        above_links: Of `quintuples`, the least that a relation needs; `above` where None.
        resamples: Of the interval.

    Raises:
        InputError: If there are no posts.
    """
    posts = [e.post for e in examples]
    if items == "relations":
        said = [p.links[0].type if p.link_scores[0] >= above else NO_RELATION for p in found]
        return relation_report(
            [p.links[0].type for p in posts],
            said,
            posts=[post_of_pair(p) for p in posts],
            resamples=resamples,
        )
    kept = [p.above(above, above_links) for p in found]
    if items == "entities":
        return entity_report([p.mentions for p in posts], [p.mentions for p in kept], resamples=resamples)
    marked = [quintuples(p.mentions, p.links) for p in posts]
    told = [quintuples(p.mentions, p.links) for p in kept]
    return quintuple_report(marked, told, resamples=resamples)


def best_thresholds(
    task: TaskName, examples: Sequence[Example], found: Sequence[Prediction]
) -> tuple[float, float | None]:
    """The probabilities above which micro F1 is best: of what the task finds, and of the relations
    of the task `joint`, else None.

    Each is a multiple of 0.05, the smallest of equal ones. Those of `joint` are chosen one after
    the other: entities by themselves, since most posts have no relation, then relations between the
    entities that are left.

    Arguments:
        task: The extractor's task.
        examples: Development posts, or pairs.
        found: What it says of each, with probabilities.

    Raises:
        InputError: If there are no posts.
    """

    # intervals are not looked at here
    if task != "joint":
        return _best(lambda t: report_above(examples, found, task, t, resamples=2)), None
    # entities first: relations can only stand between those that are told
    entities = _best(lambda t: report_above(examples, found, "entities", t, resamples=2))
    return entities, _best(lambda t: report_above(examples, found, "quintuples", entities, t, resamples=2))


def _best(report: Callable[[float], ExtractionReport]) -> float:
    # max keeps the first of equals, which is the smallest
    return max((round(0.05 * i, 2) for i in range(_STEPS)), key=lambda t: report(t).micro.f1)


def in_words(report: ExtractionReport, what: str) -> str:
    """A line for a model card: micro scores in percent with the interval of F1, and F1 of the types
    that are marked often enough.
    """
    m = report.micro
    types = ", ".join(
        f"{kind} {100 * score.f1:.1f}" for kind, score in report.types.items() if score.marked >= _MARKED
    )
    head = (
        f"{what}: micro F1 {100 * m.f1:.1f} [{100 * report.low:.1f}, {100 * report.high:.1f}], precision "
        f"{100 * m.precision:.1f}, "
    )
    return head + f"recall {100 * m.recall:.1f}" + (f" ({types})" if types else "")
