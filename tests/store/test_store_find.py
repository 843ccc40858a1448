"""Finding posts: every filter against a slow and plain one, every order page by page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from crisislens.core.errors import InputError, NotFoundError
from crisislens.domain.place import Place
from crisislens.store import Store
from crisislens.store.listing import Cursor
from crisislens.store.records import Box, Done, Job, NewPost, PostFilter, PostRow
from store_posts import PONCE, WHEN, done, new

MANILA = Place(id="city:1701668", name="Manila", kind="city", country="PH", lat=14.6, lon=120.98)
WORDS = ["Bridge is down", "need water and food", "all is well", "bridge and water", "nothing"]


def found(job: Job) -> Done:
    """What is said of a post, by its number."""
    i = int(job.post.id)
    return done(
        job,
        urgency=round((i * 7 % 10) / 10, 1),
        confidence=0.5 + (i * 3 % 10) / 20,
        damage="severe_damage" if i % 2 else "little_or_no_damage",
        needs=[n for n, k in (("water", 2), ("food", 3)) if i % k == 0],
        not_sure=i % 7 == 0,
        place=(None, PONCE, MANILA)[i % 3],
        unread="no model reads this" if i % 11 == 0 else None,
    )


@pytest.fixture
def filled(store: Store) -> Store:
    """Thirty posts that differ in everything a filter asks."""
    sent: dict[str, list[NewPost]] = {"radio": [], "sms": []}
    for i in range(30):
        more: dict[str, Any] = {"lang": "en", "event": f"event {i % 2}"}
        if i % 3:
            more["created_at"] = WHEN + timedelta(hours=i)
        sent["radio" if i % 5 else "sms"].append(new(i, f"{WORDS[i % 5]} {i}", **more))
    for source, posts in sent.items():
        store.posts.accept(source, posts)
    jobs = store.queue.claim("w")
    store.queue.fail("w", jobs[-1].post_id, "no")
    store.queue.finish("w", [found(job) for job in jobs[:-1]])
    return store


Test = Callable[[PostRow], bool]
SURE = ("damage", "severe_damage")
FILTERS: list[tuple[PostFilter, Test]] = [
    (PostFilter(), lambda r: True),
    (PostFilter(labels=(SURE,)), lambda r: _has(r, *SURE)),
    (
        PostFilter(labels=(("needs", "water"), ("needs", "food"))),
        lambda r: _has(r, "needs", "water") and _has(r, "needs", "food"),
    ),
    (
        PostFilter(any_label=(SURE, ("needs", "water"))),
        lambda r: _has(r, *SURE) or _has(r, "needs", "water"),
    ),
    (
        PostFilter(labels=(("needs", "food"),), any_label=(SURE, ("needs", "water"))),
        lambda r: _has(r, "needs", "food") and (_has(r, *SURE) or _has(r, "needs", "water")),
    ),
    (PostFilter(not_sure="damage"), lambda r: "damage" in r.answers and r.answers["damage"].abstained),
    (PostFilter(min_urgency=0.5), lambda r: r.urgency is not None and r.urgency >= 0.5),
    (PostFilter(min_urgency=0.5, labels=(SURE,)), lambda r: (r.urgency or 0) >= 0.5 and _has(r, *SURE)),
    (PostFilter(place=PONCE.id), lambda r: r.place == PONCE.id),
    (PostFilter(box=Box(west=-67, south=17, east=-66, north=19)), lambda r: r.place == PONCE.id),
    (PostFilter(box=Box(west=100, south=-90, east=-60, north=90)), lambda r: r.place is not None),
    (PostFilter(since=WHEN + timedelta(hours=9)), lambda r: r.at >= WHEN + timedelta(hours=9)),
    (PostFilter(until=WHEN + timedelta(hours=9)), lambda r: r.at < WHEN + timedelta(hours=9)),
    (PostFilter(language="en"), lambda r: r.language == "en"),
    (PostFilter(source="sms"), lambda r: r.source == "sms"),
    (PostFilter(source="nobody"), lambda r: False),
    (PostFilter(event="event 1"), lambda r: r.event == "event 1"),
    (PostFilter(words="BRIDGE"), lambda r: "bridge" in r.text.lower()),
    (PostFilter(words="water bridge"), lambda r: "bridge and water" in r.text),
    (PostFilter(words='" OR water*'), lambda r: False),
    (PostFilter(words="!!"), lambda r: False),
    (PostFilter(words="water", labels=(SURE,)), lambda r: "water" in r.text and _has(r, *SURE)),
    (PostFilter(states=("failed",)), lambda r: r.state == "failed"),
    (PostFilter(unread=True), lambda r: r.unread is not None),
    (PostFilter(unread=False), lambda r: r.unread is None),
    (PostFilter(assessed=False), lambda r: r.model is None),
    (PostFilter(has_photo=True), lambda r: False),
    (PostFilter(reviewed=False), lambda r: True),
    (PostFilter(ids=(1, 2, 3)), lambda r: r.id in (1, 2, 3)),
]


def _has(row: PostRow, task: str, label: str) -> bool:
    answer = row.answers.get(task)
    return answer is not None and not answer.abstained and label in answer.labels


ORDERS: dict[str, Callable[[PostRow], Any]] = {
    "time": lambda r: (r.at, r.id),
    # what no model has answered stands at the end
    "urgency": lambda r: (r.urgency is not None, r.urgency, r.id),
    "uncertainty": lambda r: (r.uncertainty is not None, r.uncertainty, r.id),
}


def test_every_filter_in_every_order(filled: Store) -> None:
    everything = [filled.posts.get(number) for number in range(1, 31)]
    for wanted, holds in FILTERS:
        for order, key in ORDERS.items():
            right = [r for r in everything if holds(r)]
            right.sort(key=key, reverse=True)
            asked = wanted.model_copy(update={"order": order, "limit": 7})
            found: list[PostRow] = []
            while True:
                page = filled.posts.find(asked)
                found += page.rows
                if page.next is None:
                    break
                assert len(page.rows) == 7
                asked = asked.model_copy(update={"after": page.next})
            assert [r.id for r in found] == [r.id for r in right], (wanted, order)
            assert found == right
            streamed = filled.posts.stream(wanted.model_copy(update={"order": order}))
            assert [r.id for r in streamed] == [r.id for r in right]
            counted = filled.posts.count(wanted.model_copy(update={"order": order}))
            assert counted == len(right)


def test_a_page_stays_right_while_posts_arrive(filled: Store) -> None:
    first = filled.posts.find(PostFilter(limit=5))
    filled.posts.accept("radio", [new(f"late {i}") for i in range(10)])
    second = filled.posts.find(PostFilter(limit=5, after=first.next))
    assert max(row.at for row in second.rows) <= min(row.at for row in first.rows)
    assert not {row.id for row in first.rows} & {row.id for row in second.rows}


def test_the_diverse_order_shows_each_once_and_unlike_ones_first(filled: Store) -> None:
    seen: list[int] = []
    after = None
    while True:
        page = filled.posts.find(PostFilter(order="diverse", limit=10, after=after))
        seen += [row.id for row in page.rows]
        after = page.next
        if after is None:
            break
    assert sorted(seen) == list(range(1, 30))
    first = [filled.posts.get(number).text for number in seen[:5]]
    assert len({text.rsplit(" ", 1)[0] for text in first}) >= 4


BROKEN = ["x", "", "e30", Cursor("urgency", 0.5, 1).written(), Cursor("time", "noon", 1).written(), "=" * 50]


@pytest.mark.parametrize("after", BROKEN)
def test_a_cursor_that_is_none(store: Store, after: str) -> None:
    with pytest.raises(InputError, match="no cursor of a page by time"):
        store.posts.find(PostFilter(after=after))


def test_a_cursor_beyond_the_numbers_of_a_database_is_refused() -> None:
    with pytest.raises(InputError):
        Cursor.read(Cursor("urgency", 0.5, 2**70).written(), "urgency")


def test_what_is_not_there(store: Store) -> None:
    with pytest.raises(NotFoundError, match="no post 7"):
        store.posts.get(7)
    with pytest.raises(NotFoundError):
        store.posts.detail(7)
    with pytest.raises(NotFoundError):
        store.posts.keep_rationale(7, "a" * 16, "{}")
    assert store.posts.by_key("api", "1") is None
    assert store.posts.states([7]) == {}
    assert store.posts.assessment(7) is None


def test_documents_are_those_of_analyze_and_a_rationale_is_kept(filled: Store) -> None:
    docs = list(filled.posts.documents(PostFilter(place=PONCE.id)))
    assert len(docs) == filled.posts.count(PostFilter(place=PONCE.id))
    assert all('"provenance"' in doc for doc in docs)
    row = filled.posts.find(PostFilter(order="urgency", limit=1)).rows[0]
    for doc in ('{"a":1}', '{"a":2}'):
        filled.posts.keep_rationale(row.id, row.model or "", doc)
    assert filled.posts.detail(row.id).rationale == '{"a":2}'
    assert filled.posts.states([row.id]) == {row.id: "done"}
