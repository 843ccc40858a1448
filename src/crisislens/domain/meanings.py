"""Answers to different questions that mean nearly the same, declared once.

Two models may each find the calls for help: one divides posts into kinds, the other tells what they ask for.
Who wants to know how many calls there are wants a post counted once, whichever of them found it. Reports,
digests and filters read from here which answers these are; an answer stands in one meaning at most.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from crisislens.domain.tasks import CALLED, CATEGORY

__all__ = ["ANY_OF", "MEANINGS", "Answer", "Meaning", "answers_counted", "meaning_named", "meaning_of"]

Answer = tuple[str, str]
"""A question and a label."""
ANY_OF: Final = "meaning"
"""Stands where a question does when any answer of a meaning is counted, the label being its name."""


@dataclass(frozen=True)
class Meaning:
    """What several answers mean.

    Attributes:
        name: Unique; under it posts are counted.
        title: What a person reads.
        answers: The answers, as question and label.
    """

    name: str
    title: str
    answers: tuple[Answer, ...]

    def among(self, known: Collection[Answer]) -> tuple[Answer, ...]:
        """Those of its answers that are known, in their order.

        >>> MEANINGS[0].among([("needs", "request"), ("needs", "water")])
        (('needs', 'request'),)
        """
        return tuple(answer for answer in self.answers if answer in known)


def _either(name: str, title: str, category: str, called: str) -> Meaning:
    """What a kind of post and a call have in common."""
    pairs = ((CATEGORY, category), (CALLED, called))
    # asked for by its position, so that no label is mistyped
    answers = tuple((task.question, task.classes[task.index(label)]) for task, label in pairs)
    return Meaning(name, title, answers)


MEANINGS: tuple[Meaning, ...] = (
    _either("calls_for_help", "Calls for help", "requests_or_urgent_needs", "request"),
    _either("missing_people", "Who is missing or found", "missing_or_found_people", "missing_people"),
    _either("warnings", "Warnings and advice", "caution_and_advice", "warning"),
)
"""All of them, the gravest first."""


def meaning_named(name: str) -> Meaning | None:
    """The meaning of a name; None where there is none."""
    return next((one for one in MEANINGS if one.name == name), None)


def answers_counted(question: str, label: str) -> tuple[Answer, ...]:
    """The answers of which any one is counted: a single one, or those of a meaning. An unknown meaning has
    none but its own name, which nobody answers.

    >>> answers_counted("needs", "rescue")
    (('needs', 'rescue'),)
    >>> answers_counted(ANY_OF, "warnings")
    (('humanitarian', 'caution_and_advice'), ('needs', 'warning'))
    """
    meaning = meaning_named(label) if question == ANY_OF else None
    return ((question, label),) if meaning is None else meaning.answers


def meaning_of(question: str, label: str) -> Meaning | None:
    """What an answer means beside others; None where it stands alone.

    >>> found = meaning_of("needs", "request")
    >>> found and found.title
    'Calls for help'
    """
    return next((one for one in MEANINGS if (question, label) in one.answers), None)
