"""A post as lists and its own page show it: plain records for templates, so that they decide nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crisislens.core.errors import InputError
from crisislens.domain.assessment import Assessment
from crisislens.domain.language_names import language_name
from crisislens.domain.rationale import Rationale
from crisislens.domain.tasks import CATEGORY, Task
from crisislens.report.cards import CardMaker, PostCard, TaskAnswer
from crisislens.report.display import moment, number, shorten
from crisislens.report.model import ReportTask
from crisislens.report.named import Named
from crisislens.report.rationale_view import RationaleView, Segment
from crisislens.report.selection import Listed
from crisislens.serve.access import Visitor
from crisislens.serve.task_views import NOT_SURE, asked_tasks, tasks_of, usual_title
from crisislens.store.records import PostRow, ReviewRow

__all__ = ["Done", "Item", "LabelButton", "Picture", "ReviewLine", "TaskChoice", "item_of", "title_of"]

_SHOWN_CHARACTERS = 420
_KEYS = 9


@dataclass(frozen=True)
class Picture:
    """A photo: where it is, and what is said to those who cannot see it."""

    url: str
    alt: str


@dataclass(frozen=True)
class ReviewLine:
    """What a person said of a task; `agrees` where it is what the model says."""

    task: str
    by: str
    title: str
    note: str
    when: str
    agrees: bool


@dataclass(frozen=True)
class LabelButton:
    """One answer to choose; `key` is empty from the tenth on, `said` where the model says it."""

    name: str
    title: str
    key: str
    said: bool


@dataclass(frozen=True)
class TaskChoice:
    """One question with its answers to choose from; any number of them where `several`."""

    name: str
    title: str
    labels: tuple[LabelButton, ...]
    several: bool = False


@dataclass(frozen=True)
class Done:
    """What was just said of a post; `review` is what an undo takes back, None where nothing was kept."""

    said: str
    review: int | None = None


@dataclass(frozen=True)
class Item:
    """Everything that a template shows of a post."""

    id: int
    external_id: str
    source: str
    state: str
    reason: str
    urgency: str
    twins: int
    cluster: int | None
    when: str
    place: str
    language: str
    held_by: str
    text: tuple[Segment, ...]
    rest: tuple[Segment, ...]
    notes: tuple[str, ...]
    photos: tuple[Picture, ...]
    no_photo: str
    answers: tuple[TaskAnswer, ...]
    reviews: tuple[ReviewLine, ...]
    evidence: RationaleView | None
    named: tuple[Named, ...]
    act: bool
    confirmable: bool
    tasks: tuple[TaskChoice, ...]
    done: Done | None = None
    heat: Mapping[str, object] = field(default_factory=dict)

    def reviews_of(self, task: str) -> tuple[ReviewLine, ...]:
        """What people say of one question."""
        return tuple(review for review in self.reviews if review.task == task)


def item_of(
    row: PostRow,
    document: str | None,
    visitor: Visitor,
    *,
    rationale: str | None = None,
    act: bool = False,
    done: Done | None = None,
) -> Item:
    """A post for a template.

    Arguments:
        row: The post.
        document: What the current model says of it, as JSON; None where none has answered.
        visitor: Who looks.
        rationale: The evidence, as JSON, where it was made.
        act: Whether it is to be reviewed here.
        done: What was just said of it.
    """
    assessment = Assessment.model_validate_json(document) if document else None
    if assessment is not None and rationale is not None:
        found = Rationale.model_validate_json(rationale)
        assessment = assessment.model_copy(update={"rationale": found})
    tasks = tasks_of([assessment]) if assessment is not None else ()
    card = _card(assessment, tasks)
    start, rest = (card.text, card.rest) if card is not None else _plain(row.text)
    choices = _choices(row, tasks)
    return Item(
        id=row.id,
        external_id=row.external_id,
        source=row.source,
        state=("reviewed" if done is not None else row.state),
        reason=row.reason or "",
        urgency=f"{row.urgency:.2f}" if row.urgency is not None else "",
        twins=max(0, row.cluster_size - 1),
        cluster=row.cluster_id,
        when=moment(row.at),
        place=row.place_name or "",
        language=language_name(row.language) if row.language else "",
        held_by=row.held_by if row.held_by and row.held_by != visitor.name else "",
        text=start,
        rest=rest,
        notes=_notes(row, card),
        photos=_pictures(row, card),
        no_photo=_no_photo(row),
        answers=card.answers if card is not None else (),
        reviews=tuple(line for review in row.reviews for line in _lines(review, tasks)),
        evidence=card.evidence if card is not None else None,
        named=card.named if card is not None else (),
        act=act,
        confirmable=any(not answer.abstained for answer in row.answers.values()),
        tasks=choices,
        done=done,
    )


def title_of(task: str, label: str, tasks: Sequence[ReportTask] = ()) -> str:
    """An answer as a person reads it."""
    if label == NOT_SURE:
        return "not sure"
    for each in tasks:
        if each.name == task:
            return each.label(label)
    return usual_title(task, label)


def _card(assessment: Assessment | None, tasks: tuple[ReportTask, ...]) -> PostCard | None:
    if assessment is None:
        return None
    return CardMaker(tasks, lambda _post: None).card(0, Listed(assessment, 1, None))


def _plain(text: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    start, rest = shorten(text, _SHOWN_CHARACTERS)
    return (
        (Segment(start, False),) if start else (),
        (Segment(rest, False),) if rest else (),
    )


def _notes(row: PostRow, card: PostCard | None) -> tuple[str, ...]:
    notes = list(card.notes) if card is not None else []
    if row.unread and row.unread not in notes:
        notes.append(row.unread)
    if card is not None and card.hidden_characters:
        count = number(card.hidden_characters)
        notes.append(f"{count} invisible or direction-changing characters in the text were taken out.")
    notes += [photo.reason for photo in row.photos if photo.reason]
    return tuple(dict.fromkeys(notes))


def _pictures(row: PostRow, card: PostCard | None) -> tuple[Picture, ...]:
    described = card.evidence.photo if card is not None and card.evidence and card.evidence.photo else ""
    alt = f"Photo of post {row.id}, {described or 'not described'}"
    return tuple(
        Picture(f"/media/{photo.sha256}.jpg", alt)
        for photo in row.photos
        if photo.sha256 and photo.state == "stored"
    )


def _no_photo(row: PostRow) -> str:
    if not row.photos:
        return "No photo"
    states = {photo.state for photo in row.photos}
    return "Photo on its way" if "pending" in states else "Photo could not be used"


def _lines(review: ReviewRow, tasks: Sequence[ReportTask]) -> list[ReviewLine]:
    """What a review says, a line a task."""
    lines = []
    for task, labels in review.said.items():
        same = set(labels) == set(review.model_said(task))
        agrees = review.verdict == "right" or (review.verdict == "label" and same)
        title = ", ".join(title_of(task, label, tasks) for label in labels) or "none"
        if review.verdict == "unsure":
            title = "not sure"
        lines.append(ReviewLine(task, review.user, title, review.note or "", moment(review.at), agrees))
    return lines


def _choices(row: PostRow, tasks: tuple[ReportTask, ...]) -> tuple[TaskChoice, ...]:
    """The questions to answer, the one that divides posts by need first."""
    found = [task.task for task in tasks] or list(asked_tasks().values())[:1]
    if not tasks:
        found = [CATEGORY]
    found.sort(key=lambda task: (task.gate, task.ordered, task.question != CATEGORY.question))
    return tuple(_choice(task, row) for task in found)


def _choice(task: Task, row: PostRow) -> TaskChoice:
    answer = row.answers.get(task.question)
    said = set(answer.labels) if answer is not None and not answer.abstained else set()
    buttons = []
    for at, label in enumerate(task.labels, start=1):
        key = str(at) if at <= _KEYS else ""
        buttons.append(LabelButton(label.name, label.words, key, label.name in said))
    return TaskChoice(task.question, task.heading, tuple(buttons), task.several)


def chosen(text: str) -> tuple[str, str]:
    """The task and the label of a choice.

    >>> chosen("damage=severe_damage")
    ('damage', 'severe_damage')

    Raises:
        InputError: If it is none.
    """
    task, equals, label = text.partition("=")
    if not (task and equals and label):
        raise InputError("a choice is TASK=LABEL, 'right' or 'later'")
    return task, label
