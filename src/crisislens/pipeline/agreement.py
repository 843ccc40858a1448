"""Answers of one post that contradict each other are not both given.

Each question has a model of its own, and of some posts they disagree: "Asks for help" beside "Not
informative". Whoever filters by the second never sees the first. So an answer that there is nothing in a
post does not stand beside one that says what is urgent in it (a call, a need, a warning, damage: what has a
weight in the order of reading); it becomes "not sure" and says why. What is urgent stands: of the two
mistakes, to read a post for nothing is the smaller one.

Nor does it stand where the most urgent labels are not said, but not excluded either. With $T$ the labels of
questions that take several and that weigh most in their question, "nothing" is sure only if

$$\\max_{l \\in T} p_l < \\tau, \\qquad \\tau = 0.05.$$

Calls in anger or irony are what this is for: their words are those of complaints. What it costs and saves,
and how τ was chosen: docs/benchmarks-need.md, `benchmarks/dismissals.py`. Ours, no paper.
"""

from collections.abc import Mapping

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.tasks import Task

__all__ = ["EXCLUDED_BELOW", "agreed", "contradicted", "most_urgent", "outvoted"]

EXCLUDED_BELOW = 0.05
"""A label that is less probable is excluded."""
_CONTRADICTS = ", which contradicts “"
_NOT_EXCLUDED = ", while “"


def agreed(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> dict[str, TaskAssessment]:
    """The answers; those that say "nothing" are "not sure" beside what is urgent and held or not excluded.

    Arguments:
        answers: By question.
        spaces: The tasks, by question.
    """
    against = _urgent(answers, spaces) or _not_excluded(answers, spaces)
    if not against:
        return dict(answers)
    return {
        name: _unsure(answer, spaces[name], against) if _says_nothing(answer, spaces[name]) else answer
        for name, answer in answers.items()
    }


def contradicted(answer: TaskAssessment) -> bool:
    """Whether an answer is "not sure" because another one contradicts it."""
    return answer.abstained and _CONTRADICTS in (answer.reason or "")


def outvoted(answer: TaskAssessment) -> bool:
    """Whether an answer is "not sure" because of another one, be it held or only not excluded."""
    return contradicted(answer) or (answer.abstained and _NOT_EXCLUDED in (answer.reason or ""))


def most_urgent(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> tuple[float, str]:
    """The probability and the title of the likeliest label that weighs most in a question that takes several;
    0 and nothing where no such question was answered.

    Arguments:
        answers: By question.
        spaces: The tasks, by question.
    """
    found = (0.0, "")
    for name, space in spaces.items():
        if name not in answers or not _weighs(space) or not space.several:
            continue
        top = max(label.urgency for label in space.labels)
        for label in space.labels:
            probability = answers[name].probabilities.get(label.name, 0.0)
            if top > 0 and label.urgency == top and probability > found[0]:
                found = (probability, label.title)
    return found


def _urgent(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> str:
    """That the most urgent label which surely holds contradicts an answer; nothing without one."""
    held = [
        (space.label(label).urgency, space.title(label))
        for name, space in spaces.items()
        if name in answers and _weighs(space)
        for label in answers[name].labels
    ]
    weight, title = max(held, key=lambda one: one[0], default=(0.0, ""))
    return f"{_CONTRADICTS}{title}”" if weight > 0 else ""


def _not_excluded(answers: Mapping[str, TaskAssessment], spaces: Mapping[str, Task]) -> str:
    """That a label which weighs most is not excluded; nothing where all are."""
    probability, title = most_urgent(answers, spaces)
    return f"{_NOT_EXCLUDED}{title}” stands at {probability:.0%}" if probability >= EXCLUDED_BELOW else ""


def _weighs(space: Task) -> bool:
    """Whether a task says what is urgent: a gate lets others through, and a scale is always somewhere."""
    return space.share > 0 and not (space.gate or space.ordered)


def _says_nothing(answer: TaskAssessment, space: Task) -> bool:
    """Whether an answer surely says that the post is about nothing. The least of a scale says less: a call
    may well tell of little damage.
    """
    return not space.ordered and any(space.label(label).nothing for label in answer.labels)


def _unsure(answer: TaskAssessment, space: Task, against: str) -> TaskAssessment:
    reason = f"Leaning to “{space.title(answer.label)}” at {answer.confidence:.0%}{against}."
    return answer.model_copy(update={"labels": (), "abstained": True, "reason": reason})
