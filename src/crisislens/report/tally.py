"""Running totals over a run of any length: what the head of the report says, from one pass, in memory that
does not grow with the posts.
"""

from collections import Counter
from collections.abc import Sequence

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.tasks import Label, Task, Tone
from crisislens.report.model import ReportTask
from crisislens.report.timeline import TimeHistogram

__all__ = [
    "NONE",
    "NOT_SURE",
    "PERHAPS_BELOW",
    "Tally",
    "answers_of",
    "gravest",
    "hedged",
    "is_perhaps",
    "lane_of",
    "only_relevance",
]

NOT_SURE = "not_sure"
"""Stands where a label would: the model abstained, or the task was not answered."""
NONE = "none"
"""Stands where a label would: of several that may hold, none does."""
PERHAPS_BELOW = 70
"""In percent. Below it an answer is said with "perhaps". Of several labels each is said from one half on and
never "not sure"; a question with one answer has its own measured level of "not sure", which may lie as low:
a kind of post at 58 % must not look surer than a call at 69 % beside it.
"""
_MOST_LANGUAGES = 1000
_MOST_REASONS = 200
_GRAVE = 0.5
_GRAVEST_FIRST: tuple[Tone, ...] = ("grave", "warm", "calm", "plain")


def answers_of(task: Task, found: TaskAssessment | None) -> tuple[str, ...]:
    """The labels as they count: `not_sure` where the model abstained, `none` where none of several holds."""
    if found is None or found.abstained:
        return (NOT_SURE,)
    if not task.several:
        return (found.label,)
    return found.labels or (NONE,)


def is_perhaps(task: Task, found: TaskAssessment | None, name: str) -> bool:
    """Whether a label is said with so little probability that it is said with "perhaps".

    >>> from crisislens.domain.tasks import NEEDED
    >>> p = {"water": 0.99, "food": 0.6}
    >>> found = TaskAssessment(
    ...     label="water", labels=tuple(p), confidence=0.6, probabilities=p, abstained=False
    ... )
    >>> is_perhaps(NEEDED, found, "water"), is_perhaps(NEEDED, found, "food")
    (False, True)
    """
    if found is None or name not in task.classes or name not in answers_of(task, found):
        return False
    # rounded as it is shown, so that no "70%" is called so
    return round(100 * found.probabilities.get(name, 1.0)) < PERHAPS_BELOW


def hedged(title: str, perhaps: bool) -> str:
    """The title of a label as it is said.

    >>> hedged("Food", True)
    'Perhaps: Food'
    """
    return f"Perhaps: {title}" if perhaps else title


def only_relevance(task: Task) -> bool:
    """Whether a question asks no more than if a post is worth reading: something or nothing.

    >>> from crisislens.domain.tasks import TASKS
    >>> only_relevance(TASKS["informativeness"]), only_relevance(TASKS["damage_severity"])
    (True, False)
    """
    return task.gate or (not task.several and len(task) == 2 and len(task.nothing) == 1)


def lane_of(label: Label) -> Tone:
    """The tone of an answer; of one without any, what its weight in urgency says.

    >>> lane_of(Label(name="water", urgency=1.0)), lane_of(Label(name="sympathy", urgency=0.0))
    ('grave', 'plain')
    """
    if label.tone != "plain" or label.nothing or not label.urgency:
        return label.tone
    return "grave" if label.urgency >= _GRAVE else "warm"


def gravest(task: Task, names: Sequence[str]) -> Tone:
    """The tone of several answers together: that of the gravest.

    >>> from crisislens.domain.tasks import TASKS
    >>> gravest(TASKS["damage_severity"], ["little_or_no_damage", "severe_damage"])
    'grave'
    """
    tones = {lane_of(task.label(name)) for name in names}
    return next((tone for tone in _GRAVEST_FIRST if tone in tones), "plain")


class Tally:
    """Counts assessments.

    Attributes:
        posts: All posts.
        unsure: Posts with at least one answer "not sure".
        unread: Posts whose text no model reads, by language.
        unread_unsure: Per task those of them that it leaves open.
        photos: Posts that came with a photo.
        photos_unusable: Those of them whose photo could not be used.
        undated: Posts without a time.
        located: Posts with coordinates.
        answers: Per task the posts by answer.
        tasks: The questions, by name.
        gate: The one whose first label splits the bars of the timeline, if any.
        down: The question of the matrix's rows: of those with one answer the one of most kinds, if any.
        across: The question of its columns: the first that is a scale, if any.
        pairs: Posts by the answers of `down` and `across`.
        languages: Posts by detected language.
        times: Posts by time.
    """

    def __init__(self, tasks: Sequence[ReportTask]) -> None:
        self.posts = self.unsure = self.photos = self.photos_unusable = self.undated = self.located = 0
        self.tasks = {task.name: task.task for task in tasks}
        self.never_sure = {task.name for task in tasks if task.never_sure}
        self.answers: dict[str, Counter[str]] = {name: Counter() for name in self.tasks}
        # one of them splits the bars of the timeline, and two make the matrix
        self.gate = next(filter(only_relevance, self.tasks.values()), None)
        kinds = [
            task for task in self.tasks.values() if not (only_relevance(task) or task.ordered or task.several)
        ]
        self.down = max(kinds, key=len, default=None)
        self.across = next((task for task in self.tasks.values() if task.ordered), None)
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.languages: Counter[str | None] = Counter()
        self.unread: Counter[str | None] = Counter()
        self.unread_unsure: Counter[str] = Counter()
        self.times = TimeHistogram()
        self._reasons: dict[str, Counter[str]] = {name: Counter() for name in self.tasks}

    def add(self, assessment: Assessment) -> None:
        """Counts one post."""
        post = assessment.post
        answers = {name: answers_of(task, assessment.tasks.get(name)) for name, task in self.tasks.items()}
        self.posts += 1
        self.unsure += any(NOT_SURE in labels for labels in answers.values())
        if assessment.unread is not None and (
            assessment.language in self.unread or len(self.unread) < _MOST_LANGUAGES
        ):
            self.unread[assessment.language] += 1
        self.photos += post.image is not None
        self.photos_unusable += post.image is not None and "image" not in assessment.modalities
        self.located += post.lat is not None and post.lon is not None
        for name, labels in answers.items():
            self.answers[name].update(labels)
            self.unread_unsure[name] += assessment.unread is not None and NOT_SURE in labels
            self._count_reason(name, assessment.tasks.get(name))
        self.pairs[self.cell(assessment)] += 1
        if assessment.language in self.languages or len(self.languages) < _MOST_LANGUAGES:
            self.languages[assessment.language] += 1
        if post.created_at is None:
            self.undated += 1
        else:
            lead = self.gate is not None and self.gate.lead.name in answers[self.gate.question]
            self.times.add(post.created_at, informative=lead)

    def _count_reason(self, name: str, found: TaskAssessment | None) -> None:
        reasons = self._reasons[name]
        reason = found.reason if found is not None else None
        # how far a guess fell short differs from post to post and is no reason that many share
        if reason and "%" not in reason and (reason in reasons or len(reasons) < _MOST_REASONS):
            reasons[reason] += 1

    def why_unsure(self, name: str) -> str:
        """The reason that most posts share for which one question is left open, one sentence."""
        most = self._reasons[name].most_common(1)
        if most and most[0][1] * 2 > self.answers[name][NOT_SURE]:
            return most[0][0]
        return "Its best guess mostly stays below the level at which it was found reliable."

    def cell(self, assessment: Assessment) -> tuple[str, str]:
        """Where a post stands in the matrix of category and severity; a task that the report does not show
        counts as "not sure".
        """
        return self._one(self.down, assessment), self._one(self.across, assessment)

    @staticmethod
    def _one(task: Task | None, assessment: Assessment) -> str:
        return NOT_SURE if task is None else answers_of(task, assessment.tasks.get(task.question))[0]
