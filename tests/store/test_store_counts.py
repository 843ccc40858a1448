"""Counts by hour, place and day: what adding up all posts anew gives, after any changes."""

from collections import Counter
from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.domain.meanings import meaning_of
from crisislens.domain.place import Place
from crisislens.store import Store
from crisislens.store.records import PostFilter, PostRow
from crisislens.store.tallies import BINS, EVERYWHERE, LANGUAGE, PHOTO, UNREAD, Counted, count_post
from crisislens.store.upkeep import check
from store_posts import PONCE, WHEN, done, new

FAR = Place(id="city:1701668", name="Manila", kind="city", country="PH", lat=14.6, lon=120.98)
PLACES = {None: None, "ponce": PONCE, "far": FAR}
DAYS = 3
one_post = st.fixed_dictionaries(
    {
        "hour": st.integers(0, 24 * DAYS - 1),
        "place": st.sampled_from([None, "ponce", "far"]),
        "needs": st.lists(st.sampled_from(["water", "request", "warning"]), unique=True),
        "category": st.sampled_from(["", "requests_or_urgent_needs", "caution_and_advice"]),
        "not_sure": st.booleans(),
        "unread": st.sampled_from([None, "no model reads this"]),
    }
)
changes = st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["erase", "again"]), one_post), max_size=4)


def labels_of(row: PostRow) -> list[tuple[str, str]]:
    """What is counted of a post, as a person would."""
    said = []
    for task, answer in row.answers.items():
        sure = () if answer.abstained else answer.labels
        said += [(task, label) for label in sure or ("",)]
    return said


def meanings_of(row: PostRow) -> set[str]:
    """What the labels of a post mean, each once."""
    found = (meaning_of(*said) for said in labels_of(row))
    return {meaning.name for meaning in found if meaning is not None}


def test_counts_are_what_adding_up_gives(store: Store) -> None:
    weeks, names = count(), count()

    @settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.lists(one_post, max_size=8), changes)
    def holds(posts: list[dict[str, Any]], then: list[tuple[int, str, dict[str, Any]]]) -> None:
        # a week of its own, so that no example sees the posts of another
        start = (WHEN + timedelta(weeks=next(weeks))).replace(hour=0, minute=0)
        ids = [str(next(names)) for _ in posts]
        sent = [
            new(name, name, created_at=start + timedelta(hours=post["hour"], minutes=7))
            for name, post in zip(ids, posts, strict=True)
        ]
        store.posts.accept("api", sent)
        said = dict(zip(ids, posts, strict=True))
        answer_all(store, said)
        for which, what, other in then[: len(ids)]:
            row = store.posts.by_key("api", ids[which % len(ids)])
            if row is None:
                continue
            if what == "erase":
                store.erasure.posts([row.id], actor="cli")
            else:
                store.queue.retry(row.id, actor="cli")
                answer_all(store, {row.external_id: other})
        end = start + timedelta(days=DAYS)
        rows = list(store.posts.stream(PostFilter(since=start, until=end)))
        agree(store, rows, start, end)

    holds()
    assert check(store) == []


def answer_all(store: Store, said: dict[str, dict[str, Any]]) -> None:
    """Answers what waits as it is told to."""
    jobs = store.queue.claim("w", 100)
    found = []
    for job in jobs:
        post = said[job.post.id]
        answer = {name: post[name] for name in ("needs", "category", "not_sure", "unread")}
        found.append(done(job, place=PLACES[post["place"]], **answer))
    assert store.queue.finish("w", found) == len(jobs)


def agree(store: Store, rows: list[PostRow], start: Any, end: Any) -> None:
    """Holds the counts against the posts themselves."""
    counts = store.statistics.counts(start, end)
    assert counts.posts == len(rows)
    labels = Counter(said for row in rows for said in labels_of(row))
    assert {(c.task, c.label): c.posts for c in counts.labels} == labels
    meant = Counter(meaning for row in rows for meaning in meanings_of(row))
    assert {c.meaning: c.posts for c in counts.meanings} == meant
    by_place = Counter(row.place for row in rows if row.place)
    assert {place.place: place.posts for place in counts.places} == by_place
    for place in counts.places:
        mine = Counter(said for row in rows if row.place == place.place for said in labels_of(row))
        assert {(c.task, c.label): c.posts for c in place.labels} == mine
        here = [meaning for row in rows if row.place == place.place for meaning in meanings_of(row)]
        assert {c.meaning: c.posts for c in place.meanings} == Counter(here)
    hours = Counter((row.at.replace(minute=0), "", "") for row in rows)
    hours.update((row.at.replace(minute=0), *said) for row in rows for said in labels_of(row))
    assert {(h.hour, h.task, h.label): h.posts for h in counts.hours} == hours
    for row in rows:
        # one hour alone
        hour = row.at.replace(minute=0)
        alone = store.statistics.counts(hour, hour + timedelta(hours=1))
        assert alone.posts == hours[hour, "", ""]
    days = {day.day.date(): day for day in store.statistics.days(DAYS, until=end)}
    mine = {date: day for date, day in days.items() if start.date() <= date < end.date()}
    assert {date: day.posts for date, day in mine.items()} == Counter(row.at.date() for row in rows)
    for date, day in mine.items():
        those = [row for row in rows if row.at.date() == date]
        assert day.unread == sum(row.unread is not None for row in those)
        assert day.languages == {"en": len(those)}
        for task, bins in day.confidence.items():
            assert sum(bins) >= sum(task in row.answers for row in those)


def test_a_post_is_counted_and_taken_off_alike() -> None:
    answers = [("damage", "severe_damage", 0.99, False), ("needs", "water", 0.3, True)]
    for place in (None, PONCE.id):
        counted: Counter[Any] = Counter()

        def add(*key: Any, into: Counter[Any] = counted) -> None:
            into[key[:4]] += key[4]

        post = Counted(WHEN, place, None, True, True, answers)
        count_post(add, post, 1)
        everywhere = {(task, label) for _, task, label, where in counted if where == EVERYWHERE}
        assert everywhere == {
            ("", ""),
            ("damage", "severe_damage"),
            # a leaning is no label
            ("needs", ""),
            (LANGUAGE, ""),
            (UNREAD, ""),
            (PHOTO, ""),
            (":confidence:damage", str(BINS - 1)),
            (":confidence:needs", "3"),
        }
        assert any(where == PONCE.id for *_, where in counted) == (place is not None)
        count_post(add, post, -1)
        assert set(counted.values()) == {0}


def test_an_hour_without_posts_and_a_place_nobody_knows(store: Store) -> None:
    counts = store.statistics.counts(WHEN, WHEN + timedelta(hours=1), place="city:0")
    assert (counts.posts, counts.labels, counts.places, counts.hours) == (0, (), (), ())
    assert store.statistics.days(3, until=WHEN) == ()
    assert store.statistics.models() == {}
    assert store.statistics.agreement(["a" * 16, "b" * 16]) == {}
    assert store.statistics.places(WHEN, WHEN + timedelta(days=9)) == ()
