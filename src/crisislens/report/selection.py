"""Which posts a report lists in full, with photo and evidence, chosen in one pass with bounded memory.

Listed are the N most urgent posts. Posts that say the same count as one: the most urgent stands for all;
posts that share a photo alone do not. For a stream this needs no second look: the lowest kept rank never
falls, so a member that was refused or displaced would not have come in later either, and a member that is
kept gives way only to a more urgent one of its own.
"""

from bisect import insort
from dataclasses import dataclass
from datetime import datetime

from crisislens.domain.assessment import Assessment
from crisislens.report.display import utc
from crisislens.report.groups import Groups
from crisislens.report.model import ReportCluster

__all__ = ["ClusterSeen", "Listed", "Selection"]

# urgency, then the position in the run, negative so that the earlier of two equals wins
Rank = tuple[float, int]
Key = tuple[str, int]


@dataclass(frozen=True)
class Listed:
    """A post that the report lists.

    Attributes:
        assessment: What is said of it.
        position: Its position in the run, counted from 1.
        cluster: The posts that say the same, for which it stands, if any.
        photo: The posts that show the same photo with other words, if any.
    """

    assessment: Assessment
    position: int
    cluster: ReportCluster | None
    photo: ReportCluster | None = None


@dataclass
class ClusterSeen:
    """A cluster that the report lists, as far as its posts have passed.

    Attributes:
        cluster: The cluster.
        best: Its most urgent post, None until one has passed.
        position: The position of that post in the run.
        first: The earliest time of its posts.
        last: The latest.
    """

    cluster: ReportCluster
    best: Assessment | None = None
    position: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes one member into account."""
        if self.best is None or assessment.urgency > self.best.urgency:
            self.best, self.position = assessment, position
        if assessment.post.created_at is not None:
            when = utc(assessment.post.created_at)
            self.first = when if self.first is None else min(self.first, when)
            self.last = when if self.last is None else max(self.last, when)


class Selection:
    """Chooses as posts pass by.

    Arguments:
        groups: Near-duplicates of the run.
        top: How many of the most urgent posts to list.
        top_clusters: How many of the largest clusters to list.
    """

    def __init__(self, groups: Groups, *, top: int, top_clusters: int) -> None:
        self._groups, self._size = groups, top
        self._order: list[tuple[Rank, Key]] = []
        self._kept: dict[Key, tuple[Rank, Assessment]] = {}
        self.clusters = [ClusterSeen(cluster) for cluster in groups.clusters[:top_clusters]]

    def add(self, assessment: Assessment, position: int) -> None:
        """Takes one post into account, which stands at a position of the run."""
        identity = assessment.post.id
        message, picture = self._groups.messages.get(identity), self._groups.pictures.get(identity)
        # by position, not by id: a source may break its promise of unique ids, and no post may vanish for it
        key: Key = ("post", position) if message is None else ("cluster", message)
        self._offer(key, (assessment.urgency, -position), assessment)
        for cluster in (message, picture):
            if cluster is not None and cluster < len(self.clusters):
                self.clusters[cluster].add(assessment, position)

    def listed(self) -> list[Listed]:
        """The posts to list, the most urgent first; equals in the order of the source."""
        chosen = [self._kept[key] for _, key in reversed(self._order)]
        return [self._listed(assessment, -rank[1]) for rank, assessment in chosen]

    def _offer(self, key: Key, rank: Rank, assessment: Assessment) -> None:
        own = self._kept.get(key)
        if own is not None:
            if own[0] >= rank:
                return
            self._order.remove((own[0], key))
        elif len(self._order) >= self._size:
            if not self._order or self._order[0][0] >= rank:
                return
            del self._kept[self._order.pop(0)[1]]
        self._kept[key] = (rank, assessment)
        insort(self._order, (rank, key))

    def _listed(self, assessment: Assessment, position: int) -> Listed:
        identity = assessment.post.id
        return Listed(assessment, position, self._groups.message(identity), self._groups.picture(identity))
