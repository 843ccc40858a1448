"""Jetstream against a server that misbehaves: set equality, order of each account, deletions obeyed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("websockets", reason="the extra streams is not installed")

from crisislens.core.errors import InputError
from crisislens.core.guarded import Guard, RefusedError
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import NewPost, Unread
from crisislens.streams import Filters
from crisislens.streams.jetstream import JetstreamSource, _refused, _start
from crisislens.streams.jetstream_events import BACK_EVENTS, HeardEvents
from crisislens.streams.jetstream_posts import record_post
from stream_fakes import FakeJetstream, Faults, stopping
from stream_oracle import kept, pumping, until

CALM = Faults(0, 0, 0, 0, 0, 0, 0)


def source(fake: FakeJetstream, **more: Any) -> JetstreamSource:
    guard = Guard(allow_private={fake.host}, seconds=30.0)
    return JetstreamSource(f"ws://{fake.host}", "j", **{"guard": guard, "batch": 50, **more})


@pytest.mark.parametrize("seed", range(2))
def test_whatever_the_server_does_the_posts_are_those_that_stand(store: Store, seed: int) -> None:
    with stopping(FakeJetstream(seed)) as fake:
        for _ in range(3):
            # each is a start after a kill
            with pumping(source(fake), store):
                assert until(lambda: bool(fake.asked))
                until(lambda: False, 0.1)
                for _ in range(5):
                    fake.publish(40)
                    until(lambda: False, 0.02)
                until(lambda: kept(store, "j") == fake.truth, 5.0)
        with pumping(source(fake), store):
            assert until(lambda: kept(store, "j") == fake.truth)
        there = kept(store, "j")
    for names in fake.by_account.values():
        edited = [name for name in names if there.get(name, "").startswith("create")]
        assert [name for name in there if name in set(edited)] == edited
    assert len(there) > 300


def test_deletions_of_what_nobody_kept_leave_no_trace(store: Store) -> None:
    with stopping(FakeJetstream(3, CALM)) as fake:
        with pumping(source(fake), store, filters=Filters(keep=("update",))):
            assert until(lambda: bool(fake.asked))
            until(lambda: False, 0.2)
            fake.publish(300)
            wanted = {name: text for name, text in fake.truth.items() if text.startswith("update")}
            assert until(lambda: kept(store, "j") == wanted)
        cursor = json.loads(store.sources.all()[0].cursor or "")
    assert (cursor["seq"], cursor["host"]) == (300, f"ws://{fake.host}")


def event(**change: Any) -> dict[str, Any]:
    record = {
        "text": "The bridge is down",
        "createdAt": "2026-11-20T10:00:00Z",
        "langs": ["en"],
        "embed": {"images": [{"image": {"ref": {"$link": "bafk1"}}, "alt": "x"}]},
    }
    base = {"did": "did:plc:a", "collection": "app.bsky.feed.post", "rkey": "3k1", "operation": "create"}
    return {**base, "seq": 7, "witnessedAt": "2026-11-20T10:00:01.5Z", "record": record, **change}


def test_a_record_becomes_a_post() -> None:
    post = record_post(event())
    assert isinstance(post, NewPost)
    assert post.external_id == "at://did:plc:a/app.bsky.feed.post/3k1"
    assert (post.text, post.lang, post.author, post.edited_at) == (
        "The bridge is down",
        "en",
        "did:plc:a",
        None,
    )
    assert post.url == "https://bsky.app/profile/did:plc:a/post/3k1"
    assert [photo.url for photo in post.photos] == [
        "https://cdn.bsky.app/img/feed_fullsize/plain/did:plc:a/bafk1@jpeg"
    ]
    assert record_post(event(operation="update")).edited_at is not None  # type: ignore[union-attr]


HOSTILE: list[dict[str, Any]] = [
    {"did": None},
    {"did": "did:plc:a/../x"},
    {"rkey": ""},
    {"record": None},
    {"record": {"text": 7}},
    {"record": {"text": " ", "embed": {"images": "no"}}},
    {"record": {"text": "", "embed": {"images": [{"image": {"ref": {"$link": "../../x"}}}]}}},
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_hostile_record_is_a_dead_letter(change: dict[str, Any]) -> None:
    assert isinstance(record_post(event(**change)), Unread)


@pytest.mark.parametrize("created", ["0000-01-01T00:00:00Z", "9999-12-31T23:59:59-12:00", "soon", 7, None])
def test_any_year_may_stand_in_a_record(created: object) -> None:
    post = record_post(event(record={"text": "x", "createdAt": created}))
    assert isinstance(post, NewPost)
    assert post.created_at is None


def told(kind: str, **change: Any) -> str:
    payload = {**event(**change), "$type": f"x#{kind}"}
    return json.dumps({"$type": "message", "payload": payload})


@pytest.mark.parametrize(
    "end",
    [
        told("commit", seq=8, operation="delete"),
        told("account", seq=8, account={"active": False, "status": "deleted"}),
    ],
    ids=["post", "account"],
)
def test_what_comes_again_does_not_bring_back_what_was_taken_back(end: str) -> None:
    """The connection broke after the post came again, and before its end did."""
    first = HeardEvents("ws://h", None)
    for message in (told("commit"), end):
        first.message(message)
    cursor = first.batch().cursor
    assert cursor is not None
    again = HeardEvents("ws://h", json.loads(json.dumps(cursor)))
    again.message(told("commit"))
    assert again.batch().posts == ()
    # written anew under the same key
    again.message(told("commit", seq=9))
    assert len(again.batch().posts) == 1
    # another server counts for itself
    other = HeardEvents("ws://other", cursor)
    other.message(told("commit"))
    assert len(other.batch().posts) == 1


def test_the_cursor_forgets_what_does_not_come_again() -> None:
    heard = HeardEvents("ws://h", None)
    heard.message(told("commit", seq=8, operation="delete"))
    heard.message(told("commit", seq=8 + BACK_EVENTS, rkey="3k2"))
    cursor = heard.batch().cursor
    assert cursor is not None
    assert "ended" not in cursor


FRAMES: list[tuple[Any, str | None]] = [
    ({"$type": "error", "error": "ConsumerTooSlow"}, "ended: 'ConsumerTooSlow'"),
    ({"$type": "message"}, None),
    ({"$type": "other", "payload": {}}, None),
    ([], None),
    ({"$type": "message", "payload": {"$type": "x#commit", "seq": "7"}}, None),
    ({"$type": "message", "payload": {"$type": "x#account", "seq": 7, "account": None}}, None),
    ({"$type": "message", "payload": {"$type": "x#later", "seq": 7}}, None),
]


@pytest.mark.parametrize(("frame", "problem"), FRAMES)
def test_frames(frame: Any, problem: str | None) -> None:
    heard = HeardEvents("ws://h", None)
    assert heard.message(json.dumps(frame)) == problem
    assert heard.batch().posts == ()


def test_a_notice_is_passed_on() -> None:
    heard = HeardEvents("ws://h", None)
    info = {"$type": "x#info", "name": "OutdatedCursor"}
    assert heard.message(json.dumps({"$type": "message", "payload": info})) is None
    assert "posts may be missing" in (heard.batch().note or "")


def test_where_one_goes_on() -> None:
    cursor = {"host": "ws://a", "seq": 9_000, "us": 1_790_000_000_000_000}
    assert _start("ws://a", None) is None
    assert _start("ws://a", cursor) == 8_980
    # numbers are each server's own
    assert _start("ws://b", cursor) == 1_790_000_000_000_000 - 10_000_000
    assert _start("ws://b", {"host": "ws://a", "seq": 9}) is None


class Answer:
    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status_code, self.body, self.headers = status, body, headers


def test_refusals_say_whether_to_come_again() -> None:
    busy = Answer(429)
    busy.headers = {"Retry-After": "7"}
    found = _refused("ws://a", busy)
    assert (found.transient, found.wait_s) == (True, 7.0)
    old = _refused("ws://a", Answer(400, b'{"error": "CursorTooOld"}'))
    assert (old.transient, "--name" in str(old)) == (False, True)
    assert not _refused("ws://a", Answer(404)).transient


@pytest.mark.parametrize("given", ["http://a", "wss://a/path", "wss://", "wss://a?x=1"])
def test_wrong_servers_are_one_sentence(given: str) -> None:
    with pytest.raises(InputError, match="no server"):
        JetstreamSource(given, "j")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "169.254.169.254", "[64:ff9b::7f00:1]", "metadata.lan"]
)
def test_only_the_guarded_client_is_used(host: str) -> None:
    guard = Guard(resolve=lambda *_: ["10.0.0.1"])
    with pytest.raises(RefusedError):
        list(JetstreamSource(f"wss://{host}", "j", guard=guard).look(None))


def test_nobody_there_is_asked_again() -> None:
    def closed() -> Iterator[str]:
        import socket

        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            yield f"127.0.0.1:{held.getsockname()[1]}"

    for host in closed():
        with pytest.raises(RequestError) as caught:
            list(JetstreamSource(f"ws://{host}", "j", guard=Guard(allow_private={host})).look(None))
        assert caught.value.transient
