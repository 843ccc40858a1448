"""What is counted for each answer: how many posts, where, when, and the most urgent of them. From these come
the lanes of what to read now, the table of needs and the summary.

Which answers these are follows from the tasks: every one that says more than "nothing to act on". In which
lane an answer stands follows from its tone, or, where it has none, from its weight in urgency.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crisislens.domain.assessment import Assessment
from crisislens.domain.tasks import Label, Task
from crisislens.report.all_clear import may_deny_danger
from crisislens.report.groups import Groups
from crisislens.report.lines import Best
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, lane_of, only_relevance
from crisislens.report.timeline import TimeHistogram

__all__ = ["LabelCount", "LabelTallies", "Trend", "trend_of"]

_MOST_PLACES = 2_000
_KEPT = 12
# from how many posts on it is worth a word that most of them show one photo
_FEWEST_OF_ONE_PHOTO = 10
_NO_DANGER = "may say that there is no danger"
_FEWEST = 8
_LEAST_COVERED = 0.5


@dataclass(frozen=True)
class Trend:
    """Whether posts get more: counted in the last quarter of the time and in the quarter before.

    `word` is `rising`, `falling` or `steady`; empty where there are too few to say.
    """

    word: str
    last: int
    before: int


class LabelCount:
    """One answer to one question.

    Attributes:
        task: The question.
        label: The answer.
        posts: How many posts have it.
        places: Posts by the name of the place where they are.
        times: Posts by time.
        best: The most urgent posts, each message once.
        own: The same for its lane: without posts that a graver answer shows elsewhere, each photo once, and
            those that may be no warning at all behind the others.
    """

    def __init__(self, task: Task, label: Label, best: Best, own: Best) -> None:
        self.task, self.label = task, label
        self.posts = 0
        self.places: Counter[str] = Counter()
        self.times = TimeHistogram()
        self.best, self.own = best, own
        self._pictures: Counter[int] = Counter()

    def add(
        self,
        assessment: Assessment,
        position: int,
        place: str,
        *,
        graver: bool,
        picture: int | None = None,
    ) -> None:
        """Takes a post into account that has this answer.

        Arguments:
            assessment: What is said of the post.
            position: Its position in the run, counted from 1.
            place: What its place is called.
            graver: Whether another answer puts it into a graver lane.
            picture: The group of posts that show its photo with other words, if any.
        """
        self.posts += 1
        if picture is not None:
            self._pictures[picture] += 1
        if place in self.places or len(self.places) < _MOST_PLACES:
            self.places[place] += 1
        if assessment.post.created_at is not None:
            self.times.add(assessment.post.created_at, informative=False)
        self.best.add(assessment, position)
        if not graver:
            self.own.add(assessment, position)

    @property
    def of_one_photo(self) -> int:
        """How many of the posts show one and the same photo; 0 where fewer than ten do or than half."""
        most = max(self._pictures.values(), default=0)
        return most if most >= _FEWEST_OF_ONE_PHOTO and 2 * most >= self.posts else 0


class LabelTallies:
    """Every answer that says more than nothing, in the order of the tasks and their labels.

    Arguments:
        tasks: The questions.
        groups: Near-duplicates of the run.
        naming: What places are called.
    """

    def __init__(self, tasks: Sequence[ReportTask], groups: Groups, naming: Naming = BY_TEXT) -> None:
        self._naming, self._groups = naming, groups
        self._counts: dict[tuple[str, str], LabelCount] = {}
        self._tasks = [task.task for task in tasks]
        for task in self._tasks:
            if only_relevance(task):
                # that something is worth reading is no answer to what it is
                continue
            for label in task.labels:
                if not label.nothing:
                    best = Best(self._tasks, groups, size=_KEPT, naming=naming)
                    own = self._of_lane(label)
                    self._counts[task.question, label.name] = LabelCount(task, label, best, own)

    def _of_lane(self, label: Label) -> Best:
        # nobody who calls for help is put behind for a word of comfort
        behind = _no_warning if lane_of(label) == "warm" else None
        return Best(
            self._tasks, self._groups, size=_KEPT, naming=self._naming, one_a_photo=True, behind=behind
        )

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account."""
        picture = self._groups.pictures.get(assessment.post.id)
        place = self._naming.of(assessment)
        found = []
        for task in self._tasks:
            for name in answers_of(task, assessment.tasks.get(task.question)):
                count = self._counts.get((task.question, name))
                if count is not None:
                    found.append(count)
        is_grave = any(lane_of(count.label) == "grave" for count in found)
        for count in found:
            graver = is_grave and lane_of(count.label) != "grave"
            count.add(assessment, position, place, graver=graver, picture=picture)

    def __iter__(self) -> Iterator[LabelCount]:
        return iter(self._counts.values())

    def of_tone(self, *tones: str) -> list[LabelCount]:
        """The answers of some tones that any post has, those that weigh most in urgency first."""
        found = [count for count in self if lane_of(count.label) in tones and count.posts]
        return sorted(found, key=lambda count: -count.label.urgency)


def _no_warning(assessment: Assessment) -> str:
    return _NO_DANGER if may_deny_danger(assessment.post.text) else ""


def trend_of(counts: Sequence[int], covered: Sequence[float] = ()) -> Trend:
    r"""Compares the last quarter of a row of counts with the quarter before.

    Where nothing has changed, the last one has of both counts $n$ the share $p$ that it has of the time, and
    of a Poisson process it differs from $np$ by more than 1.96 of $\sqrt{np(1-p)}$ in one case of twenty;
    only beyond that is something called rising or falling.

    >>> trend_of([2, 2, 2, 2, 2, 2, 9, 9])
    Trend(word='rising', last=18, before=4)

    Arguments:
        counts: Posts by bar.
        covered: The share of each bar that lies between the first post and the last: a day that has
            just begun has few posts, and nothing falls. All of each by default. Of a quarter that is
            covered by less than half nothing is said.
    """
    quarter = max(1, len(counts) // 4)
    last = sum(counts[-quarter:])
    before = sum(counts[-2 * quarter : -quarter])
    if last + before < _FEWEST or len(counts) < 2:
        return Trend("", last, before)
    shares = list(covered) or [1.0] * len(counts)
    time_last, time_before = sum(shares[-quarter:]), sum(shares[-2 * quarter : -quarter])
    if min(time_last, time_before) < _LEAST_COVERED * quarter:
        return Trend("", last, before)
    p = time_last / (time_last + time_before)
    expected, spread = (last + before) * p, math.sqrt((last + before) * p * (1 - p))
    beyond = abs(last - expected) > 1.96 * spread
    word = "steady" if not beyond else "rising" if last > expected else "falling"
    return Trend(word, last, before)
