"""The made-up crisis as a source: filled at once, never twice, and harmless where a store takes nothing."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from serve_site import Site

from crisislens.core.errors import ImageError, StoreFullError
from crisislens.demo.crisis import Told, told_posts
from crisislens.domain.post import Post
from crisislens.serve import demo_feed
from crisislens.serve.demo_feed import DemoFeed
from crisislens.store.records import PostFilter

ENTRY = next(iter(told_posts(1))).entry
START = datetime(2026, 3, 6, 8, tzinfo=UTC)


def told(number: int) -> Told:
    """A post of the crisis; no picture is drawn here."""
    made = START + timedelta(minutes=number)
    return Told(Post(id=f"d{number}", text=f"made up {number}", created_at=made), ENTRY)


@pytest.fixture(autouse=True)
def crisis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        demo_feed, "told_posts", lambda most, start=0, seed=0: iter([told(i) for i in range(start, 40)])
    )


def test_the_first_posts_end_now_and_keep_their_distances(fresh: Site) -> None:
    rest = list(DemoFeed(fresh.store, first=10).fill())
    assert [one.post.id for one in rest] == [f"d{i}" for i in range(10, 40)]
    rows = sorted(fresh.store.posts.stream(PostFilter()), key=lambda row: row.at)
    assert [row.external_id for row in rows] == [f"d{i}" for i in range(10)]
    assert abs((datetime.now(UTC) - rows[-1].at).total_seconds()) < 60
    assert rows[-1].at - rows[0].at == timedelta(minutes=9)
    assert {row.source for row in rows} <= {"radio", "volunteers", "social"}
    assert all(row.author and row.author.startswith("@resident_") for row in rows)


def test_a_second_start_goes_on_where_the_first_one_was(fresh: Site) -> None:
    list(DemoFeed(fresh.store, first=10).fill())
    list(DemoFeed(fresh.store, first=5).fill())
    ids = {row.external_id for row in fresh.store.posts.stream(PostFilter())}
    assert ids == {f"d{i}" for i in range(15)}


def test_posts_keep_coming_until_it_is_stopped(fresh: Site) -> None:
    came = threading.Event()
    fresh.store.events.on_change(lambda: came.set() if _count(fresh) > 12 else None)
    feed = DemoFeed(fresh.store, first=10, every_s=0.01)
    feed.start()
    assert came.wait(20)
    feed.stop()
    assert not feed._thread.is_alive()
    after = _count(fresh)
    assert after >= 13
    stopped = DemoFeed(fresh.store, first=5)
    stopped._stop.set()
    list(stopped.fill())
    assert _count(fresh) == after


def test_a_full_store_takes_nothing_and_nothing_breaks(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreFullError("full")

    monkeypatch.setattr(fresh.store.posts, "accept", full)
    assert len(list(DemoFeed(fresh.store, first=10).fill())) == 30
    assert _count(fresh) == 0


@pytest.mark.parametrize(
    ("error", "why"), [(ImageError("broken", "too small"), "too small"), (OSError(), "could not be read")]
)
def test_a_picture_that_cannot_be_kept_is_said(
    fresh: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def unusable(_: Told) -> bytes:
        raise error

    monkeypatch.setattr(Told, "picture", unusable)
    post = Post.model_validate({"id": "p", "text": "our street", "image": {"path": "p.jpg"}})
    [photo] = DemoFeed(fresh.store)._photos(Told(post, ENTRY))
    assert photo.state == "refused"
    assert why in (photo.reason or "")


def _count(site: Site) -> int:
    return site.store.posts.count(PostFilter(), most=1_000)
