"""One post as one line of a list: when, where, what it says in short, and what the model says of it."""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.domain.assessment import Assessment
from crisislens.domain.tasks import Task
from crisislens.report.display import lines_of, moment, shorten, visible
from crisislens.report.groups import Groups
from crisislens.report.languages import language_name
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, lane_of, only_relevance

__all__ = ["Best", "Chip", "Line", "line_of"]

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Chip:
    """One answer: its title and tone."""

    title: str
    tone: str


@dataclass(frozen=True)
class Line:
    """One post.

    Attributes:
        position: Its position in the run, counted from 1; the page finds its row by it.
        id: Its id.
        urgency: See `Assessment.urgency`.
        text: The start of its text on one line.
        when: Its time in words; empty where it has none.
        place: Where it is; empty where nobody knows.
        language: The name of its language.
        chips: What is said of it, without "not sure" and "nothing to act on".
        copies: How many posts say the same, this one included.
        message: The group of those posts, by which the page finds them; -1 for none.
    """

    position: int
    id: str
    urgency: float
    text: str
    when: str
    place: str
    language: str
    chips: tuple[Chip, ...]
    copies: int
    message: int = -1


def line_of(
    assessment: Assessment,
    position: int,
    tasks: Sequence[Task],
    groups: Groups,
    naming: Naming = BY_TEXT,
) -> Line:
    """The line of a post."""
    post = assessment.post
    said = " ".join(visible(lines_of(post.text)).split())
    start, rest = shorten(said, _SHOWN_CHARACTERS)
    repeated = groups.message(post.id)
    return Line(
        position=position,
        id=visible(post.id),
        urgency=assessment.urgency,
        text=start + (" …" if rest else ""),
        when=moment(post.created_at) if post.created_at else "",
        place=visible(naming.of(assessment)),
        language=language_name(assessment.language),
        chips=tuple(_chips(assessment, tasks)),
        copies=repeated.size if repeated else 1,
        message=groups.messages.get(post.id, -1),
    )


def _chips(assessment: Assessment, tasks: Sequence[Task]) -> list[Chip]:
    found = []
    for task in tasks:
        if only_relevance(task):
            continue
        for name in answers_of(task, assessment.tasks.get(task.question)):
            label = task.label(name)
            if name in task.classes and not label.nothing:
                found.append(Chip(label.words, lane_of(label)))
    return found


class Best:
    """The most urgent posts as they pass, each message once.

    Arguments:
        tasks: The questions, for what is said of a post.
        groups: Near-duplicates of the run.
        size: How many to keep.
        naming: What places are called.
    """

    def __init__(self, tasks: Sequence[Task], groups: Groups, *, size: int, naming: Naming = BY_TEXT) -> None:
        self._tasks, self._groups, self._size, self._naming = tasks, groups, size, naming
        self._order: list[tuple[float, int]] = []
        self._kept: dict[tuple[float, int], Line] = {}
        self._rank_of_message: dict[int, tuple[float, int]] = {}

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account; of equally urgent ones the earlier stays."""
        rank = (assessment.urgency, -position)
        message = self._groups.messages.get(assessment.post.id)
        known = None if message is None else self._rank_of_message.get(message)
        if known is not None:
            if known >= rank:
                return
            if known in self._kept:
                self._drop(known)
        if len(self._order) >= self._size:
            if self._order[0] >= rank:
                return
            self._drop(self._order[0])
        insort(self._order, rank)
        self._kept[rank] = line_of(assessment, position, self._tasks, self._groups, self._naming)
        if message is not None:
            self._rank_of_message[message] = rank

    def _drop(self, rank: tuple[float, int]) -> None:
        self._order.remove(rank)
        del self._kept[rank]

    def lines(self) -> list[Line]:
        """The posts, the most urgent first."""
        return [self._kept[rank] for rank in reversed(self._order)]
