"""What sources change and take back: later versions replace earlier ones, deletions are obeyed."""

from datetime import UTC, datetime

import pytest

from crisislens.store import Store
from crisislens.store.records import NewPost, PostFilter

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def post(name: str, text: str, minute: int | None = None, author: str | None = None) -> NewPost:
    edited = None if minute is None else NOON.replace(minute=minute)
    return NewPost(external_id=name, text=text, edited_at=edited, author=author)


def texts(store: Store) -> dict[str, str]:
    return {row.external_id: row.text for row in store.posts.stream(PostFilter())}


def outcomes(store: Store, *posts: NewPost) -> list[str]:
    return [found.outcome for found in store.posts.accept("m", posts)]


def test_a_later_version_takes_the_place_of_an_earlier_one(store: Store) -> None:
    assert outcomes(store, post("1", "Bridge up"), post("2", "Fire")) == ["created", "created"]
    before = store.posts.by_key("m", "1")
    assert outcomes(store, post("1", "Bridge down", 5)) == ["replaced"]
    after = store.posts.by_key("m", "1")
    assert before is not None
    assert after is not None
    assert (after.text, after.state) == ("Bridge down", "queued")
    assert after.id > before.id
    # the first version, from a page that was old, changes nothing, and no more does the same again
    assert outcomes(store, post("1", "Bridge up")) == ["conflict"]
    assert outcomes(store, post("1", "Bridge down", 5)) == ["same"]
    assert outcomes(store, post("1", "Bridge up again", 4)) == ["conflict"]
    assert texts(store) == {"1": "Bridge down", "2": "Fire"}


def test_the_words_of_an_earlier_version_are_found_no_more(store: Store) -> None:
    outcomes(store, post("1", "Mill road flooded"))
    outcomes(store, post("1", "Station road flooded", 1))
    assert [row.text for row in store.posts.find(PostFilter(words="road")).rows] == ["Station road flooded"]
    assert store.posts.find(PostFilter(words="mill")).rows == ()


def test_of_versions_in_one_call_the_latest_counts(store: Store) -> None:
    assert outcomes(store, post("1", "a"), post("1", "c", 3), post("1", "b", 2)) == [
        "created",
        "same",
        "conflict",
    ]
    assert texts(store) == {"1": "c"}
    assert outcomes(store, post("1", "e", 9), post("1", "d", 8)) == ["replaced", "conflict"]
    assert texts(store) == {"1": "e"}


def test_versions_know_no_time_zone(store: Store) -> None:
    early = NewPost(external_id="1", text="b", edited_at=datetime(2026, 11, 20, 12, 30))
    outcomes(store, post("1", "a", 5))
    assert outcomes(store, early) == ["replaced"]


def test_what_people_said_outlasts_a_version_of_who_may_not_take_it_out(store: Store) -> None:
    outcomes(store, post("1", "Bridge up"), post("2", "Fire"))
    user = store.users.add("ann", "reviewer", actor="cli")
    for name in ("1", "2"):
        row = store.posts.by_key("m", name)
        assert row is not None
        review = store.reviews.add(row.id, user.id, verdict="label", task="damage", labels=["mild_damage"])
    # one that was undone is the past too
    store.reviews.undo(review.id, user.id)
    later = [post("1", "Bridge down", 5), post("2", "Fire is out", 5), post("3", "New", 5)]
    kept = store.posts.accept("m", later, actor="key:cl_1", keep_reviewed=True)
    assert [found.outcome for found in kept] == ["conflict", "conflict", "created"]
    assert texts(store) == {"1": "Bridge up", "2": "Fire", "3": "New"}
    assert len(store.reviews.newest(9)) == 1
    found = store.posts.accept("m", later[:1], actor="key:cl_2")
    assert found[0].outcome == "replaced"
    entry = store.audit.list(most=1)[0]
    assert (entry.actor, entry.action) == ("key:cl_2", "post.erase")


def test_of_two_who_send_later_versions_the_trail_names_each(store: Store) -> None:
    outcomes(store, post("1", "a"), post("2", "b"))
    waiting = [
        store.posts.accept_soon("m", [post(name, "later", 5)], actor=f"key:{name}") for name in ("1", "2")
    ]
    assert [each.result()[0].outcome for each in waiting] == ["replaced", "replaced"]
    assert {entry.actor for entry in store.audit.list(most=2)} == {"key:1", "key:2"}


def test_who_had_posts_taken_back_is_in_the_trail_also_where_none_was_here(store: Store) -> None:
    outcomes(store, post("1", "a"))
    assert store.erasure.at_source("m", ["1", "9"], actor="key:cl_1") == 1
    assert store.erasure.at_source("m", ["8"], actor="key:cl_1") == 0
    entries = [(entry.actor, entry.action, entry.object) for entry in store.audit.list(most=3)]
    asked = ("key:cl_1", "post.take_back", "source:m")
    assert entries == [asked, ("key:cl_1", "post.erase", "post"), asked]
    # a source that takes back what nobody kept says nothing
    assert store.erasure.at_source("m", ["7"]) == 0
    assert store.audit.list(most=1)[0].actor == "key:cl_1"


def test_what_changed_nothing_is_not_in_the_trail(store: Store) -> None:
    """A stream that sends to a service takes back thousands of posts that nobody kept."""
    outcomes(store, post("1", "a"))
    assert store.erasure.at_source("m", ["8"], authors=["ben"], remember=False, actor="key:cl_1") == 0
    assert store.audit.list(thing="source:m") == ()
    assert store.erasure.at_source("m", ["1"], remember=False, actor="key:cl_1") == 1
    assert len(store.audit.list(thing="source:m")) == 1
    # a letter that went is something
    store.dead_letters.add("m", '{"author": "ben"}', "no text")
    assert store.erasure.at_source("m", [], authors=["ben"], actor="key:cl_1") == 0
    assert len(store.audit.list(thing="source:m")) == 2


@pytest.mark.parametrize("remember", [True, False])
def test_what_a_source_takes_back_is_erased_and_refused(store: Store, remember: bool) -> None:
    outcomes(store, post("1", "a"), post("2", "b"))
    assert store.erasure.at_source("m", ["1", "9", "1"], remember=remember) == 1
    assert texts(store) == {"2": "b"}
    # what was here is refused in any case, what never was only where that is remembered
    assert outcomes(store, post("1", "a"), post("9", "z")) == ["erased", "erased" if remember else "created"]
    entry = store.audit.list(most=1)[0]
    assert (entry.actor, entry.action) == ("source:m", "post.erase")


def test_everything_of_an_author_goes_at_this_source(store: Store) -> None:
    outcomes(store, post("1", "a", author="ann"), post("2", "b", author="ben"))
    store.posts.accept("other", [post("3", "c", author="ann")])
    assert store.erasure.at_source("m", [], authors=["ann"]) == 1
    assert texts(store) == {"2": "b", "3": "c"}
    assert store.erasure.at_source("m", []) == 0
