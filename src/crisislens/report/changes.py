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
from crisislens.domain.tasks import Task
from crisislens.report.display import moment, number, utc
from crisislens.report.groups import Groups
from crisislens.report.lines import Best
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming
from crisislens.report.tally import answers_of, lane_of, only_relevance

__all__ = ["Changes", "Earlier", "Moved"]

_KEPT = 10
_DIGEST_BYTES = 8


@dataclass(frozen=True)
class Earlier:
    """An earlier run, as far as a later one is compared with it.

    Attributes:
        name: What a person calls it, such as the name of its folder.
        posts: From the digest of a post's id to the digest of the labels that were said of it.
        labels: Posts by question and label.
    """

    name: str
    posts: dict[bytes, bytes]
    labels: Counter[tuple[str, str]]

    @classmethod
    def of(cls, name: str, assessments: Iterable[Assessment], tasks: Sequence[Task]) -> "Earlier":
        """What is kept of a run."""
        posts: dict[bytes, bytes] = {}
        labels: Counter[tuple[str, str]] = Counter()
        for assessment in assessments:
            said = _said(assessment, tasks)
            posts[_digest(assessment.post.id)] = _digest(repr(said))
            labels.update(said)
        return cls(name, posts, labels)


@dataclass(frozen=True)
class Moved:
    """One label whose number of posts changed: its title, tone, and the posts now and then."""

    title: str
    tone: str
    now: int
    then: int
    task: str
    label: str

    @property
    def change(self) -> str:
        """The difference with its sign.

        >>> Moved("Water", "grave", 12, 5, "needs", "water").change
        '+7'
        """
        return f"{self.now - self.then:+,}".replace("-", "−")


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
    _now: Counter[tuple[str, str]] = field(default_factory=Counter)
    _new: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._plain = [task.task for task in self.tasks]
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
        self._now.update(said)
        self.undated += self.since is not None and assessment.post.created_at is None
        if fresh:
            self.fresh += 1
            self._new.update(said)
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
        """The labels with something to act on that changed, the gravest and largest changes first."""
        found = []
        for task in self._plain:
            for label in task.labels:
                key = (task.question, label.name)
                now = self._now[key]
                then = self.earlier.labels[key] if self.earlier else now - self._new[key]
                if now != then and not (label.nothing or only_relevance(task)):
                    found.append(Moved(label.words, lane_of(label), now, then, *key))
        order = {"grave": 0, "warm": 1, "calm": 2, "plain": 3}
        return sorted(found, key=lambda m: (order[m.tone], -abs(m.now - m.then)))

    @property
    def against(self) -> str:
        """What is compared with, in words."""
        parts = []
        if self.since is not None:
            parts.append(f"since {moment(self.since)} UTC")
        if self.earlier is not None:
            parts.append(f"since the run {self.earlier.name} ({number(len(self.earlier.posts))} posts)")
        return " and ".join(parts)


def _said(assessment: Assessment, tasks: Sequence[Task]) -> list[tuple[str, str]]:
    """Question and label of everything that is said of a post."""
    return [
        (task.question, name)
        for task in tasks
        for name in answers_of(task, assessment.tasks.get(task.question))
    ]


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()
