"""Posts whose text no model reads, by language, so that somebody who speaks it can."""

from collections import Counter
from collections.abc import Sequence

from crisislens.domain.assessment import Assessment
from crisislens.domain.tasks import Task
from crisislens.report.groups import Groups
from crisislens.report.lines import Best, Line
from crisislens.report.naming import BY_TEXT, Naming

__all__ = ["Unread"]

_MOST_LANGUAGES = 60
_KEPT = 6
_DIGITS = 3


class Unread:
    """Counts them as they pass and keeps a few of each language.

    Attributes:
        counts: Posts by language; None where nobody can tell which it is.
    """

    def __init__(self, tasks: Sequence[Task], groups: Groups, naming: Naming = BY_TEXT) -> None:
        self._tasks, self._groups, self._naming = tasks, groups, naming
        self.counts: Counter[str | None] = Counter()
        self._urgencies: Counter[float] = Counter()
        self._best: dict[str | None, Best] = {}

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes a post into account."""
        if assessment.unread is None:
            return
        # rounded, so that memory does not grow with the posts
        self._urgencies[round(assessment.urgency, _DIGITS)] += 1
        code = assessment.language
        if code not in self.counts and len(self.counts) >= _MOST_LANGUAGES:
            return
        self.counts[code] += 1
        if code not in self._best:
            self._best[code] = Best(self._tasks, self._groups, size=_KEPT, naming=self._naming)
        self._best[code].add(assessment, position)

    def as_urgent_as(self, urgency: float) -> int:
        """How many posts are at least as urgent, to three digits."""
        least = round(urgency, _DIGITS)
        return sum(count for value, count in self._urgencies.items() if value >= least)

    def lines(self, code: str | None) -> list[Line]:
        """The most urgent posts of one language."""
        return self._best[code].lines() if code in self._best else []
