"""Mastodon against a server that misbehaves: nothing lost, nothing twice, edits and deletions obeyed."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard, RefusedError
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import NewPost, Unread
from crisislens.streams import Filters, Pump, StoreTarget
from crisislens.streams.mastodon import MastodonSource, Timeline, _before
from crisislens.streams.mastodon_posts import status_post
from crisislens.streams.tokens import Token
from stream_fakes import FakeMastodon, Faults, send, stopping
from stream_oracle import kept, pumping, until

CALM = Faults(0, 0, 0, 0, 0, 0, 0)


def source(fake: FakeMastodon, **more: Any) -> MastodonSource:
    timeline = Timeline(f"http://{fake.host}", "flood")
    guard = Guard(allow_private={fake.host}, seconds=30.0)
    return MastodonSource(timeline, "m", **{"guard": guard, "every_s": 0.2, **more})


@pytest.mark.parametrize("seed", range(2))
def test_whatever_the_server_does_the_posts_are_those_that_stand(store: Store, seed: int) -> None:
    with stopping(FakeMastodon(seed)) as fake:
        fake.publish(30)
        with pumping(source(fake), store):
            assert fake.listened_to()
            for _ in range(25):
                fake.publish(4)
                until(lambda: False, 0.02)
            assert until(lambda: kept(store, "m") == fake.truth)
    assert len(fake.truth) > 80


def test_a_gap_while_nobody_listened_is_filled(store: Store) -> None:
    with stopping(FakeMastodon(5, CALM)) as fake:
        fake.publish(10)
        Pump(source(fake, once=True), StoreTarget(store)).run()
        assert len(kept(store, "m")) == 10
        fake.publish(130)
        tally = Pump(source(fake, once=True), StoreTarget(store)).run()
        assert kept(store, "m") == fake.truth
        # pages begin a while before the last one known
        assert tally.same > 0
        assert list(kept(store, "m")) == sorted(fake.truth, key=int)


def test_a_token_goes_to_its_server_alone(store: Store) -> None:
    with stopping(FakeMastodon(5, CALM)) as fake, stopping(FakeMastodon(6, CALM)) as other:
        fake.publish(3)

        def elsewhere(request: Any, path: str, query: Any) -> None:
            if path == "/api/v2/instance":
                where = {"configuration": {"urls": {"streaming": f"ws://localhost:{other.port}"}}}
                return fake.send_json(request, where)
            return FakeMastodon.answer(fake, request, path, query)

        fake.answer = elsewhere  # type: ignore[method-assign]
        guard = Guard(allow_private={fake.host, f"localhost:{other.port}"})
        with pumping(source(fake, guard=guard, token=Token("s3cret")), store) as run:
            assert until(lambda: len(kept(store, "m")) == 3 and other.listening > 0)
        assert all(head["authorization"] == "Bearer s3cret" for _, head in fake.seen)
        assert other.seen
        assert all("authorization" not in head for _, head in other.seen)
    assert "s3cret" not in repr((run.told, run.pump._source._token, store.sources.all()))  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_nobody_may_listen_pages_are_enough(store: Store, status: int) -> None:
    with stopping(FakeMastodon(5, Faults(0, 0, 0, 0, 0, 0, 0))) as fake:
        fake.publish(4)

        def deaf(request: Any) -> None:
            request.send_error(status)

        fake._stream = deaf  # type: ignore[method-assign]
        with pumping(source(fake), store) as run:
            assert until(lambda: len(kept(store, "m")) == 4)
            fake.publish(4)
            assert until(lambda: kept(store, "m") == fake.truth)
    assert any("lets nobody listen" in said and "--token-file" in said for said in run.told)


def test_an_edit_that_is_no_longer_wanted_takes_its_post_away(store: Store) -> None:
    with stopping(FakeMastodon(7, CALM)) as fake:
        fake.publish(8)
        filters = Filters(keep=("rises",))
        with pumping(source(fake), store, filters=filters):
            assert fake.listened_to()
            assert until(lambda: len(kept(store, "m")) == 8)
            fake.change()
            wanted = {name: text for name, text in fake.truth.items() if "rises" in text}
            assert until(lambda: kept(store, "m") == wanted)


STATUS = {
    "id": "112233445566778899",
    "content": "<p>Bridge <script>x()</script>down</p>",
    "visibility": "public",
    "spoiler_text": "flood",
    "language": "en",
    "created_at": "2026-11-20T10:00:00.000Z",
    "edited_at": None,
    "url": "https://m.example/@a/1",
    "account": {"acct": "a"},
    "poll": {"options": [{"title": "north"}, {"title": "south"}]},
    "media_attachments": [{"type": "image", "url": "https://m.example/p.jpg"}, {"type": "video", "url": "x"}],
}


def test_a_status_becomes_a_post() -> None:
    post = status_post(STATUS, "m.example")
    assert isinstance(post, NewPost)
    assert post.text == "flood\nBridge down\nnorth\nsouth"
    assert (post.author, post.lang, post.created_at) == (
        "@a@m.example",
        "en",
        datetime(2026, 11, 20, 10, tzinfo=UTC),
    )
    assert [(photo.url, photo.state) for photo in post.photos] == [("https://m.example/p.jpg", "pending")]


HOSTILE: list[tuple[dict[str, Any], type | None]] = [
    ({"visibility": "private"}, type(None)),
    ({"visibility": "direct"}, type(None)),
    ({"reblog": {"id": "1"}}, type(None)),
    ({"id": None}, Unread),
    ({"id": "../1"}, Unread),
    ({"content": "", "spoiler_text": "", "poll": None, "media_attachments": "no"}, Unread),
    ({"content": 7}, NewPost),
    ({"created_at": "9999-12-31T23:59:59-12:00", "edited_at": "never"}, NewPost),
    ({"account": None, "url": "javascript:x", "language": 3, "poll": []}, NewPost),
    ({"media_attachments": [None, {"type": "image", "url": 7}]}, NewPost),
]


@pytest.mark.parametrize(("change", "becomes"), HOSTILE)
def test_a_hostile_status_is_no_crash(change: dict[str, Any], becomes: type) -> None:
    assert isinstance(status_post({**STATUS, **change}, "m.example"), becomes)


@pytest.mark.parametrize(
    "given", ["m.example", "m.example/x", "/#flood", "m.example/#", "ftp://m/#a", "m.example/#a b"]
)
def test_wrong_timelines_are_one_sentence(given: str) -> None:
    with pytest.raises(InputError, match="no timeline"):
        Timeline.read(given)


def test_a_while_before() -> None:
    now = 112233445566778899
    assert (now - int(_before(str(now)))) >> 16 == 600_000
    assert _before("9xAbC") == "9xAbC"
    assert _before("77") == "77"


def test_only_the_guarded_client_is_used(store: Store) -> None:
    """A server of one's own network is not asked unless it is named."""
    with stopping(FakeMastodon(5, CALM)) as fake:
        refused = source(fake, guard=Guard())
        with pytest.raises(RefusedError):
            list(refused.look(None))
        assert fake.seen == []
        # nor is another server that this one names
        moved = {"configuration": {"urls": {"streaming": "ws://169.254.169.254"}}}
        fake.answer = lambda request, *_: fake.send_json(request, moved)  # type: ignore[method-assign]
        batch = next(iter(source(fake).look(None)))
        assert "lets nobody listen" in (batch.note or "")


def test_an_endless_page_is_asked_for_once_more_and_no_oftener() -> None:
    page = [{**STATUS, "id": "5"}]
    with stopping(FakeMastodon(5, CALM)) as fake:
        fake.answer = lambda request, *_: fake.send_json(request, page)  # type: ignore[method-assign]
        assert len(list(source(fake, once=True).look({"id": "4"}))) == 2
        assert len(fake.seen) == 2
        fake.answer = lambda request, *_: fake.send_json(request, {"error": json.dumps("x")})  # type: ignore[method-assign]
        with pytest.raises(RequestError, match="no list"):
            list(source(fake, once=True).look(None))


def test_a_page_that_fails_behind_others_is_asked_for_again_soon(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopping(FakeMastodon(5, CALM)) as fake:
        fake.publish(10)
        Pump(source(fake, once=True), StoreTarget(store)).run()
        fake.publish(200)
        there = source(fake, once=True)
        cursor = StoreTarget(store).cursor(there)
        fails = iter([False, True, True, False, True])

        def misbehaves(request: Any) -> bool:
            if not next(fails, False):
                return False
            send(request, 500, b"no", "text/plain")
            return True

        monkeypatch.setattr(fake, "misbehaves", misbehaves)
        waits: list[float | None] = []
        for _ in range(4):
            try:
                for _batch in there.look(cursor):
                    pass
            except RequestError as error:
                waits.append(error.wait_s)
        # soon behind a page that came; as the pump has it where none came in between
        assert waits == [2.0, None, 2.0]
        asked = [path for path, _ in fake.seen if "min_id" in path]
        # it goes on at the page that failed, and not from the start
        assert asked[1] == asked[2] == asked[3]
        assert there.ended()
