"""When a window is full: enough different posts within so many minutes.

A post is different from another unless the two are near-duplicates (one cluster) or of one author, where
both authors are known. Of a set of posts with t clusters (a post outside of all is one of its own) and a
authors (an unknown one is one of its own), min(t, a) is what we count: at least so many texts were written by
at least so many people. It never falls when a post comes, and does not depend on the order in which posts
come; the largest set of which each differs from each would have neither an order-free nor a cheap answer.

Windows slide: one is looked at for each post, the posts of the last `window` up to it, both ends included.
Full windows that follow each other within one window's length are one episode, and an alert is raised for
each episode. A trickle of posts that fills no window does not prolong one.
"""

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crisislens.store.records import Hit, RuleSpec

__all__ = ["Episode", "different", "episodes"]


@dataclass
class Episode:
    """Full windows that belong together.

    Attributes:
        hits: The posts of all of them, in the order of their times.
        full_at: The last post of the last one.
        most: The most different posts in one of them.
    """

    hits: dict[int, Hit] = field(default_factory=dict)
    full_at: datetime = datetime.min
    most: int = 0

    @property
    def began_at(self) -> datetime:
        """The first post of the first one."""
        return next(iter(self.hits.values())).at


class _Window:
    """The posts of a window, and of how many clusters and authors they are."""

    def __init__(self, length: timedelta) -> None:
        self.length, self.hits = length, deque[Hit]()
        self._texts: Counter[Hashable] = Counter()
        self._people: Counter[Hashable] = Counter()

    @property
    def different(self) -> int:
        return min(len(self._texts), len(self._people))

    def add(self, hit: Hit) -> None:
        """Moves the window on to a post."""
        while self.hits and self.hits[0].at < hit.at - self.length:
            self._remove(self.hits.popleft())
        self.hits.append(hit)
        self._texts[_text(hit)] += 1
        self._people[_person(hit)] += 1

    def drop_answered(self, by: datetime) -> None:
        """Takes out what somebody had judged by then."""
        gone = [hit for hit in self.hits if hit.answered_at is not None and hit.answered_at <= by]
        for hit in gone:
            self.hits.remove(hit)
            self._remove(hit)

    def _remove(self, hit: Hit) -> None:
        for counter, key in ((self._texts, _text(hit)), (self._people, _person(hit))):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]


def _text(hit: Hit) -> Hashable:
    return ("post", hit.post_id) if hit.cluster_id is None else ("cluster", hit.cluster_id)


def _person(hit: Hit) -> Hashable:
    return ("post", hit.post_id) if not hit.author else ("author", hit.author)


def different(hits: Iterable[Hit]) -> int:
    """How many different posts there are, as the head of this module says.

    Arguments:
        hits: The posts.
    """
    posts = list(hits)
    return min(len({_text(hit) for hit in posts}), len({_person(hit) for hit in posts}))


def episodes(hits: Sequence[Hit], spec: RuleSpec, *, as_it_was: bool = False) -> list[Episode]:
    """Where windows were full.

    Arguments:
        hits: Posts of one place, in the order of their times.
        spec: The rule.
        as_it_was: Whether a post counts until a person judged it, as over the past; otherwise one that was
            judged counts for nothing. Of no matter for rules that count what was answered.
    """
    window = _Window(spec.window)
    found: list[Episode] = []
    for hit in hits:
        if spec.unanswered and hit.answered_at is not None and not as_it_was:
            continue
        window.add(hit)
        if spec.unanswered and as_it_was:
            window.drop_answered(hit.at)
        if window.different < spec.least:
            continue
        if not found or hit.at - found[-1].full_at > spec.window:
            found.append(Episode())
        episode = found[-1]
        episode.hits |= {each.post_id: each for each in window.hits if each.post_id not in episode.hits}
        episode.full_at, episode.most = hit.at, max(episode.most, window.different)
    return found
