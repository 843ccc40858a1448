"""Pages by any filter and order: no post twice, none missing, whatever the size of a page."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.domain.place import Place
from crisislens.store import Store
from crisislens.store import posts as posts_module
from crisislens.store.listing import Cursor, search_words
from crisislens.store.records import Box, Done, Job, Photo, PostFilter, PostRow
from store_posts import PONCE, WHEN, done, new

POSTS = 40
FAR = Place(id="city:1701668", name="Manila", kind="city", country="PH", lat=14.6, lon=120.98)
PHOTO = Photo(sha256="ab" + "0" * 62, origin="1" * 64, width=9, height=9, size=9)
SURE = ("damage", "severe_damage")
Test = Callable[[PostRow], bool]
once = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def found(job: Job) -> Done:
    """What is said of a post; many are equal in what lists are ordered by."""
    i = int(job.post.id)
    return done(
        job,
        urgency=(i * 7 % 5) / 5,
        confidence=0.5 + (i % 4) / 10,
        damage="severe_damage" if i % 2 else "little_or_no_damage",
        needs=[need for need, k in (("water", 2), ("food", 3)) if i % k == 0],
        not_sure=i % 7 == 0,
        place=(None, PONCE, FAR)[i % 3],
        unread="no model reads this" if i % 11 == 0 else None,
    )


@pytest.fixture
def varied(store: Store) -> Store:
    """Posts that differ in everything a filter asks, four of them at every moment."""
    sent = []
    for i in range(POSTS):
        words = ("the bridge is down", "we need water", "all is well")[i % 3]
        photos = (PHOTO,) if i % 5 == 0 else ()
        at = WHEN + timedelta(hours=i // 4)
        sent.append(new(i, f"{words} {i}", event=f"event {i % 2}", created_at=at, photos=photos))
    store.posts.accept("radio", sent[::2])
    store.posts.accept("sms", sent[1::2])
    jobs = store.queue.claim("w", POSTS + 1)
    store.queue.fail("w", jobs[0].post_id, "no")
    store.queue.finish("w", [found(job) for job in jobs[1:-2]])
    store.queue.release("w")
    for name in ("ann", "bob"):
        store.users.add(name, "reviewer", actor="cli")
    for number in (5, 9, 14):
        store.reviews.add(number, 1, verdict="label", task="damage", labels=["mild_damage"])
    for number, user in ((7, 1), (8, 2), (21, 2)):
        store.reviews.hold(number, user)
    store.reviews.hold(22, 2, seconds=-1)
    return store


def has(row: PostRow, task: str, label: str) -> bool:
    """Whether a post surely has a label."""
    answer = row.answers.get(task)
    return answer is not None and not answer.abstained and label in answer.labels


def later(row: PostRow) -> bool:
    """Whether it was posted at least three hours after the first."""
    return row.at >= WHEN + timedelta(hours=3)


FIELDS: dict[str, list[tuple[Any, Test]]] = {
    "labels": [
        ((SURE,), lambda r: has(r, *SURE)),
        ((("needs", "water"),), lambda r: has(r, "needs", "water")),
        ((SURE, ("needs", "food")), lambda r: has(r, *SURE) and has(r, "needs", "food")),
    ],
    "not_sure": [("damage", lambda r: "damage" in r.answers and r.answers["damage"].abstained)],
    "min_urgency": [
        (0.4, lambda r: r.urgency is not None and r.urgency >= 0.4),
        (0.0, lambda r: r.urgency is not None),
        (1.0, lambda r: False),
    ],
    "place": [(PONCE.id, lambda r: r.place == PONCE.id), ("city:0", lambda r: False)],
    "box": [
        (Box(west=-67, south=17, east=-66, north=19), lambda r: r.place == PONCE.id),
        (Box(west=120, south=0, east=-60, north=90), lambda r: r.place is not None),
    ],
    "since": [(WHEN + timedelta(hours=3), later)],
    "until": [(WHEN + timedelta(hours=3), lambda r: not later(r))],
    "language": [("en", lambda r: r.language == "en"), ("es", lambda r: False)],
    "source": [("sms", lambda r: r.source == "sms"), ("tv", lambda r: False)],
    "event": [("event 1", lambda r: r.event == "event 1")],
    "words": [
        ("bridge", lambda r: "bridge" in r.text),
        ("need WATER", lambda r: "need water" in r.text),
        ("bridge water", lambda r: False),
    ],
    "states": [
        (("done",), lambda r: r.state == "done"),
        (("failed", "queued"), lambda r: r.state in ("failed", "queued")),
    ],
    "unread": [(True, lambda r: r.unread is not None), (False, lambda r: r.unread is None)],
    "reviewed": [(True, lambda r: bool(r.reviews)), (False, lambda r: not r.reviews)],
    "has_photo": [(True, lambda r: bool(r.photos)), (False, lambda r: not r.photos)],
    "assessed": [(True, lambda r: r.model is not None), (False, lambda r: r.model is None)],
    "free_for": [
        (1, lambda r: r.held_by in (None, "ann")),
        (2, lambda r: r.held_by in (None, "bob")),
    ],
    "ids": [(tuple(range(3, 30)), lambda r: 3 <= r.id < 30)],
}
KEYS: dict[str, Callable[[PostRow], Any]] = {
    "time": lambda r: (r.at, r.id),
    # what no model has answered stands at the end
    "urgency": lambda r: (r.urgency is not None, r.urgency, r.id),
    "uncertainty": lambda r: (r.uncertainty is not None, r.uncertainty, r.id),
}
chosen_terms = st.lists(st.sampled_from(sorted(FIELDS)), unique=True, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: st.sampled_from(FIELDS[name]) for name in names})
)


def pages(store: Store, asked: PostFilter) -> Iterator[tuple[PostRow, ...]]:
    """Page by page, as a client turns them."""
    while True:
        page = store.posts.find(asked)
        yield page.rows
        if page.next is None:
            return
        asked = asked.model_copy(update={"after": page.next})


def test_pages_of_any_filter_order_and_size_are_disjoint_and_whole(varied: Store) -> None:
    everything = [varied.posts.get(number) for number in range(1, POSTS + 1)]

    @once
    @given(terms=chosen_terms, order=st.sampled_from(sorted(KEYS)), limit=st.integers(1, 15))
    def holds(terms: dict[str, tuple[Any, Test]], order: Any, limit: int) -> None:
        values = {name: value for name, (value, _) in terms.items()}
        asked = PostFilter(order=order, limit=limit, **values)
        right = [row for row in everything if all(test(row) for _, test in terms.values())]
        right.sort(key=KEYS[order], reverse=True)
        shown = list(pages(varied, asked))
        for one, other in combinations(shown, 2):
            assert not {row.id for row in one} & {row.id for row in other}
        assert [row for page in shown for row in page] == right
        assert all(len(page) == limit for page in shown[:-1])
        assert varied.posts.count(asked) == len(right)
        assert varied.posts.count(asked, most=2) == min(2, len(right))

    holds()


@pytest.mark.parametrize("order", sorted(KEYS))
def test_posts_that_come_and_go_between_pages_move_no_other(varied: Store, order: Any) -> None:
    before = {row.id for row in varied.posts.stream(PostFilter(order=order))}
    walk = pages(varied, PostFilter(order=order, limit=6))
    shown = [row.id for row in next(walk)]
    # what was shown goes, something newer comes: the rest is what it was
    varied.erasure.posts(shown[:3], actor="cli")
    late = {found.id for found in varied.posts.accept("radio", [new(f"late {i}") for i in range(9)])}
    shown += [row.id for page in walk for row in page]
    assert len(shown) == len(set(shown))
    # by time the newest stand before what was shown, in the other orders at the end, unanswered
    assert set(shown) == (before if order == "time" else before | late)


@pytest.mark.parametrize("order", ["time", "urgency", "uncertainty", "diverse"])
def test_a_stream_reads_in_steps_what_pages_show(
    varied: Store, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = PostFilter(order=order, limit=7)
    shown = [row.id for page in pages(varied, wanted) for row in page]
    for step in (1, 7, len(shown), len(shown) + 1):
        monkeypatch.setattr(posts_module, "_STEP", step)
        streamed = [row.id for row in varied.posts.stream(wanted)]
        # the diverse order is one of pages alone: an export is ordered by uncertainty
        assert sorted(streamed) == sorted(shown)
        assert order == "diverse" or streamed == shown
        assert len(list(varied.posts.documents(wanted))) == len(shown) - (order != "diverse") * 3


def test_a_search_looks_at_the_newest_matches_and_an_export_at_all(
    varied: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisislens.store import listing

    monkeypatch.setattr(listing, "MOST_FOUND", 4)
    wanted = PostFilter(words="bridge", limit=200)
    everything = sorted(row.id for row in varied.posts.stream(wanted))
    assert [row.id for row in varied.posts.stream(PostFilter()) if "bridge" in row.text]
    assert len(everything) == 14
    assert sorted(row.id for row in varied.posts.find(wanted).rows) == everything[-4:]
    # and it tells that it did
    assert varied.posts.finds_too_many("bridge")
    monkeypatch.setattr(listing, "MOST_FOUND", 14)
    assert not varied.posts.finds_too_many("bridge")
    assert not any(varied.posts.finds_too_many(words) for words in (None, "", "*", "nowhere"))


def test_pages_of_posts_that_differ_are_of_the_posts_of_the_first(varied: Store) -> None:
    """New answers between the pages neither repeat a post nor hide one."""
    asked = PostFilter(order="diverse", limit=6)
    whole = [row.id for page in pages(varied, asked) for row in page]
    walk = pages(varied, asked)
    shown = [row.id for row in next(walk)]
    for i, page in enumerate(walk):
        shown += [row.id for row in page]
        varied.posts.accept("radio", [new(f"late {i}", f"late words {i} alike to none {i * i}")])
        # those that waited are answered now too
        jobs = varied.queue.claim("w", 9)
        varied.queue.finish("w", [done(job, confidence=0.5) for job in jobs])
    assert shown == whole


@given(
    st.sampled_from(["urgency", "uncertainty", "diverse"]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63) + 1, 2**63 - 1),
)
def test_a_cursor_comes_back_as_it_went(order: str, value: float, number: int) -> None:
    cursor = Cursor(order, value, number)
    assert Cursor.read(cursor.written(), order) == cursor
    assert cursor.written().isascii()
    for other in {"urgency", "uncertainty", "diverse", "time"} - {order}:
        with pytest.raises(InputError, match=f"no cursor of a page by {other}"):
            Cursor.read(cursor.written(), other)


def wrapped(content: bytes) -> str:
    """As a cursor is written."""
    return base64.urlsafe_b64encode(content).decode()


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
forged = st.lists(values, max_size=4).map(lambda value: wrapped(json.dumps(value).encode()))
brought = st.text(max_size=200) | st.binary(max_size=80).map(wrapped) | forged


@given(brought, st.sampled_from(["time", "urgency"]))
def test_whatever_a_client_brings_is_a_cursor_or_one_sentence(written: str, order: str) -> None:
    said = ""
    try:
        found = Cursor.read(written, order).order
    except InputError as error:
        found, said = "", str(error)
    assert found == order or "take `next` of the page before" in said


@given(st.text(max_size=200))
def test_words_of_a_search_hold_nothing_but_words(text: str) -> None:
    words = search_words(text)
    assert len(words) <= 16
    assert all(word and not set(word) & set('"*()^:- ') for word in words)
    assert all(word in text for word in words)
