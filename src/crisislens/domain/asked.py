"""What the default bundle is asked, by question, and answers as people read them."""

from crisislens.domain.tasks import ASKED, CALLED, CATEGORY, TASKS, Task, readable

__all__ = ["asked_tasks", "shipped_answers", "usual_title"]


def asked_tasks() -> dict[str, Task]:
    """By question, what the default bundle is asked."""
    # the category takes the place of the coarser one in `ASKED`, which has the same question
    return {task.question: task for task in (*ASKED, CATEGORY, CALLED)}


def shipped_answers(question: str) -> tuple[str, ...]:
    """The classes of all tasks that ship and ask a question, those of the default bundle first."""
    asked = asked_tasks().get(question)
    same = [task for task in TASKS.values() if task.question == question]
    every = ([asked] if asked is not None else []) + same
    return tuple(dict.fromkeys(name for task in every for name in task.classes))


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
