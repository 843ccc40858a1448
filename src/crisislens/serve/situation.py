"""The situation in numbers and sentences: what the last hours brought, where, and which posts say so.

Every sentence is counted, not written by a model, and carries the numbers of the most urgent posts behind it.
"""

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, Field

from crisislens.domain.tasks import Label, Task
from crisislens.report.display import number
from crisislens.serve.filters import query_of
from crisislens.serve.task_views import asked_tasks
from crisislens.store import Store
from crisislens.store.records import Counts, LabelCount, PlaceCount, PostFilter

__all__ = ["Sentence", "Situation", "situation"]

_SENTENCES = 8
_NAMED = 5
_PLACES_NAMED = 3


class Sentence(BaseModel):
    """Something that many posts say."""

    text: str
    posts: int
    post_ids: list[int] = Field(description="The most urgent of them")
    query: str = Field(description="The filter that finds all of them, for `/v1/posts?` and `/queue?`")


class Situation(BaseModel):
    """The situation of some hours."""

    since: datetime
    until: datetime
    posts: int = Field(description="Assessed posts")
    sentences: list[Sentence]
    labels: list[LabelCount]
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
    found = Situation(
        since=since,
        until=until,
        posts=counts.posts,
        sentences=_sentences(store, counts, since, place),
        labels=list(counts.labels),
        places=list(counts.places),
    )
    return found, counts


def _sentences(store: Store, counts: Counts, since: datetime, place: str | None) -> list[Sentence]:
    """One a label that calls for somebody, the gravest and then the most frequent first."""
    tasks = asked_tasks()
    told: list[tuple[float, int, Task, Label]] = []
    for count in counts.labels:
        task = tasks.get(count.task)
        if task is None or task.gate or not count.label or count.posts == 0:
            continue
        label = task.label(count.label)
        if label.tone in ("grave", "warm"):
            told.append((label.urgency, count.posts, task, label))
    told.sort(key=lambda row: (-row[0], -row[1]))
    return [
        _sentence(store, counts, since, place, task, label, posts)
        for _, posts, task, label in told[:_SENTENCES]
    ]


def _sentence(
    store: Store, counts: Counts, since: datetime, place: str | None, task: Task, label: Label, posts: int
) -> Sentence:
    pair = (task.question, label.name)
    wanted = PostFilter(labels=(pair,), since=since, place=place, order="urgency", folded=True, limit=_NAMED)
    ids = [row.id for row in store.posts.find(wanted).rows]
    where = _where(counts, pair)
    few = "post says" if posts == 1 else "posts say"
    text = f"{number(posts)} {few} “{label.words.lower()}”{where}."
    asked = {"label": f"{task.question}:{label.name}", "since": _short(since), "place": place}
    return Sentence(text=text, posts=posts, post_ids=ids, query=query_of(asked))


def _where(counts: Counts, pair: tuple[str, str]) -> str:
    rows = []
    for place in counts.places:
        here = sum(count.posts for count in place.labels if (count.task, count.label) == pair)
        if here:
            rows.append((here, place.name or place.place))
    rows.sort(key=lambda row: (-row[0], row[1]))
    names = ", ".join(f"{name} ({number(here)})" for here, name in rows[:_PLACES_NAMED])
    return f", most of {names}" if names else ""


def _short(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
