"""What one listed post shows: plain records for the template, so that it decides nothing."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.language_names import language_name
from crisislens.domain.place import PlaceMention
from crisislens.domain.place_types import PLACE_ANSWERS
from crisislens.domain.post import Post
from crisislens.report.archive import photo_state
from crisislens.report.display import count_hidden, lines_of, moment, percent, shorten, utc
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.named import Named, named_of, relation_texts
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.rationale_view import RationaleView, Segment, marked_text, rationale_view, segments
from crisislens.report.selection import Listed
from crisislens.report.tally import NONE, NOT_SURE, answers_of, gravest, hedged, is_perhaps

__all__ = ["AnswerLabel", "CardMaker", "PostCard", "Probability", "TaskAnswer"]

_SHOWN_CHARACTERS = 420
_KEPT_CHARACTERS = 4_000
_SHOWN_MEMBERS = 20
_SHOWN_PLACES = 4
_MOST_THUMBNAIL_BYTES = 150_000
_MOST_THUMBNAILS_BYTES = 5_000_000
_LEAST_SHOWN = 0.01
_NEARLY_ONE = 0.9999
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Probability:
    """One class of one task: its title, its probability in words, as a number in [0, 100], and whether it is
    the answer.
    """

    title: str
    percent: str
    width: float
    chosen: bool


@dataclass(frozen=True)
class AnswerLabel:
    """One of several labels that hold: its title, tone and probability in words, and whether it holds only
    perhaps, which its title says too.
    """

    title: str
    tone: str
    percent: str
    perhaps: bool = False


@dataclass(frozen=True)
class TaskAnswer:
    """One task's answer: what it says, how sure it is, and why not where it is not.

    `each` are the labels of a set of two or more, each with its own probability; the bar is the surest's.

    `values` are the labels by their names; `perhaps` is whether the one label holds only perhaps, which
    `label` says too; `threshold` is where "not sure" ends, in [0, 100], None where it is not known.
    """

    task: str
    title: str
    values: tuple[str, ...]
    label: str
    tone: str
    confidence: float
    percent: str
    threshold: float | None
    reason: str
    probabilities: tuple[Probability, ...]
    each: tuple[AnswerLabel, ...] = ()
    perhaps: bool = False


@dataclass(frozen=True)
class PostCard:
    """One post that is listed in full. `row` is its row in the archive, `rank` that counted from 1; `photo`
    is `yes`, `unusable` or `none`; `thumbnail` is base64 of a JPEG or empty; `time_ms` counts from 1970;
    `shared_reason` is why all answers are open, where the reason is one.
    """

    row: int
    rank: int
    id: str
    event: str
    url: str
    urgency: str
    urgency_value: float
    when: str
    time_ms: int | None
    place: str
    near: str
    names: str
    kind: str
    kind_percent: str
    language: str
    language_code: str
    text: tuple[Segment, ...]
    rest: tuple[Segment, ...]
    left_out: int
    hidden_characters: int
    photo: str
    thumbnail: str
    no_thumbnail: str
    notes: tuple[str, ...]
    named: tuple[Named, ...]
    relations: tuple[str, ...]
    answers: tuple[TaskAnswer, ...]
    shared_reason: str
    unsure: int
    unread: bool
    cluster: ReportCluster | None
    photo_cluster: ReportCluster | None
    others: tuple[str, ...]
    evidence: RationaleView | None


class CardMaker:
    """Turns listed posts into cards and keeps the sum of their pictures within bounds.

    Arguments:
        tasks: The questions in the order in which they are shown.
        thumbnails: Gives a small JPEG of a post's photo, or None.
        naming: What places are called.
    """

    def __init__(
        self,
        tasks: tuple[ReportTask, ...],
        thumbnails: Callable[[Post], bytes | None],
        naming: Naming = BY_TEXT,
    ) -> None:
        self._naming = naming
        self._tasks = tasks
        self._thumbnails = thumbnails
        self._bytes_left = _MOST_THUMBNAILS_BYTES

    def card(self, row: int, listed: Listed) -> PostCard:
        """The card of one post, which stands in a row of the archive; call it in the order of the list, the
        most urgent first, so that they get their pictures.
        """
        a, post = listed.assessment, listed.assessment.post
        start, rest = _pieces(a)
        photo = photo_state(a)
        thumbnail, why = self._picture(a, photo)
        sure = a.place_type if a.place_type is not None and not a.place_type.abstained else None
        answers = tuple(self._answer(task, a) for task in self._tasks)
        return PostCard(
            row=row,
            rank=row + 1,
            id=post.id,
            event=post.event or "",
            url=post.url or "",
            urgency=f"{a.urgency:.2f}",
            urgency_value=a.urgency,
            when=moment(post.created_at) if post.created_at else "",
            time_ms=int(utc(post.created_at).timestamp() * 1000) if post.created_at else None,
            place=f"{post.lat:.4f}, {post.lon:.4f}" if post.lat is not None and post.lon is not None else "",
            near=self._naming.of(a) if a.location is not None and a.location.place is None else "",
            names=", ".join(dict.fromkeys(_named(m) for m in a.places[:_SHOWN_PLACES])),
            kind=PLACE_ANSWERS.title(sure.label) if sure else "",
            kind_percent=percent(sure.confidence) if sure else "",
            language=language_name(a.language),
            language_code=a.language or "",
            text=start,
            rest=rest,
            left_out=max(0, len(post.text) - _KEPT_CHARACTERS),
            hidden_characters=count_hidden(post.text),
            photo=photo,
            thumbnail=thumbnail,
            no_thumbnail=why,
            notes=a.notes,
            named=named_of(a),
            relations=tuple(relation_texts(a)),
            answers=answers,
            shared_reason=_shared_reason(answers),
            unsure=sum(NOT_SURE in answer.values for answer in answers),
            unread=a.unread is not None,
            cluster=listed.cluster,
            photo_cluster=listed.photo,
            others=tuple(m for m in listed.cluster.members if m != post.id)[:_SHOWN_MEMBERS]
            if listed.cluster
            else (),
            evidence=rationale_view(post.text, a.rationale, self._tasks),
        )

    def _picture(self, assessment: Assessment, photo: str) -> tuple[str, str]:
        """The picture as base64, or an empty string and why there is none."""
        if photo == "none":
            return "", "No photo"
        if photo == "unusable":
            return "", "Photo could not be used"
        if self._bytes_left <= 0:
            return "", "Photo was judged; left out to keep this file small"
        data = self._thumbnails(assessment.shown)
        if not data or not data.startswith(_JPEG) or len(data) > _MOST_THUMBNAIL_BYTES:
            return "", "Photo was judged; no preview"
        self._bytes_left -= len(data)
        return base64.b64encode(data).decode("ascii"), ""

    def _answer(self, task: ReportTask, assessment: Assessment) -> TaskAnswer:
        found = assessment.tasks.get(task.name)
        labels = answers_of(task.task, found)
        if found is None:
            return TaskAnswer(
                task.name,
                task.title,
                labels,
                f"{task.title}: not sure",
                "unsure",
                0.0,
                "",
                None,
                "The model does not answer this for the post.",
                (),
            )
        evidence = "both" if len(assessment.modalities) > 1 else "".join(assessment.modalities)
        threshold = task.thresholds.get(evidence)
        sure = found.surest
        return TaskAnswer(
            task=task.name,
            title=task.title,
            values=labels,
            label=_answer_words(task, found, labels),
            tone="unsure" if found.abstained else gravest(task.task, labels),
            confidence=sure,
            # how sure a model is of a language that it cannot read means nothing
            percent="" if found.abstained and assessment.unread is not None else _sure(sure),
            threshold=None if threshold is None else round(100 * threshold, 2),
            reason=found.reason or "",
            probabilities=_probabilities(task, found),
            each=_each(task, found, labels) if len(labels) > 1 else (),
            perhaps=len(labels) == 1 and is_perhaps(task.task, found, labels[0]),
        )


def _sure(p: float) -> str:
    """A model's probability; records round it to four digits, so that 1 stands for nearly 1."""
    return percent(min(p, _NEARLY_ONE))


def _answer_words(task: ReportTask, found: TaskAssessment, labels: tuple[str, ...]) -> str:
    """What a card says for a task: its labels, or that it is not sure, or that none holds."""
    if labels == (NOT_SURE,):
        return f"{task.title}: not sure"
    if labels == (NONE,):
        return f"{task.title}: none"
    return ", ".join(hedged(task.label(name), is_perhaps(task.task, found, name)) for name in labels)


def _each(task: ReportTask, found: TaskAssessment, labels: tuple[str, ...]) -> tuple[AnswerLabel, ...]:
    """The labels of a set, the surest first: one number for all would be said of the weakest, too."""
    each = []
    for name in sorted(labels, key=lambda name: -found.probabilities[name]):
        perhaps = is_perhaps(task.task, found, name)
        title, tone = hedged(task.label(name), perhaps), gravest(task.task, (name,))
        each.append(AnswerLabel(title, tone, _sure(found.probabilities[name]), perhaps))
    return tuple(each)


def _shared_reason(answers: tuple[TaskAnswer, ...]) -> str:
    """The reason that all answers share, told once; empty where each has its own."""
    reasons = {answer.reason for answer in answers}
    return reasons.pop() if len(reasons) == 1 and len(answers) > 1 else ""


def _named(mention: PlaceMention) -> str:
    place = mention.place
    inside = "" if place.kind == "country" else f", {place.admin if place.country == 'US' else place.country}"
    return place.name + (inside if place.kind in ("city", "county") else "")


def _pieces(assessment: Assessment) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """The start of the text and the rest, cut for display, with the evidence marked."""
    marked = marked_text(assessment.post.text[:_KEPT_CHARACTERS], assessment.rationale)
    start, rest = shorten(lines_of(marked), _SHOWN_CHARACTERS)
    shown, inside = segments(start)
    return shown, segments(rest, inside=inside)[0]


def _probabilities(task: ReportTask, found: TaskAssessment) -> tuple[Probability, ...]:
    order = sorted(found.probabilities.items(), key=lambda item: -item[1])
    # of many classes most are near 0 and would only make the file larger; two are left to compare
    order = order[:2] + [item for item in order[2:] if item[1] >= _LEAST_SHOWN]
    return tuple(
        Probability(task.label(name), _sure(p), round(100 * p, 2), name == found.label) for name, p in order
    )
