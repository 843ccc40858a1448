"""One post as one line of a list: when, where, what it says in short, and what the model says of it."""

from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from crisislens.domain.assessment import Assessment
from crisislens.domain.language_names import language_name
from crisislens.domain.tasks import Task
from crisislens.report.display import lines_of, moment, shorten, visible
from crisislens.report.groups import Groups
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, hedged, is_perhaps, lane_of, only_relevance

__all__ = ["Best", "Chip", "Line", "line_of"]

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Chip:
    """One answer: its title and tone, and whether it holds only perhaps, which its title says too."""

    title: str
    tone: str
    perhaps: bool = False


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
        shows: How many posts show the same photo with other words, this one included.
        picture: The group of those posts; -1 for none.
        note: What a reader should know of its place in the list; empty for nothing.
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
    shows: int = 1
    picture: int = -1
    note: str = ""

    def repeats(self, other: "Line") -> bool:
        """Whether it is the same post as another one, says the same, or shows the same photo."""
        if self.position == other.position:
            return True
        same_words = self.message >= 0 and self.message == other.message
        return same_words or (self.picture >= 0 and self.picture == other.picture)


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
    repeated, shown = groups.message(post.id), groups.picture(post.id)
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
        shows=shown.size if shown else 1,
        picture=groups.pictures.get(post.id, -1),
    )


def _chips(assessment: Assessment, tasks: Sequence[Task]) -> list[Chip]:
    found = []
    for task in tasks:
        if only_relevance(task):
            continue
        answer = assessment.tasks.get(task.question)
        for name in answers_of(task, answer):
            label = task.label(name)
            if name in task.classes and not label.nothing:
                perhaps = is_perhaps(task, answer, name)
                found.append(Chip(hedged(label.words, perhaps), lane_of(label), perhaps))
    return found


# whether it stands in front, its urgency, then its position, negative so that the earlier of two equals wins
_Rank = tuple[bool, float, int]


class Best:
    """The most urgent posts as they pass, each message once.

    Arguments:
        tasks: The questions, for what is said of a post.
        groups: Near-duplicates of the run.
        size: How many to keep.
        naming: What places are called.
        one_a_photo: Whether of posts that show the same photo the most urgent one is kept alone.
        behind: Tells of a post why it stands behind the others, which becomes the note of its line; empty
            for no reason.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        groups: Groups,
        *,
        size: int,
        naming: Naming = BY_TEXT,
        one_a_photo: bool = False,
        behind: Callable[[Assessment], str] | None = None,
    ) -> None:
        self._tasks, self._groups, self._size, self._naming = tasks, groups, size, naming
        self._one_a_photo, self._behind = one_a_photo, behind
        self._order: list[_Rank] = []
        self._kept: dict[_Rank, Line] = {}
        self._rank_of_group: dict[int, _Rank] = {}

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account; of equally urgent ones the earlier stays."""
        if self._is_full and self._order[0] >= (True, assessment.urgency, -position):
            # wherever it stands, others are kept; of most posts nobody has to ask more
            return
        note = self._behind(assessment) if self._behind else ""
        rank = (not note, assessment.urgency, -position)
        group = self._group(assessment.post.id)
        known = None if group is None else self._rank_of_group.get(group)
        if known is not None:
            if known >= rank:
                return
            if known in self._kept:
                self._drop(known)
        if self._is_full:
            if self._order[0] >= rank:
                return
            self._drop(self._order[0])
        insort(self._order, rank)
        line = line_of(assessment, position, self._tasks, self._groups, self._naming)
        self._kept[rank] = replace(line, note=note)
        if group is not None:
            self._rank_of_group[group] = rank

    @property
    def _is_full(self) -> bool:
        return len(self._order) >= self._size

    def _group(self, identity: str) -> int | None:
        """The posts of which one is kept: those with the same photo where that counts, or the same words."""
        picture = self._groups.pictures.get(identity) if self._one_a_photo else None
        return self._groups.messages.get(identity) if picture is None else picture

    def _drop(self, rank: _Rank) -> None:
        self._order.remove(rank)
        del self._kept[rank]

    def lines(self) -> list[Line]:
        """The posts, the most urgent first, behind them those that have a note."""
        return [self._kept[rank] for rank in reversed(self._order)]
