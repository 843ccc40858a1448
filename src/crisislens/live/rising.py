"""What rises just now, of all places and all that calls for somebody: the store read for `bursts`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crisislens.domain.asked import asked_tasks, usual_title
from crisislens.domain.meanings import MEANINGS, Answer, meaning_named, meaning_of
from crisislens.live.bursts import ALPHA, Burst, Series, find_bursts
from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.store.tallies import EVERYWHERE, MEANT
from crisislens.store.transaction import hour_of

__all__ = ["LEAST_BLOCKS", "Risen", "Rising", "counted_labels", "rising"]

LEAST_BLOCKS = 4
"""A shorter past says too little."""
_NAMED = 5
_PAST_H = ((2, 72), (12, 168), (24 * 366, 336))
"""Up to how many hours of a block, how many hours of past: whole days each."""
Key = tuple[str, str, str]
Row = tuple[str, datetime, str, str, int]


@dataclass(frozen=True)
class Risen:
    """Something that rises, with the posts that say so.

    Attributes:
        place: The id of the place; `*` is everywhere.
        place_name: Its name.
        answers: The answers that are counted, question and label: one, or several that mean nearly the same.
        meaning: The name of what several mean; None for one answer.
        title: It as a person reads it.
        now: Posts of the last block.
        usual: The mean of a block before.
        clumps: A block's variance over its mean, which was allowed for.
        p: The chance of as many, if nothing rises.
        bound: What that was compared with.
        post_ids: The most urgent of them.
    """

    place: str
    place_name: str | None
    answers: tuple[Answer, ...]
    meaning: str | None
    title: str
    now: int
    usual: float
    clumps: float
    p: float
    bound: float
    post_ids: tuple[int, ...]

    @property
    def filters(self) -> dict[str, str]:
        """The fields of an address that find what is counted, of all places and times."""
        if self.meaning is not None:
            return {"meaning": self.meaning}
        question, label = self.answers[0]
        return {"label": f"{question}:{label}"}


@dataclass(frozen=True)
class Rising:
    """One look at everything.

    Attributes:
        hours: The length of a block.
        since: When the block that is asked about began.
        until: The time of the look.
        blocks: How many blocks of past there are; with fewer than four nothing is looked at.
        looked: How many series were looked at.
        alpha: The chance of one false burst or more in such a look.
        found: What rises, the least likely first.
    """

    hours: int
    since: datetime
    until: datetime
    blocks: int
    looked: int
    alpha: float
    found: tuple[Risen, ...]


def counted_labels() -> tuple[tuple[str, str], ...]:
    """Questions and answers that are looked at: what is worth reading, and what calls for somebody."""
    found = []
    for question, task in asked_tasks().items():
        for label in task.labels:
            if (task.gate and not label.nothing) or label.tone in ("grave", "warm"):
                found.append((question, label.name))
    return tuple(found)


def rising(store: Store, hours: int, *, place: str | None = None, now: datetime | None = None) -> Rising:
    """What rises against its own past.

    The tallies count by the hour of the clock, so that the last block ends with the hour that has begun and
    is a little shorter than the others: a burst is seen later, never more often. Near-duplicates are counted.
    Answers that mean nearly the same are one series, in which each post counts once: as two, one burst would
    be found twice.

    Arguments:
        store: Where the posts are.
        hours: The length of a block, 1 or more.
        place: Only series of this place; all places, and everywhere together, without.
        now: The time it is.
    """
    until = now or datetime.now(UTC)
    end = hour_of(until) + timedelta(hours=1)
    length = timedelta(hours=hours)
    past_h = next(past for most, past in _PAST_H if hours <= most)
    known = _known_since(store)
    wanted = max(1, past_h // hours)
    blocks = 0 if known is None else min(wanted, max(0, (end - length - known) // length))
    since = end - length
    if blocks < LEAST_BLOCKS:
        return Rising(hours, since, until, blocks, 0, ALPHA, ())
    looked_at = [*counted_labels(), *((MEANT, meaning.name) for meaning in MEANINGS)]
    rows = store.statistics.hourly(end - (blocks + 1) * length, end, looked_at, place=place)
    series = _series(_each_once(rows), end, length, blocks)
    kinds = {key: (key[1], key[2], key[0] == EVERYWHERE) for key in series}
    found = tuple(_risen(store, burst, since) for burst in find_bursts(series, kinds=kinds))
    return Rising(hours, since, until, blocks, len(series), ALPHA, found)


def _known_since(store: Store) -> datetime | None:
    """The first hour of which all posts came in. Earlier ones would say that it was quiet, when nobody
    listened: what a feed or a page shows first holds single posts of weeks and years ago.
    """
    first, since = store.statistics.first_hour(), store.statistics.listening_since()
    if first is None or since is None:
        return first
    whole = hour_of(since)
    return max(first, whole if whole == since else whole + timedelta(hours=1))


def _each_once(rows: Sequence[Row]) -> list[Row]:
    """Counts in which no post stands twice. Where posts have both answers of a meaning ("Call for help" and
    "Asks for help"), the meaning's count stays and those of its answers go; where they have only one of them,
    as in a store of one question, it is the other way round.
    """
    given = {(task, label) for _, _, task, label, _ in rows}
    together = {meaning for meaning in MEANINGS if len(meaning.among(given)) > 1}
    found = []
    for row in rows:
        task, label = row[2:4]
        meaning = meaning_named(label) if task == MEANT else meaning_of(task, label)
        if (meaning in together) == (task == MEANT):
            found.append(row)
    return found


def _series(rows: Iterable[Row], end: datetime, length: timedelta, blocks: int) -> dict[Key, Series]:
    """Counts by block, the one that is asked about first."""
    counts: dict[Key, list[int]] = defaultdict(lambda: [0] * (blocks + 1))
    for place, hour, task, label, posts in rows:
        block = (end - hour - timedelta(hours=1)) // length
        counts[place, task, label][block] += posts
    return {key: Series(found[0], tuple(found[1:])) for key, found in sorted(counts.items()) if any(found)}


def _risen(store: Store, burst: Burst[Key], since: datetime) -> Risen:
    place, task, label = burst.key
    meaning = meaning_named(label) if task == MEANT else None
    answers = ((task, label),) if meaning is None else meaning.answers
    only = None if place == EVERYWHERE else place
    # one answer has an index that is walked, several have not
    which: Mapping[str, Any] = {"labels": answers} if meaning is None else {"any_label": answers}
    wanted = PostFilter(**which, place=only, since=since, order="urgency", folded=True, limit=_NAMED)
    posts = store.posts.find(wanted).rows
    name = next((row.place_name for row in posts if row.place_name), None) if only else None
    return Risen(
        place=place,
        place_name=name,
        answers=answers,
        meaning=None if meaning is None else meaning.name,
        title=usual_title(task, label) if meaning is None else meaning.title,
        now=burst.now,
        usual=burst.usual,
        clumps=burst.clumps,
        p=burst.p,
        bound=burst.bound,
        post_ids=tuple(row.id for row in posts),
    )
