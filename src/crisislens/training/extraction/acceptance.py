r"""From which probability on what an extractor says is told, chosen on development posts.

$$\theta = \arg\max_{t \in \{0, 0.05, \ldots, 0.9\}} F_1\bigl(\{x : p(x) \ge t\}\bigr),$$

the smallest of equal ones. Published scores take all that is found; the product leaves out what is below $\theta$, and says how good the
rest is.
"""

from collections.abc import Sequence

import numpy as np

from crisislens.domain.extraction import NO_RELATION
from crisislens.evaluation.extraction import ExtractionReport, entity_report, quintuple_report, quintuples, relation_report
from crisislens.models.extraction import Extractor, Prediction
from crisislens.training.extraction.data import Example
from crisislens.training.extraction.evaluate import post_of_pair

__all__ = ["best_threshold", "in_words", "report_above"]

_GRID = np.arange(0.0, 0.95, 0.05)
_MARKED = 20


def report_above(
    extractor: Extractor, examples: Sequence[Example], found: Sequence[Prediction], above: float, *, resamples: int = 2000
) -> ExtractionReport:
    """Scores of what is accepted.

    Arguments:
        extractor: The extractor.
        examples: The posts, or pairs.
        found: What it says of each, with probabilities.
        above: The least that is accepted.
        resamples: Of the interval.

    Raises:
        InputError: If there are no posts.
    """
    posts = [e.post for e in examples]
    if extractor.spec.task == "relations":
        said = [p.links[0].type if p.link_scores[0] >= above else NO_RELATION for p in found]
        return relation_report([p.links[0].type for p in posts], said, posts=[post_of_pair(p) for p in posts], resamples=resamples)
    kept = [p.above(above) for p in found]
    if extractor.spec.task == "entities":
        return entity_report([p.mentions for p in posts], [p.mentions for p in kept], resamples=resamples)
    marked, said_of = ([quintuples(p.mentions, p.links) for p in rows] for rows in (posts, kept))
    return quintuple_report(marked, said_of, resamples=resamples)


def best_threshold(extractor: Extractor, examples: Sequence[Example], found: Sequence[Prediction]) -> float:
    """The probability above which micro F1 is best: a multiple of 0.05, the smallest of equal ones.

    Arguments:
        extractor: The extractor.
        examples: Development posts, or pairs.
        found: What it says of each, with probabilities.

    Raises:
        InputError: If there are no posts.
    """
    # intervals are not looked at here
    return round(float(max(_GRID, key=lambda t: report_above(extractor, examples, found, float(t), resamples=2).micro.f1)), 2)


def in_words(report: ExtractionReport, what: str) -> str:
    """A line for a model card: micro scores in percent with the interval of F1, and F1 of the types that are marked often enough."""
    m = report.micro
    types = ", ".join(f"{kind} {100 * score.f1:.1f}" for kind, score in report.types.items() if score.marked >= _MARKED)
    head = f"{what}: micro F1 {100 * m.f1:.1f} [{100 * report.low:.1f}, {100 * report.high:.1f}], precision {100 * m.precision:.1f}, "
    return head + f"recall {100 * m.recall:.1f}" + (f" ({types})" if types else "")
