"""A post is taken in once, whole, and in order."""

import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError, StoreError, StoreFullError
from crisislens.store import Store
from crisislens.store.accept import post_digest
from crisislens.store.records import NewPost, Photo, PostFilter
from store_posts import new


def test_a_post_comes_back_as_it_was_sent(store: Store) -> None:
    posted = datetime(2026, 9, 20, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    sent = NewPost(
        external_id="7",
        text="Puente caído 🌊\nagua",
        url="https://example.org/7",
        author="ann",
        created_at=posted,
        lang="es",
        lat=18.2,
        lon=-66.5,
        event="flood",
    )
    [accepted] = store.posts.accept("radio", [sent], kind="rss")
    assert (accepted.outcome, accepted.state) == ("created", "queued")
    row = store.posts.get(accepted.id or 0)
    for name in ("external_id", "text", "url", "author", "lang", "lat", "lon", "event"):
        assert getattr(row, name) == getattr(sent, name)
    assert row.created_at == posted
    assert row.created_at.tzinfo == UTC
    assert row.at == posted
    assert (row.source, row.model, row.answers) == ("radio", None, {})
    [source] = store.sources.all()
    assert (source.name, source.kind, source.posts) == ("radio", "rss", 1)


def test_the_same_key_again(store: Store) -> None:
    first = store.posts.accept("api", [new(1, "water")])
    again = store.posts.accept("api", [new(1, "water"), new(1, "food"), new(2, "food")])
    assert [a.outcome for a in again] == ["same", "conflict", "created"]
    assert again[0].id == again[1].id == first[0].id
    assert store.posts.get(first[0].id or 0).text == "water"
    # of another source it is another post
    assert store.posts.accept("sms", [new(1, "food")])[0].outcome == "created"
    assert store.queue.depth().queued == 3


def test_one_call_may_send_a_key_twice(store: Store) -> None:
    sent = store.posts.accept("api", [new(1, "water"), new(1, "water"), new(1, "food")])
    assert [a.outcome for a in sent] == ["created", "same", "conflict"]
    assert store.queue.depth().queued == 1


DIGESTS = [
    {"text": "other"},
    {"url": "https://x"},
    {"author": "bob"},
    {"lang": "es"},
    {"lat": 1.0},
    {"event": "quake"},
    {"created_at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"photos": (Photo(sha256="0" * 64, origin="1" * 64),)},
]


@pytest.mark.parametrize("change", DIGESTS, ids=lambda change: next(iter(change)))
def test_any_other_content_is_a_conflict(change: dict[str, object]) -> None:
    assert post_digest(new(1)) != post_digest(new(1).model_copy(update=change))


def test_a_time_is_the_same_in_any_zone() -> None:
    here = datetime(2026, 9, 20, 12, 0, tzinfo=timezone(timedelta(hours=2)))
    there = datetime(2026, 9, 20, 10, 0)
    assert post_digest(new(1, created_at=here)) == post_digest(new(1, created_at=there))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_any_text_and_id_survive(store: Store, text: str, name: str) -> None:
    """NUL and halves of characters become U+FFFD, everything else is kept; sent again, it is the same."""
    post = NewPost.model_construct(external_id=name, text=text, photos=(), remarks=())
    post = NewPost.model_construct(**{**new(1).model_dump(), "external_id": name, "text": text})
    [accepted] = store.posts.accept("any", [post])
    assert accepted.outcome in ("created", "same", "conflict")
    row = store.posts.get(accepted.id or 0)
    whole = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if accepted.outcome == "created":
        assert row.text == whole
        assert store.posts.accept("any", [post])[0].outcome == "same"


def test_nothing_is_taken_when_the_queue_is_full(opened: object) -> None:
    store = opened(most_queued=3)  # type: ignore[operator]
    store.posts.accept("api", [new(1), new(2)])
    with pytest.raises(StoreFullError, match="come again") as refused:
        store.posts.accept("api", [new(3), new(4)])
    assert (refused.value.status, refused.value.retry_after_s) == (429, 30)
    assert store.queue.depth().queued == 2
    assert store.posts.accept("api", [new(3)])[0].outcome == "created"


def test_nothing_is_taken_when_the_disk_is_nearly_full(opened: object) -> None:
    store = opened(least_free_bytes=10**18)  # type: ignore[operator]
    with pytest.raises(StoreFullError, match="free on the disk") as refused:
        store.posts.accept("api", [new(1)])
    assert refused.value.status == 507


def test_too_many_at_once(store: Store) -> None:
    with pytest.raises(InputError, match="501 posts came at once"):
        store.posts.accept("api", [new(i) for i in range(501)])


def test_the_cursor_goes_with_the_posts(store: Store) -> None:
    store.posts.accept("feed", [new(1)], cursor="17")
    store.posts.accept("feed", [], cursor="18")
    source = store.sources.by_name("feed")
    assert source is not None
    assert (source.cursor, source.posts) == ("18", 1)


def test_many_callers_share_a_transaction_and_each_hears_its_own(store: Store) -> None:
    """One of them is wrong and costs the others nothing."""
    waiting = [store.posts.accept_soon("api", [new(f"{i}-{j}") for j in range(3)]) for i in range(40)]
    wrong = store.posts.accept_soon("api", [new(i) for i in range(600)])
    numbers = [a.id for future in waiting for a in future.result(timeout=30)]
    assert len(set(numbers)) == 120
    assert numbers == sorted(numbers, key=lambda number: number or 0)
    with pytest.raises(InputError):
        wrong.result(timeout=5)
    rows = list(store.posts.stream(PostFilter()))
    assert {row.external_id for row in rows} == {f"{i}-{j}" for i in range(40) for j in range(3)}


def test_threads_that_send_the_same_posts_make_each_once(store: Store) -> None:
    outcomes: list[str] = []

    def send() -> None:
        for i in range(20):
            outcomes.extend(a.outcome for a in store.posts.accept("api", [new(i)]))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("created") == 20
    assert outcomes.count("same") == 60


def test_events_tell_of_each_post_in_order(store: Store) -> None:
    store.posts.accept("api", [new(i) for i in range(5)])
    events = store.events.after(0, kinds=["post.accepted"])
    assert [event.post_id for event in events] == sorted(event.post_id or 0 for event in events)
    assert len(events) == 5
    assert store.events.wait(0, timeout_s=0)
    assert not store.events.wait(store.events.last(), timeout_s=0.01)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.posts.accept("api", [new(1)])
    # and its callers do not wait for ever
    assert store.posts.accept_soon("api", [new(2)]).exception(timeout=1) is not None


def test_a_post_without_a_time_is_ordered_by_when_it_came(store: Store, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    [accepted] = store.posts.accept("api", [new(1)])
    row = store.posts.get(accepted.id or 0)
    assert row.created_at is None
    assert before <= row.at <= datetime.now(UTC)
