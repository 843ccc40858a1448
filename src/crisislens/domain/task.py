"""What a task is: one question, its answers in their fixed order, and how labels of data sets lead
to them. The tasks that ship stand in `domain.tasks`.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crisislens.core.errors import DataError

__all__ = ["Label", "Task", "Tone", "own_task", "readable"]

Tone = Literal["grave", "warm", "calm", "plain"]
"""How a report colors an answer: people are in danger, things are broken, help is under way,
anything else.
"""


def readable(name: str) -> str:
    """A name as a person reads it.

    >>> readable("missing_or_found_people")
    'Missing or found people'
    """
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


class Label(BaseModel):
    """One answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    title: str = ""
    """What a person reads instead of the name; empty makes it from the name."""
    tone: Tone = "plain"
    urgency: float = Field(default=0.0, ge=0, le=1)
    """Its weight w in the urgency of a post."""
    nothing: bool = False
    """True where the answer says that there is nothing to act on."""
    counted: bool = False
    """True where the head of a report says how many posts have it."""
    within: str = ""
    """Another label of the task that holds wherever this one does: where somebody has to be rescued,
    help is asked for. This one is never more probable.
    """

    @property
    def words(self) -> str:
        """The title, or the name as a person reads it."""
        return self.title or readable(self.name)


class Task(BaseModel):
    """One question with its answers in their fixed order;
    the index in `classes` is the index of the logit.

    >>> from crisislens.domain.tasks import TASKS
    >>> b2 = TASKS["humanitarian_b2"]
    >>> b2.index("vehicle_damage") == b2.index("infrastructure_and_utility_damage")
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    """Unique; what artifacts call `label_space`."""
    question: str = Field(min_length=1)
    """What is asked, and the key in `Assessment.tasks`; tasks of one question divide it into other
    classes.
    """
    labels: tuple[Label, ...]
    topic: str = ""
    """The question as a heading; empty makes it from its name."""
    phrase: str = ""
    """The question inside a sentence: "not sure about …"."""
    settings: dict[str, str] = {}
    """The settings that use it: from the id to the word for it in the file
    names of CrisisMMD's tables.
    """
    ordered: bool = False
    """True where the classes are a scale, the first the least."""
    several: bool = False
    """True where any number of labels may hold of one post."""
    gate: bool = False
    """True where the other tasks count for urgency only as far as this one's labels hold."""
    share: float = Field(default=1.0, ge=0, le=1)
    """Its share s in the urgency of a post."""
    merges: dict[str, str] = {}
    """From a raw label to the class that it counts as."""
    dropped: frozenset[str] = frozenset()
    """Raw labels whose rows do not belong to the setting."""

    @model_validator(mode="after")
    def _labels_are_consistent(self) -> "Task":
        names = self.classes
        # one label that may hold or not is a question; one class of which one must hold is none
        fewest = 1 if self.several else 2
        if len(set(names)) != len(names) or len(names) < fewest:
            raise ValueError(f"classes must be at least {fewest} different names, got {list(names)!r:.200}")
        # one step: what others lie within lies within nothing itself
        outer = {label.name for label in self.labels if not label.within}
        loose = [label.name for label in self.labels if label.within not in {"", *outer}]
        if loose:
            raise ValueError(f"labels {loose} lie within what is no outer label of the task")
        if not self.several and outer != set(names):
            raise ValueError("a label can lie within another only where several may hold")
        strange = sorted(set(self.merges.values()) - set(names))
        if strange:
            raise ValueError(f"merges lead to unknown classes {strange}")
        return self

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels, in the order of the logits."""
        return tuple(label.name for label in self.labels)

    @property
    def outer(self) -> tuple[int, ...]:
        """For each label the position of the one that it lies within; its own where it lies in none."""
        places = {name: i for i, name in enumerate(self.classes)}
        return tuple(places[label.within or label.name] for label in self.labels)

    @property
    def setting(self) -> str:
        """The id under which numbers are compared: the first setting, or the task's own name."""
        return next(iter(self.settings), self.name)

    @property
    def heading(self) -> str:
        """The question as a heading."""
        return self.topic or readable(self.question)

    @property
    def nothing(self) -> frozenset[str]:
        """The classes that say that there is nothing to act on."""
        return frozenset(label.name for label in self.labels if label.nothing)

    @property
    def lead(self) -> Label:
        """The label that counts most in urgency; the first one of several that count alike."""
        return max(self.labels, key=lambda label: label.urgency)

    def label(self, name: str) -> Label:
        """The label of a class; one of that name alone where the task has none."""
        for label in self.labels:
            if label.name == name:
                return label
        return Label(name=name)

    def title(self, name: str) -> str:
        """The class as a person reads it, also of one that is not listed."""
        return self.label(name).words

    def resolve(self, raw: str) -> str | None:
        """The class of a raw label, or None if rows with it are dropped.

        Raises:
            DataError: If the label is unknown.
        """
        name = self.merges.get(raw, raw)
        if name in self.classes:
            return name
        if raw in self.dropped:
            return None
        known = ", ".join((*self.classes, *self.merges))
        raise DataError(f"label {raw!r:.80} is not in {self.name}; expected one of {known}")

    def index(self, raw: str) -> int:
        """The position of a raw label's class.

        Raises:
            DataError: If the label is unknown or dropped.
        """
        name = self.resolve(raw)
        if name is None:
            raise DataError(f"label {raw!r} is dropped in {self.name}; filter its rows first")
        return self.classes.index(name)

    def weight(self, probabilities: Mapping[str, float]) -> float:
        """The part of urgency that one task gives: Σ w P over its labels, at most 1; of labels of
        which several may hold the largest w P, so that many small doubts are not one large need.
        """
        parts = [label.urgency * probabilities.get(label.name, 0.0) for label in self.labels]
        # probabilities are rounded when written, so their sum may pass 1 by a little
        return min(1.0, max(parts) if self.several else sum(parts))


def own_task(
    name: str,
    classes: Sequence[str],
    *,
    several: bool = False,
    titles: Mapping[str, str] | None = None,
    urgency: Mapping[str, float] | None = None,
    ordered: bool = False,
) -> Task:
    """A user's own task.

    >>> own_task("need", ["water", "food"]).classes
    ('water', 'food')

    Arguments:
        name: What is asked; the key in `Assessment.tasks`.
        classes: The names of the labels, in the order of the logits.
        several: Whether any number of them may hold of one post.
        titles: What a person reads instead of a name.
        urgency: Weights in the urgency of a post, in [0, 1]; 0 where none is given.
        ordered: Whether the classes are a scale, the first the least.

    Raises:
        DataError: If the classes do not make a task, or titles or weights are of classes that it
            does not have, or a weight is outside of [0, 1].
    """
    for what, given in (("titles", titles), ("urgency", urgency)):
        strange = sorted(set(given or {}) - set(classes))
        if strange:
            raise DataError(f"{what} of task {name!r} name {strange}; its classes are {', '.join(classes)}")
    titles, urgency = titles or {}, urgency or {}
    try:
        labels = tuple(Label(name=c, title=titles.get(c, ""), urgency=urgency.get(c, 0.0)) for c in classes)
        return Task(name=name, question=name, labels=labels, several=several, ordered=ordered)
    except ValidationError as error:
        # pydantic's own text has several lines and an address; a user gets one sentence
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        reason = f"{where}: {fault['msg']}"[:300].removeprefix(": ").removeprefix("Value error, ")
        raise DataError(f"the labels of task {name!r} cannot be used: {reason}") from error
