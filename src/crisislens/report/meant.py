"""Which answers of a report mean nearly the same, and the filter that finds the posts with any of them."""

from collections.abc import Sequence
from dataclasses import replace

from crisislens.domain.meanings import MEANINGS, Meaning
from crisislens.domain.tasks import Label, Task
from crisislens.report.fields import field_of
from crisislens.report.tally import lane_of, only_relevance

__all__ = ["any_of", "meanings_in"]


def meanings_in(tasks: Sequence[Task]) -> tuple[Meaning, ...]:
    """The meanings that two answers or more have, with these answers alone.

    Answers of two tones stand in two lanes and are left apart.

    Arguments:
        tasks: The questions of a report.
    """
    labels: dict[tuple[str, str], Label] = {}
    for task in tasks:
        if not only_relevance(task):
            labels |= {(task.question, label.name): label for label in task.labels if not label.nothing}
    found = []
    for meaning in MEANINGS:
        answers = meaning.among(labels)
        tones = {lane_of(labels[answer]) for answer in answers}
        if len(answers) > 1 and len(tones) == 1:
            found.append(replace(meaning, answers=answers))
    return tuple(found)


def any_of(meaning: Meaning) -> dict[str, str]:
    """The filter of the page that finds every post with any of its answers.

    >>> any_of(MEANINGS[0])
    {'any_of': 'humanitarian:requests_or_urgent_needs needs:request'}
    """
    return {"any_of": " ".join(f"{field_of(question)}:{label}" for question, label in meaning.answers)}
