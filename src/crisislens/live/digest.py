"""The last hours in sentences. Each is counted, not written by a model, and carries the numbers of posts that
say so; a sentence without a post is left out.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from crisislens.live.bursts import TEST
from crisislens.live.rising import Risen, Rising, rising
from crisislens.live.told import Told, told_of
from crisislens.report.display import number
from crisislens.store import Store
from crisislens.store.records import Counts, PlaceCount, PostFilter
from crisislens.store.tallies import EVERYWHERE

__all__ = ["Digest", "Sentence", "digest_of", "sentences_of"]

_SENTENCES = 8
_NAMED = 5
_PLACES_NAMED = 3
_MOST_BLOCK_H = 168


class Sentence(BaseModel):
    """Something that many posts say."""

    text: str
    short: str = Field(description="The same in two or three words, for a headline")
    posts: int
    post_ids: list[int] = Field(description="The most urgent of them")
    query: str = Field(description="The filter that finds all of them, for `/v1/posts?` and `/queue?`")
    rises: bool = Field(default=False, description="Whether it rises against its own past")


class Digest(BaseModel):
    """The last hours in sentences."""

    headline: str
    place: str | None
    place_name: str | None
    hours: int
    since: datetime
    until: datetime
    posts: int = Field(description="Assessed posts, near-duplicates included")
    sentences: list[Sentence]
    test: str = Field(description="By which test something is said to rise; why not, where it was not asked")
    basis: str = "Counted from a model's answers, not verified, near-duplicates included."


def digest_of(store: Store, hours: int, *, place: str | None = None, now: datetime | None = None) -> Digest:
    """The last hours of everywhere or of one place.

    Arguments:
        store: Where the posts are.
        hours: How many.
        place: The id of a place.
        now: The time it is.
    """
    until = now or datetime.now(UTC)
    since = until - timedelta(hours=hours)
    counts = store.statistics.counts(since, until, place=place)
    looked = rising(store, min(hours, _MOST_BLOCK_H), place=place or EVERYWHERE, now=until)
    sentences = sentences_of(store, counts, since, until, place, looked)
    name = _name(counts, place)
    parts = ", ".join(one.short + (" (rising)" if one.rises else "") for one in sentences)
    where = name or place or "Everywhere"
    return Digest(
        headline=f"{where}, last {hours} h: {parts or 'nothing that calls for somebody'}",
        place=place,
        place_name=name,
        hours=hours,
        since=since,
        until=until,
        posts=counts.posts,
        sentences=sentences,
        test=_test(looked),
    )


def sentences_of(
    store: Store,
    counts: Counts,
    since: datetime,
    until: datetime,
    place: str | None,
    looked: Rising | None = None,
    *,
    past: bool = False,
) -> list[Sentence]:
    """What is worth reading, and then one sentence a label that calls for somebody, the gravest first; one of
    labels that mean nearly the same, in which each post counts once.

    Arguments:
        store: Where the posts are.
        counts: The situation in numbers.
        since: From when on.
        until: Up to when.
        place: Only posts of this place.
        looked: What rises.
        past: Whether this is not the present, so that the filters must say where it ends.
    """
    # the tallies count whole hours: posts are found from the same moment on
    since = counts.since
    ends = until if past else None
    risen = [one for one in (looked.found if looked else ()) if _is_of(one, place)]
    found = []
    for said in told_of(counts.labels, counts.meanings)[: _SENTENCES + 1]:
        one = _sentence(store, counts, since, ends, place, said)
        # nothing is claimed that no post is shown for
        if one.post_ids:
            burst = next((burst for burst in risen if set(burst.answers) & set(said.answers)), None)
            found.append(_rises(one, burst, looked.hours) if burst and looked is not None else one)
    return found


def _is_of(risen: Risen, place: str | None) -> bool:
    return risen.place == (place or EVERYWHERE)


def _sentence(
    store: Store,
    counts: Counts,
    since: datetime,
    until: datetime | None,
    place: str | None,
    said: Told,
) -> Sentence:
    which: Mapping[str, Any] = {"any_label": said.answers} if said.meaning else {"labels": said.answers}
    wanted = PostFilter(
        **which, since=since, until=until, place=place, order="urgency", folded=True, limit=_NAMED
    )
    ids = [row.id for row in store.posts.find(wanted).rows]
    few = "post says" if said.posts == 1 else "posts say"
    words = said.words.lower()
    parts = f" ({said.parts})" if said.parts else ""
    text = f"{number(said.posts)} {few} “{words}”{parts}{_where(counts, said, place)}."
    asked = {**said.filters, "since": _short(since), "place": place}
    asked |= {} if until is None else {"until": _short(until)}
    return Sentence(
        text=text, short=f"{number(said.posts)} {words}", posts=said.posts, post_ids=ids, query=_query(asked)
    )


def _rises(one: Sentence, burst: Risen, hours: int) -> Sentence:
    """The sentence with how it rises."""
    span = "1 hour" if hours == 1 else f"{hours} hours"
    usual = f"{burst.usual:.1f}" if burst.usual < 10 else number(round(burst.usual))
    more = f" Rising: {number(burst.now)} in the last {span}, {usual} in as many before."
    return one.model_copy(update={"text": one.text + more, "rises": True})


def _where(counts: Counts, said: Told, place: str | None) -> str:
    if place is not None:
        return ""
    rows = []
    for each in counts.places:
        here = _at(each, said)
        if here:
            rows.append((here, each.name or each.place))
    rows.sort(key=lambda row: (-row[0], row[1]))
    names = ", ".join(f"{name} ({number(here)})" for here, name in rows[:_PLACES_NAMED])
    return f", most of {names}" if names else ""


def _at(place: PlaceCount, said: Told) -> int:
    """How many posts of a place say it."""
    if said.meaning is not None:
        return sum(count.posts for count in place.meanings if count.meaning == said.meaning.name)
    return sum(count.posts for count in place.labels if (count.task, count.label) in said.answers)


def _name(counts: Counts, place: str | None) -> str | None:
    return next((each.name for each in counts.places if each.place == place), None)


def _test(looked: Rising) -> str:
    if not looked.looked:
        return f"not asked what rises: {looked.blocks} blocks of past are too few"
    return f"{TEST}; {looked.looked} series, {looked.blocks} blocks of {looked.hours} h before"


def _query(values: dict[str, Any]) -> str:
    return urlencode({key: value for key, value in values.items() if value})


def _short(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
