"""What a person may say of a post: the questions that its models were asked, and their answers."""

from collections.abc import Sequence

from crisislens.core.errors import InputError
from crisislens.domain.assessment import Assessment
from crisislens.domain.task import Task
from crisislens.serve.service import Service
from crisislens.serve.task_views import asked_tasks, task_for
from crisislens.store.records import PostRow, Verdict

__all__ = ["asked_of", "labels_of"]


def asked_of(service: Service, row: PostRow, question: str) -> Task:
    """The task that a post's answer is of, with the classes of the model that gave it; where none did, ours.

    Raises:
        InputError: If nobody asks this.
    """
    document = service.store.posts.assessment(row.id) if question in row.answers else None
    if document is not None:
        return task_for(question, Assessment.model_validate_json(document).tasks.get(question))
    known = asked_tasks().get(question)
    if known is None:
        names = ", ".join(dict.fromkeys([*row.answers, *asked_tasks()]))
        raise InputError(f"nobody asks this question of post {row.id}; expected one of {names}")
    return known


def labels_of(
    service: Service, row: PostRow, question: str, labels: Sequence[str], *, verdict: Verdict = "label"
) -> list[str]:
    """The labels of a review, each once, where they are answers to its question: what is kept here becomes
    training data, and a class that no model has would spoil it.

    Arguments:
        service: The service.
        row: The post.
        question: What is judged; empty for the whole post.
        labels: The answers that a person gives.
        verdict: What they say of the model.

    Raises:
        InputError: If they are none. The sentence names what may be said, and not what was.
    """
    task = asked_of(service, row, question) if question else None
    given = list(dict.fromkeys(labels))
    if verdict != "label":
        if given:
            raise InputError(f"labels go with the verdict 'label' only; send none with {verdict!r}")
        return []
    if task is None:
        raise InputError("labels answer one question; name it as `task`")
    if not set(given) <= set(task.classes):
        raise InputError(f"this is no answer to {question!r}; expected {', '.join(task.classes)}")
    if not task.several and len(given) != 1:
        raise InputError(
            f"{question!r} has one answer; send one of {', '.join(task.classes)}, not {len(given)}"
        )
    return given
