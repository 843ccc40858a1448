"""The questions that stored answers belong to, with titles and tones; also those of a model of one's own."""

from collections.abc import Iterable, Mapping

from crisislens.domain.asked import asked_tasks, usual_title
from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.tasks import TASKS, Task, own_task
from crisislens.report.model import ReportTask

__all__ = ["NOT_SURE", "asked_tasks", "task_for", "tasks_of", "usual_title"]

NOT_SURE = "not_sure"
_SUMS_TO_ONE = 0.02


def task_for(question: str, answer: TaskAssessment | None = None) -> Task:
    """The task of an answer: one that ships and has its classes, else one made of the classes themselves.

    Arguments:
        question: The key in `Assessment.tasks`.
        answer: What was said; tells the classes.
    """
    usual = asked_tasks().get(question)
    if answer is None:
        return usual or own_task(question, ["yes", "no"])
    names = list(answer.probabilities)
    if usual is not None and set(usual.classes) == set(names):
        return usual
    for task in TASKS.values():
        if task.question == question and set(task.classes) == set(names):
            return task
    # probabilities of labels of which several may hold do not add up to one
    several = abs(sum(answer.probabilities.values()) - 1) > _SUMS_TO_ONE
    return own_task(question, names, several=several or len(names) < 2)


def tasks_of(assessments: Iterable[Assessment]) -> tuple[ReportTask, ...]:
    """The questions that assessments answer, in their order."""
    found: dict[str, ReportTask] = {}
    for assessment in assessments:
        for question, answer in _answers(assessment).items():
            if question not in found:
                found[question] = ReportTask(task_for(question, answer))
    return tuple(found.values())


def _answers(assessment: Assessment) -> Mapping[str, TaskAssessment]:
    return assessment.tasks
