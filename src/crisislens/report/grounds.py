"""What the totals of a run rest on: of each total how many posts it counts, and the most urgent of them by
their ids, so that a reader of the summary can go from every line to posts.

Kept is what `report.summary` says and nothing else counts: all posts, those worth reading, those that a
question leaves open, those that nobody can place or date, and those of people in danger by place.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from crisislens.domain.assessment import Assessment
from crisislens.domain.tasks import Task, Tone
from crisislens.report.groups import Groups
from crisislens.report.lines import Best
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import NOT_SURE, answers_of, lane_of, only_relevance

__all__ = ["NAMED", "Ground", "Grounds"]

NAMED = 3
"""How many posts a line of the summary names by their ids."""
_MOST_PLACES = 2_000

Key = tuple[str, ...]


@dataclass
class Ground:
    """Posts of one total: how many, and the most urgent of them, each message once."""

    best: Best
    posts: int = 0

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account."""
        self.posts += 1
        self.best.add(assessment, position)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the most urgent ones."""
        return tuple(line.id for line in self.best.lines())


@dataclass
class Grounds:
    """Takes posts as they pass.

    Attributes:
        tasks: The questions.
        groups: Near-duplicates of the run.
        naming: What places are called.
        danger: Posts of people in danger, by the name of their place.
        country: The country (ISO 3166-1 alpha-2) of each of these names; empty where none is known.
        helps: Posts that tell of help, by the country of their place; empty where none is known.
    """

    tasks: Sequence[ReportTask]
    groups: Groups
    naming: Naming = BY_TEXT
    danger: dict[str, Ground] = field(default_factory=dict)
    country: dict[str, str] = field(default_factory=dict)
    helps: Counter[str] = field(default_factory=Counter)
    _of: dict[Key, Ground] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plain: list[Task] = [task.task for task in self.tasks]

    def of(self, *key: str) -> Ground:
        """What one total rests on; nothing where no post has passed that it counts.

        Arguments:
            key: `all`; `nowhere`: no coordinates and no known place named; `undated`; `danger`: a call for
                help or people in danger; or a question and an answer of it.
        """
        return self._of.get(key) or self._ground()

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account."""
        for key in self._keys(assessment):
            if key not in self._of:
                self._of[key] = self._ground()
            self._of[key].add(assessment, position)
            if key == ("danger",):
                self._add_danger(assessment, position)
        if any(_tells_of(task, assessment, "calm") for task in self._plain):
            self.helps[_country(assessment)] += 1

    def _add_danger(self, assessment: Assessment, position: int) -> None:
        place = self.naming.of(assessment)
        if not place or (place not in self.danger and len(self.danger) >= _MOST_PLACES):
            return
        if place not in self.danger:
            self.danger[place] = self._ground()
            self.country[place] = _country(assessment)
        self.danger[place].add(assessment, position)

    def _ground(self) -> Ground:
        return Ground(Best(self._plain, self.groups, size=NAMED, naming=self.naming))

    def _keys(self, assessment: Assessment) -> list[Key]:
        keys: list[Key] = [("all",)]
        if assessment.location is None:
            keys.append(("nowhere",))
        if assessment.post.created_at is None:
            keys.append(("undated",))
        if any(_tells_of(task, assessment, "grave") for task in self._plain):
            keys.append(("danger",))
        for task in self._plain:
            for answer in answers_of(task, assessment.tasks.get(task.question)):
                # what other answers rest on is kept by `report.labels`
                if answer == NOT_SURE or only_relevance(task):
                    keys.append((task.question, answer))
        return keys


def _country(assessment: Assessment) -> str:
    """The country of a post's place; empty where no place is known, or coordinates alone."""
    where = assessment.location
    return where.place.country if where is not None and where.place is not None else ""


def _tells_of(task: Task, assessment: Assessment, tone: Tone) -> bool:
    """Whether one answer has a tone, as `report.labels` counts them: that a post is worth reading is none."""
    if only_relevance(task):
        return False
    for name in answers_of(task, assessment.tasks.get(task.question)):
        label = task.label(name)
        if name in task.classes and not label.nothing and lane_of(label) == tone:
            return True
    return False
