"""Retention: what is older than asked for goes, to the second, and nothing else."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from test_store_erasure import jpeg

from crisislens.core.errors import NotFoundError
from crisislens.store import Store
from crisislens.store.models import Media, Post
from crisislens.store.records import PostFilter, Swept
from crisislens.store.upkeep import check
from store_posts import fill, new

DAY = timedelta(days=1)


def aged(store: Store, post_id: int, days: float) -> datetime:
    """Has a post have been received so long ago; when that was."""
    received = datetime.now(UTC) - timedelta(days=days)
    moved = update(Post).where(Post.id == post_id).values(received_at=received)
    store.database.write(lambda tx: tx.connection.execute(moved).rowcount)
    return store.posts.get(post_id).received_at


def test_the_age_counts_from_when_it_was_received_to_the_microsecond(store: Store) -> None:
    old_news = datetime.now(UTC) - timedelta(days=500)
    [number] = fill(store, new(1, created_at=old_news))
    received = store.posts.get(number).received_at
    assert store.retention.run(keep_days=90, now=received + 90 * DAY).posts == 0
    just_over = received + 90 * DAY + timedelta(microseconds=1)
    assert store.retention.run(keep_days=90, now=just_over).posts == 1
    with pytest.raises(NotFoundError):
        store.posts.get(number)


def test_only_what_is_old_goes(store: Store) -> None:
    old, young, older = fill(store, new(1), new(2), new(3))
    aged(store, old, 40)
    aged(store, older, 400)
    before = store.events.last()
    trial = store.retention.run(keep_days=30, trial=True)
    assert trial == Swept(posts=2)
    # a trial counts and writes nothing
    assert store.events.last() == before
    assert store.audit.list() == ()
    assert store.retention.run(keep_days=365, actor="user:ann").posts == 1
    assert store.retention.run(keep_days=30, actor="user:ann").posts == 1
    assert [row.id for row in store.posts.stream(PostFilter())] == [young]
    entries = store.audit.list(thing="post")
    assert [entry.actor for entry in entries] == ["user:ann", "user:ann"]
    assert [(entry.after or {})["reason"] for entry in entries] == [
        "older than 30 days",
        "older than 365 days",
    ]
    assert store.posts.accept("api", [new(1), new(3)])[0].outcome == "erased"
    assert check(store) == []


def test_photos_go_before_their_posts_and_a_shared_one_with_the_last(store: Store) -> None:
    shared, own = store.blobs.keep(jpeg()), store.blobs.keep(jpeg((5, 5, 200)))
    assert shared.sha256
    assert own.sha256
    old, young = fill(store, new(1, photos=(shared, own)), new(2, photos=(shared,)))
    aged(store, old, 40)
    # the young post still shows the shared one, so only the other is taken off the disk
    assert store.retention.run(keep_days=90, media_days=30).photos == 1
    assert store.blobs.names() == {shared.sha256}
    assert [photo.state for photo in store.posts.get(old).photos] == ["gone", "gone"]
    assert [photo.state for photo in store.posts.get(young).photos] == ["stored"]
    # marked as gone, they are not counted again
    assert store.retention.run(keep_days=90, media_days=30, trial=True) == Swept()
    aged(store, young, 31)
    assert store.retention.run(keep_days=90, media_days=30).photos == 1
    assert store.blobs.names() == set()
    assert store.posts.count(PostFilter(has_photo=True)) == 2
    assert check(store) == []


def test_without_a_limit_for_photos_they_stay_with_their_posts(store: Store) -> None:
    photo = store.blobs.keep(jpeg())
    [old] = fill(store, new(1, photos=(photo,)))
    aged(store, old, 80)
    assert store.retention.run(keep_days=90) == Swept()
    assert store.blobs.names() == {photo.sha256}


def test_events_and_sessions_that_are_over_go_and_others_stay(store: Store) -> None:
    ann = store.users.add("ann", "viewer", actor="cli")
    short, _ = store.sessions.start(ann.id, hours=1)
    long, _ = store.sessions.start(ann.id, hours=24 * 30)
    link = store.sessions.link(ann.id, minutes=5)
    fill(store, new(1))
    happened = len(store.events.after(0))
    tomorrow = datetime.now(UTC) + DAY
    swept = store.retention.run(keep_days=90, now=tomorrow)
    assert (swept.events, swept.sessions) == (0, 2)
    assert store.sessions.check(long) is not None
    assert store.sessions.check(short) is None
    assert store.sessions.redeem(link) is None
    in_spring = datetime.now(UTC) + 100 * DAY
    swept = store.retention.run(keep_days=90, now=in_spring)
    # the erasure of the post is an event too, and as old by then
    assert (swept.posts, swept.events, swept.sessions) == (1, happened - 2 + 1, 1)


def test_dead_letters_go_when_posts_of_their_age_do(store: Store) -> None:
    store.dead_letters.add("radio", "help, the bridge is gone", "no JSON")
    received = store.dead_letters.list()[0].at
    store.retention.run(keep_days=90, now=received + 90 * DAY)
    assert len(store.dead_letters.list()) == 1
    store.retention.run(keep_days=90, now=received + 90 * DAY + timedelta(microseconds=1))
    assert store.dead_letters.list() == ()


def test_erasing_goes_in_steps_and_takes_everything(quick: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from crisislens.store import erasure

    monkeypatch.setattr(erasure, "_STEP", 3)
    photo = quick.blobs.keep(jpeg())
    numbers = fill(quick, *(new(i, photos=(photo,)) for i in range(8)))
    swept = quick.erasure.posts([*numbers, *numbers, 999], actor="cli")
    assert (swept.posts, swept.photos) == (8, 1)
    assert len(quick.audit.list(thing="post")) == 3
    assert [event.post_id for event in quick.events.after(0, kinds=["post.erased"])] == numbers
    with quick.database.read() as connection:
        assert connection.execute(Media.__table__.select()).all() == []
    assert quick.erasure.posts([], actor="cli") == Swept()
    assert quick.erasure.posts(numbers, actor="cli") == Swept()
    assert len(quick.audit.list(thing="post")) == 3


def test_a_reason_is_cut_and_an_unknown_author_has_nothing(quick: Store) -> None:
    [number] = fill(quick, new(1, author="ann"))
    assert quick.erasure.author("nobody", actor="cli") == Swept()
    quick.erasure.posts([number], actor="cli", reason="x" * 500)
    [entry] = quick.audit.list(thing="post")
    assert entry.after is not None
    assert len(entry.after["reason"]) == 200


def test_an_erased_key_of_one_source_is_free_in_another(store: Store) -> None:
    fill(store, new(1), source="radio")
    fill(store, new(1), source="sms")
    assert store.erasure.key("radio", "1", actor="cli")
    assert store.posts.by_key("radio", "1") is None
    assert store.posts.by_key("sms", "1") is not None
    outcomes = [store.posts.accept(name, [new(1)])[0].outcome for name in ("radio", "sms", "tv")]
    assert outcomes == ["erased", "same", "created"]
