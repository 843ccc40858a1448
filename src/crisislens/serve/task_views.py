"""The questions that stored answers belong to, with titles and tones; also those of a model of one's own."""

from collections.abc import Iterable, Mapping

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.tasks import ASKED, CATEGORY, NEEDED, TASKS, Task, own_task, readable
from crisislens.report.model import ReportTask

__all__ = ["NOT_SURE", "asked_tasks", "task_for", "tasks_of", "usual_title"]

NOT_SURE = "not_sure"
_SUMS_TO_ONE = 0.02


def asked_tasks() -> dict[str, Task]:
    """By question, what the default bundle is asked, and what people need."""
    # the category takes the place of the coarser one in `ASKED`, which has the same question
    return {task.question: task for task in (*ASKED, CATEGORY, NEEDED)}


def usual_title(question: str, label: str) -> str:
    """An answer as a person reads it, where the task is known by its question alone.

    Several tasks that ship ask one question: bundles differ in how finely they divide posts.

    Arguments:
        question: The key in `Assessment.tasks`.
        label: The class.
    """
    asked = asked_tasks().get(question)
    same = [task for task in TASKS.values() if task.question == question]
    for task in ([asked] if asked is not None else []) + same:
        if label in task.classes:
            return task.title(label)
    return readable(label)


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
