"""What is counted for each answer: how many posts, where, when, and the most urgent of them. From these come
the lanes of what to read now, the table of needs and the summary.

Which answers these are follows from the tasks: every one that says more than "nothing to act on". In which
lane an answer stands follows from its tone, or, where it has none, from its weight in urgency. Answers to
different questions that mean nearly the same (`domain.meanings`) are counted together too, each post once.
"""

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crisislens.domain.assessment import Assessment
from crisislens.domain.meanings import Meaning
from crisislens.domain.tasks import Label, Task, Tone
from crisislens.report.all_clear import may_deny_danger
from crisislens.report.display import number
from crisislens.report.fields import field_of
from crisislens.report.groups import Groups
from crisislens.report.lines import Best
from crisislens.report.meant import any_of, meanings_in
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, lane_of, only_relevance
from crisislens.report.timeline import TimeHistogram

__all__ = ["AnswerCount", "LabelCount", "LabelTallies", "MeaningCount", "Trend", "trend_of"]

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


class AnswerCount(ABC):
    """Posts with an answer, or with any of several that mean nearly the same.

    Attributes:
        posts: How many there are.
        places: Posts by the name of the place where they are.
        times: Posts by time.
        best: The most urgent posts, each message once.
        parts: What is counted together; nothing where it is one answer.
    """

    parts: tuple["LabelCount", ...] = ()

    def __init__(self, best: Best) -> None:
        self.posts = 0
        self.places: Counter[str] = Counter()
        self.times = TimeHistogram()
        self.best = best
        self._pictures: Counter[int] = Counter()

    @property
    @abstractmethod
    def words(self) -> str:
        """What a person reads."""

    @property
    @abstractmethod
    def tone(self) -> Tone:
        """In which lane it stands."""

    @property
    @abstractmethod
    def urgency(self) -> float:
        """Its weight in urgency, in [0, 1]."""

    @property
    @abstractmethod
    def filters(self) -> dict[str, str]:
        """The filters of the page that find exactly these posts."""

    @property
    def made_of(self) -> str:
        """What is counted together, in words; empty where it is one answer."""
        return " or ".join(f"{part.words} {number(part.posts)}" for part in self.parts if part.posts)

    def count(self, assessment: Assessment, position: int, place: str, picture: int | None = None) -> None:
        """Takes a post into account that belongs here.

        Arguments:
            assessment: What is said of the post.
            position: Its position in the run, counted from 1.
            place: What its place is called.
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

    @property
    def of_one_photo(self) -> int:
        """How many of the posts show one and the same photo; 0 where fewer than ten do or than half."""
        most = max(self._pictures.values(), default=0)
        return most if most >= _FEWEST_OF_ONE_PHOTO and 2 * most >= self.posts else 0


class LabelCount(AnswerCount):
    """One answer to one question.

    Attributes:
        task: The question.
        label: The answer.
        own: The most urgent posts for its lane: without those that a graver answer shows elsewhere, each
            photo once, and those that may be no warning at all behind the others.
    """

    def __init__(self, task: Task, label: Label, best: Best, own: Best) -> None:
        super().__init__(best)
        self.task, self.label, self.own = task, label, own

    @property
    def words(self) -> str:
        """The label's title."""
        return self.label.words

    @property
    def tone(self) -> Tone:
        """The label's tone."""
        return lane_of(self.label)

    @property
    def urgency(self) -> float:
        """The label's weight."""
        return self.label.urgency

    @property
    def filters(self) -> dict[str, str]:
        """The label, of its question."""
        return {field_of(self.task.question): self.label.name}

    def add(
        self, assessment: Assessment, position: int, place: str, *, graver: bool, picture: int | None = None
    ) -> None:
        """Takes a post into account that has this answer; `graver` is whether another answer puts it into a
        graver lane.
        """
        self.count(assessment, position, place, picture)
        if not graver:
            self.own.add(assessment, position)


class MeaningCount(AnswerCount):
    """Answers that mean nearly the same: a post that has any of them counts once.

    Attributes:
        meaning: What they mean.
        parts: The answers.
    """

    def __init__(self, meaning: Meaning, parts: Sequence[LabelCount], best: Best) -> None:
        super().__init__(best)
        self.meaning, self.parts = meaning, tuple(parts)

    @property
    def words(self) -> str:
        """What they mean."""
        return self.meaning.title

    @property
    def tone(self) -> Tone:
        """The tone that all of them have."""
        return self.parts[0].tone

    @property
    def urgency(self) -> float:
        """The weight of the one that counts most."""
        return max(part.urgency for part in self.parts)

    @property
    def filters(self) -> dict[str, str]:
        """Any of the answers."""
        return any_of(self.meaning)

    @property
    def is_told(self) -> bool:
        """Whether two of its answers have posts: else its number would be said twice."""
        return sum(part.posts > 0 for part in self.parts) > 1


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
                    count = LabelCount(task, label, self._best(), self._of_lane(label))
                    self._counts[task.question, label.name] = count
        self._meanings = tuple(
            MeaningCount(meaning, [self._counts[answer] for answer in meaning.answers], self._best())
            for meaning in meanings_in(self._tasks)
        )

    def _best(self) -> Best:
        return Best(self._tasks, self._groups, size=_KEPT, naming=self._naming)

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
        for meaning in self._meanings:
            if any(part in found for part in meaning.parts):
                meaning.count(assessment, position, place, picture)

    def __iter__(self) -> Iterator[LabelCount]:
        return iter(self._counts.values())

    def of_tone(self, *tones: str) -> list[LabelCount]:
        """The answers of some tones that any post has, those that weigh most in urgency first."""
        found = [count for count in self if count.tone in tones and count.posts]
        return sorted(found, key=lambda count: -count.urgency)

    def together(self) -> list[MeaningCount]:
        """What several answers mean that have posts, the gravest first."""
        return [meaning for meaning in self._meanings if meaning.is_told]

    def told(self, *tones: str) -> list[AnswerCount]:
        """The same as `of_tone`, with one entry for answers that mean nearly the same."""
        whole: dict[LabelCount, AnswerCount] = {}
        for meaning in self.together():
            whole |= dict.fromkeys(meaning.parts, meaning)
        return list(dict.fromkeys(whole.get(count, count) for count in self.of_tone(*tones)))


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
