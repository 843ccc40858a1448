"""What is new: since a time, or since an earlier run over the same stream of posts.

Of an earlier run only the ids of its posts and the labels that were said of each are kept, 16 bytes of digest
a post, so that two runs of a hundred thousand posts can be held beside each other.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from crisislens.domain.assessment import Assessment
from crisislens.domain.meanings import Meaning
from crisislens.domain.tasks import Task
from crisislens.report.display import moment, number, utc
from crisislens.report.groups import Groups
from crisislens.report.lines import Best
from crisislens.report.meant import meanings_in
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, lane_of, only_relevance

__all__ = ["Changes", "Earlier", "Moved"]

_KEPT = 10
_DIGEST_BYTES = 8
# in the place of a question, where posts with any of several answers are counted
_MEANT = ""

Said = tuple[str, str]


@dataclass(frozen=True)
class Earlier:
    """An earlier run, as far as a later one is compared with it.

    Attributes:
        name: What a person calls it, such as the name of its folder.
        posts: From the digest of a post's id to the digest of the labels that were said of it.
        labels: Posts by question and label, and by the name of what several labels mean, without a question.
    """

    name: str
    posts: dict[bytes, bytes]
    labels: Counter[Said]

    @classmethod
    def of(cls, name: str, assessments: Iterable[Assessment], tasks: Sequence[Task]) -> "Earlier":
        """What is kept of a run."""
        posts: dict[bytes, bytes] = {}
        labels: Counter[Said] = Counter()
        meanings = meanings_in(tasks)
        for assessment in assessments:
            said = _said(assessment, tasks)
            posts[_digest(assessment.post.id)] = _digest(repr(said))
            labels.update(said + _meant(said, meanings))
        return cls(name, posts, labels)


@dataclass(frozen=True)
class Moved:
    """One label whose number of posts changed: its title, tone, and the posts now and then. `parts` are the
    labels that mean nearly the same, where it counts the posts with any of them.
    """

    title: str
    tone: str
    now: int
    then: int
    task: str
    label: str
    parts: tuple["Moved", ...] = ()

    @property
    def has_moved(self) -> bool:
        """Whether there are more posts or fewer."""
        return self.now != self.then

    @property
    def change(self) -> str:
        """The difference with its sign.

        >>> Moved("Water", "grave", 12, 5, "needs", "water").change
        '+7'
        """
        return f"{self.now - self.then:+,}".replace("-", "−") if self.has_moved else "±0"


@dataclass
class Changes:
    """Counts what is new as posts pass.

    Attributes:
        tasks: The questions.
        groups: Near-duplicates of the run.
        since: Posts from this time on are new; None for no such time.
        earlier: Posts that this run does not have are new; None for no such run.
        naming: What places are called.
        fresh: How many posts are new.
        undated: Posts that no one can place before or after `since`.
        judged_anew: Posts of both runs of which now something else is said.
        kept: Posts of both runs.
        best: The most urgent of the new posts.
    """

    tasks: Sequence[ReportTask]
    groups: Groups
    since: datetime | None = None
    earlier: Earlier | None = None
    naming: Naming = BY_TEXT
    fresh: int = 0
    undated: int = 0
    judged_anew: int = 0
    kept: int = 0
    _now: Counter[Said] = field(default_factory=Counter)
    _new: Counter[Said] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._plain = [task.task for task in self.tasks]
        self._meanings = meanings_in(self._plain)
        self.best = Best(self._plain, self.groups, size=_KEPT, naming=self.naming)

    @property
    def asked(self) -> bool:
        """Whether anybody asked what is new."""
        return self.since is not None or self.earlier is not None

    def is_fresh(self, assessment: Assessment) -> bool:
        """Whether a post is new; with a time and a run given, it must be new by both."""
        if not self.asked:
            return False
        known = self.earlier is not None and _digest(assessment.post.id) in self.earlier.posts
        when = assessment.post.created_at
        old = self.since is not None and (when is None or utc(when) < utc(self.since))
        return not (known or old)

    def add(self, assessment: Assessment, position: int, *, fresh: bool) -> None:
        """Takes one post into account."""
        if not self.asked:
            return
        said = _said(assessment, self._plain)
        counted = said + _meant(said, self._meanings)
        self._now.update(counted)
        self.undated += self.since is not None and assessment.post.created_at is None
        if fresh:
            self.fresh += 1
            self._new.update(counted)
            self.best.add(assessment, position)
        if self.earlier is not None:
            before = self.earlier.posts.get(_digest(assessment.post.id))
            self.kept += before is not None
            self.judged_anew += before is not None and before != _digest(repr(said))

    @property
    def gone(self) -> int:
        """Posts of the earlier run that this one does not have."""
        return max(0, len(self.earlier.posts) - self.kept) if self.earlier else 0

    def moved(self) -> list[Moved]:
        """The labels with something to act on that changed, the gravest and largest changes first; labels
        that mean nearly the same as one.
        """
        each: dict[Said, Moved] = {}
        for task in self._plain:
            for label in task.labels:
                if not (label.nothing or only_relevance(task)):
                    said = (task.question, label.name)
                    each[said] = Moved(label.words, lane_of(label), *self._counts(said), *said)
        whole: dict[Said, Moved] = {}
        for meaning in self._meanings:
            parts = tuple(each[said] for said in meaning.answers if each[said].now or each[said].then)
            if len(parts) > 1 and any(part.has_moved for part in parts):
                key = (_MEANT, meaning.name)
                one = Moved(meaning.title, parts[0].tone, *self._counts(key), *key, parts)
                whole |= dict.fromkeys(meaning.answers, one)
        found = dict.fromkeys(whole.get(said, one) for said, one in each.items())
        order = {"grave": 0, "warm": 1, "calm": 2, "plain": 3}
        moved = [one for one in found if one.has_moved or one.parts]
        return sorted(moved, key=lambda m: (order[m.tone], -abs(m.now - m.then)))

    def _counts(self, said: Said) -> tuple[int, int]:
        """Posts now and then."""
        now = self._now[said]
        return now, self.earlier.labels[said] if self.earlier else now - self._new[said]

    @property
    def against(self) -> str:
        """What is compared with, in words."""
        parts = []
        if self.since is not None:
            parts.append(f"since {moment(self.since)} UTC")
        if self.earlier is not None:
            parts.append(f"since the run {self.earlier.name} ({number(len(self.earlier.posts))} posts)")
        return " and ".join(parts)


def _meant(said: Sequence[Said], meanings: Sequence[Meaning]) -> list[Said]:
    """What is said of a post in answer to any question."""
    return [(_MEANT, meaning.name) for meaning in meanings if meaning.among(said)]


def _said(assessment: Assessment, tasks: Sequence[Task]) -> list[Said]:
    """Question and label of everything that is said of a post."""
    return [
        (task.question, name)
        for task in tasks
        for name in answers_of(task, assessment.tasks.get(task.question))
    ]


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()
