"""The situation in numbers and sentences: what the last hours brought, where, and which posts say so.

Every sentence is counted, not written by a model, and carries the numbers of the most urgent posts behind it.
"""

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

from crisislens.live.digest import Sentence, sentences_of
from crisislens.live.rising import Rising, rising
from crisislens.store import Store
from crisislens.store.records import Counts, LabelCount, MeaningCount, PlaceCount
from crisislens.store.tallies import EVERYWHERE

__all__ = ["Situation", "situation"]

_MOST_BLOCK_H = 168


class Situation(BaseModel):
    """The situation of some hours."""

    since: datetime
    until: datetime
    posts: int = Field(description="Assessed posts")
    sentences: list[Sentence]
    labels: list[LabelCount]
    meanings: list[MeaningCount] = Field(
        description="Posts with any of several labels that mean nearly the same, each post once"
    )
    places: list[PlaceCount]


def situation(
    store: Store, hours: float, *, place: str | None = None, now: datetime | None = None
) -> tuple[Situation, Counts]:
    """What the last hours brought.

    Arguments:
        store: Where the posts are.
        hours: How far back.
        place: Only posts of this place.
        now: The time it is.
    """
    until = now or datetime.now(UTC)
    since = until - timedelta(hours=hours)
    counts = store.statistics.counts(since, until, place=place)
    looked = _looked(store, hours, place, until)
    found = Situation(
        since=since,
        until=until,
        posts=counts.posts,
        sentences=sentences_of(store, counts, since, until, place, looked, past=now is not None),
        labels=list(counts.labels),
        meanings=list(counts.meanings),
        places=list(counts.places),
    )
    return found, counts


def _looked(store: Store, hours: float, place: str | None, now: datetime) -> Rising | None:
    """What rises, for spans that a block may be as long as; of everywhere together or of one place, since
    that is what the sentences are of, and all places would be too much for a page that renews itself.
    """
    if not 1 <= hours <= _MOST_BLOCK_H:
        return None
    return rising(store, int(hours), place=place or EVERYWHERE, now=now)
