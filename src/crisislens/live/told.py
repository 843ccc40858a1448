"""What many posts say that calls for somebody: counts of labels as a person reads them, with one entry for
labels that mean nearly the same, in which each post counts once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crisislens.domain.asked import asked_tasks
from crisislens.domain.meanings import MEANINGS, Answer, Meaning
from crisislens.report.display import number
from crisislens.store.records import LabelCount, MeaningCount

__all__ = ["Told", "told_of"]


@dataclass(frozen=True)
class Told:
    """What posts say that calls for somebody, or that they are worth reading.

    Attributes:
        words: It, as a person reads it.
        posts: How many posts say it.
        answers: The answers that say it: one, or several that mean nearly the same.
        parts: Of several the posts that have each of them, in words.
        meaning: What several mean; None for one answer.
        gate: Whether it says no more than that posts are worth reading.
        urgency: Its weight.
        tone: How a page colors it.
    """

    words: str
    posts: int
    answers: tuple[Answer, ...]
    parts: str
    meaning: Meaning | None
    gate: bool
    urgency: float
    tone: str

    @property
    def filters(self) -> dict[str, str]:
        """The fields of an address that find exactly these posts."""
        if self.meaning is not None:
            return {"meaning": self.meaning.name}
        question, label = self.answers[0]
        return {"label": f"{question}:{label}"}


def told_of(labels: Iterable[LabelCount], meanings: Iterable[MeaningCount]) -> list[Told]:
    """What posts say: what is worth reading first, then what calls for somebody, the gravest first.

    Arguments:
        labels: How many posts have each label, of everywhere or of one place.
        meanings: How many of them have any of several labels.
    """
    found: dict[Answer, Told] = {}
    tasks = asked_tasks()
    for count in labels:
        task = tasks.get(count.task)
        if task is None or not count.label or count.posts == 0:
            continue
        label = task.label(count.label)
        if label.tone in ("grave", "warm") or (task.gate and not label.nothing):
            answer = (task.question, label.name)
            found[answer] = Told(
                label.words, count.posts, (answer,), "", None, task.gate, label.urgency, label.tone
            )
    told = [*found.values()]
    posts = {one.meaning: one.posts for one in meanings}
    for meaning in MEANINGS:
        parts = [found[answer] for answer in meaning.among(found)]
        # a store of one question has no second number
        if len(parts) > 1 and meaning.name in posts:
            told = [one for one in told if one not in parts]
            told.append(_together(meaning, posts[meaning.name], parts))
    return sorted(told, key=lambda one: (not one.gate, -one.urgency, -one.posts))


def _together(meaning: Meaning, posts: int, parts: Sequence[Told]) -> Told:
    """Answers that mean nearly the same, as one."""
    said = " or ".join(f"“{part.words.lower()}” {number(part.posts)}" for part in parts)
    answers = tuple(answer for part in parts for answer in part.answers)
    gravest = max(parts, key=lambda part: part.urgency)
    return Told(meaning.title, posts, answers, said, meaning, False, gravest.urgency, gravest.tone)
