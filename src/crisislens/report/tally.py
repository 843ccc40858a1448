"""Running totals over a run of any length: what the head of the report says, from one pass, in memory that
does not grow with the posts.
"""

from collections import Counter
from collections.abc import Sequence

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.report.model import ReportTask
from crisislens.report.timeline import TimeHistogram

__all__ = ["NOT_SURE", "Tally", "answer_of"]

NOT_SURE = "not_sure"
"""Stands where a label would: the model abstained, or the task was not answered."""
_MOST_LANGUAGES = 1000


def answer_of(task: TaskAssessment | None) -> str:
    """The label as it counts: `not_sure` where the model abstained."""
    return NOT_SURE if task is None or task.abstained else task.label


class Tally:
    """Counts assessments.

    Attributes:
        posts: All posts.
        unsure: Posts with at least one answer "not sure".
        photos: Posts that came with a photo.
        photos_unusable: Those of them whose photo could not be used.
        undated: Posts without a time.
        located: Posts with coordinates.
        answers: Per task the posts by answer.
        pairs: Posts by humanitarian category and damage severity.
        languages: Posts by detected language.
        times: Posts by time.
    """

    def __init__(self, tasks: Sequence[ReportTask]) -> None:
        self.posts = self.unsure = self.photos = self.photos_unusable = self.undated = self.located = 0
        self.answers: dict[str, Counter[str]] = {task.name: Counter() for task in tasks}
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.languages: Counter[str | None] = Counter()
        self.times = TimeHistogram()

    def add(self, assessment: Assessment) -> None:
        """Counts one post."""
        post = assessment.post
        answers = {name: answer_of(assessment.tasks.get(name)) for name in self.answers}
        self.posts += 1
        self.unsure += NOT_SURE in answers.values()
        self.photos += post.image is not None
        self.photos_unusable += post.image is not None and "image" not in assessment.modalities
        self.located += post.lat is not None and post.lon is not None
        for name, answer in answers.items():
            self.answers[name][answer] += 1
        self.pairs[self.cell(assessment)] += 1
        if assessment.language in self.languages or len(self.languages) < _MOST_LANGUAGES:
            self.languages[assessment.language] += 1
        if post.created_at is None:
            self.undated += 1
        else:
            self.times.add(post.created_at, informative=answers.get("informativeness") == "informative")

    def cell(self, assessment: Assessment) -> tuple[str, str]:
        """Where a post stands in the matrix of category and severity; a task that the report does not show
        counts as "not sure".
        """
        first, second = (
            answer_of(assessment.tasks.get(n)) if n in self.answers else NOT_SURE
            for n in ("humanitarian", "damage")
        )
        return first, second
