"""Answers of one post that contradict each other are not both given.

Each question has a model of its own, and of some posts they disagree: "Asks for help" beside "Not
informative". Whoever filters by the second never sees the first. So an answer that there is nothing in a
post does not stand beside one that says what is urgent in it (a call, a need, a warning, damage: what has a
weight in the order of reading); it becomes "not sure" and says why. What is urgent stands: of the two
mistakes, to read a post for nothing is the smaller one. Ours, no paper.
"""

from collections.abc import Mapping

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.tasks import Task

__all__ = ["agreed", "contradicted"]

_CONTRADICTS = ", which contradicts “"


def agreed(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> dict[str, TaskAssessment]:
    """The answers, those that contradict what is surely urgent "not sure".

    Arguments:
        answers: By question.
        spaces: The tasks, by question.
    """
    urgent = _urgent(answers, spaces)
    if urgent is None:
        return dict(answers)
    return {
        name: _unsure(answer, spaces[name], urgent) if _says_nothing(answer, spaces[name]) else answer
        for name, answer in answers.items()
    }


def contradicted(answer: TaskAssessment) -> bool:
    """Whether an answer is "not sure" because another one contradicts it."""
    return answer.abstained and _CONTRADICTS in (answer.reason or "")


def _urgent(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> str | None:
    """The title of the most urgent label that surely holds; None without one."""
    held = [
        (space.label(label).urgency, space.title(label))
        for name, space in spaces.items()
        if name in answers and _weighs(space)
        for label in answers[name].labels
    ]
    weight, title = max(held, key=lambda one: one[0], default=(0.0, ""))
    return title if weight > 0 else None


def _weighs(space: Task) -> bool:
    """Whether a task says what is urgent: a gate lets others through, and a scale is always somewhere."""
    return space.share > 0 and not (space.gate or space.ordered)


def _says_nothing(answer: TaskAssessment, space: Task) -> bool:
    """Whether an answer surely says that the post is about nothing. The least of a scale says less: a call
    may well tell of little damage.
    """
    return not space.ordered and any(space.label(label).nothing for label in answer.labels)


def _unsure(answer: TaskAssessment, space: Task, urgent: str) -> TaskAssessment:
    leaning = f"Leaning to “{space.title(answer.label)}” at {answer.confidence:.0%}"
    reason = f"{leaning}{_CONTRADICTS}{urgent}”."
    return answer.model_copy(update={"labels": (), "abstained": True, "reason": reason})
