"""Which posts a report lists, chosen in one pass with bounded memory.

Listed are the N most urgent posts and, so that no cell of the matrix leads nowhere, the few most urgent of
every cell. Posts that say the same count as one: the most urgent stands for all; posts that share a photo
alone do not. For a stream this needs no
second look: the lowest kept rank never falls, so a member that was refused or displaced would not have come
in later either, and a member that is kept gives way only to a more urgent one of its own.
"""

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from crisislens.domain.assessment import Assessment
from crisislens.report.display import utc
from crisislens.report.model import ReportCluster

__all__ = ["ClusterSeen", "Listed", "Selection"]

Rank = tuple[float, bool, int]
Key = tuple[str, int]


@dataclass(frozen=True)
class Listed:
    """A post that the report lists.

    Attributes:
        assessment: What is said of it.
        cluster: The posts that say the same, for which it stands, if any.
        photo: The posts that show the same photo with other words, if any.
    """

    assessment: Assessment
    cluster: ReportCluster | None
    photo: ReportCluster | None = None


@dataclass
class ClusterSeen:
    """A cluster that the report lists, as far as its posts have passed.

    Attributes:
        cluster: The cluster.
        best: Its most urgent post, None until one has passed.
        first: The earliest time of its posts.
        last: The latest.
    """

    cluster: ReportCluster
    best: Assessment | None = None
    first: datetime | None = None
    last: datetime | None = None

    def add(self, assessment: Assessment) -> None:
        """Takes one member into account."""
        if self.best is None or assessment.urgency > self.best.urgency:
            self.best = assessment
        if assessment.post.created_at is not None:
            when = utc(assessment.post.created_at)
            self.first = when if self.first is None else min(self.first, when)
            self.last = when if self.last is None else max(self.last, when)


class _Top:
    """The `size` highest ranks, at most one a key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._order: list[tuple[Rank, Key]] = []
        self.kept: dict[Key, tuple[Rank, Assessment]] = {}

    def offer(self, key: Key, rank: Rank, assessment: Assessment) -> None:
        own = self.kept.get(key)
        if own is not None:
            if own[0] >= rank:
                return
            self._order.remove((own[0], key))
        elif len(self._order) >= self._size:
            if not self._order or self._order[0][0] >= rank:
                return
            del self.kept[self._order.pop(0)[1]]
        self.kept[key] = (rank, assessment)
        insort(self._order, (rank, key))


class Selection:
    """Chooses as posts pass by.

    Arguments:
        clusters: Near-duplicates of the run.
        top: How many of the most urgent posts to list.
        per_cell: How many of each cell of the matrix to list at least, where there are so many.
        top_clusters: How many of the largest clusters to list.
    """

    def __init__(
        self, clusters: Sequence[ReportCluster], *, top: int, per_cell: int, top_clusters: int
    ) -> None:
        self._clusters = sorted(clusters, key=lambda cluster: -cluster.size)
        self._messages: dict[str, int] = {}
        self._photos: dict[str, int] = {}
        for i, cluster in enumerate(self._clusters):
            owners = self._messages if cluster.one_message else self._photos
            owners.update(dict.fromkeys((cluster.representative, *cluster.members), i))
        self._top, self._per_cell = _Top(top), per_cell
        self._cells: dict[tuple[str, str], _Top] = {}
        self._passed = 0
        self.clusters = [ClusterSeen(cluster) for cluster in self._clusters[:top_clusters]]

    def add(self, assessment: Assessment, cell: tuple[str, str]) -> None:
        """Takes one post into account, which stands in a cell of the matrix."""
        self._passed += 1
        index = self._messages.get(assessment.post.id)
        # by position, not by id: a source may break its promise of unique ids, and no post may vanish for it
        key: Key = ("post", self._passed) if index is None else ("cluster", index)
        stands_for_others = index is not None and self._clusters[index].representative == assessment.post.id
        rank = (assessment.urgency, stands_for_others, -self._passed)
        self._top.offer(key, rank, assessment)
        self._cells.setdefault(cell, _Top(self._per_cell)).offer(key, rank, assessment)
        for cluster in (index, self._photos.get(assessment.post.id)):
            if cluster is not None and cluster < len(self.clusters):
                self.clusters[cluster].add(assessment)

    def listed(self) -> list[Listed]:
        """The posts to list, the most urgent first; equals in the order of the source."""
        chosen = dict(self._top.kept)
        for cell in self._cells.values():
            for key, found in cell.kept.items():
                if key not in chosen or chosen[key][0] < found[0]:
                    chosen[key] = found
        order = sorted(chosen.items(), key=lambda item: item[1][0], reverse=True)
        listed = []
        for key, (_, assessment) in order:
            message = self._clusters[key[1]] if key[0] == "cluster" else None
            shared = self._photos.get(assessment.post.id)
            photo = None if shared is None else self._clusters[shared]
            listed.append(Listed(assessment, message, photo))
        return listed
