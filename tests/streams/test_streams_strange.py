"""One item of a strange shape costs itself, whichever source it comes from, and never the stream."""

import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import CrisisLensError
from crisislens.core.http_answers import RequestError
from crisislens.data import cells
from crisislens.store.records import NewPost, Unread
from crisislens.streams import StreamOptions, open_source
from crisislens.streams import feed as feed_module
from crisislens.streams import rows as rows_module
from crisislens.streams.forms import KoboSource, OdkSource
from crisislens.streams.jetstream_events import HeardEvents
from crisislens.streams.maildir import message_post
from crisislens.streams.mastodon import MastodonSource, Timeline
from crisislens.streams.mastodon_posts import status_post
from crisislens.streams.rows import RowMaker
from crisislens.streams.strange import read_one

HALF = "\ud83d"
"""Half of an emoji, as a text has it that was cut in the middle."""


def frame(**change: Any) -> str:
    record = {"text": "The bridge is down", **change.pop("record", {})}
    commit = {"did": "did:plc:a", "collection": "app.bsky.feed.post", "rkey": "3k1", "operation": "create"}
    payload = {"$type": "x#commit", "seq": 7, "record": record, **commit, **change}
    return json.dumps({"$type": "message", "payload": payload})


def test_what_cannot_be_read_is_a_letter() -> None:
    found = read_one({"a": HALF}, lambda: dict[str, int]()["missing"])
    assert isinstance(found, Unread)
    assert "a shape that nobody expected (KeyError)" in found.reason
    assert isinstance(read_one(f"x{HALF}", lambda: 1 // 0), Unread)
    with pytest.raises(RequestError):
        read_one("x", lambda: (_ for _ in ()).throw(RequestError("gone")))


def test_a_letter_is_whole_and_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TypeError("unhashable type: 'list'")

    line = json.dumps({"id": "7", "need": "water " * 1_600, "text": "water"})
    row = {"id": "7", "text": "water", "items": [{"text": "a boat"}], "at": {1, 2}}
    with monkeypatch.context() as patched:
        patched.setattr(rows_module, "RowReader", fails)
        [found] = RowMaker().line(line, "x")
    for letter in (found, read_one(row, lambda: 1 // 0)):
        assert isinstance(letter, Unread)
        [post] = RowMaker().line(letter.raw, "x")
        assert isinstance(post, NewPost)
        assert (post.external_id, post.text) == ("7", "water")
    # what JSON cannot say is told in another way
    circle: dict[Any, Any] = {(1, 2): "a key that is none"}
    circle["itself"] = circle
    letter = read_one(circle, lambda: 1 // 0)
    assert isinstance(letter, Unread)
    assert "a key that is none" in letter.raw


def test_an_entry_of_a_feed_is_replayed() -> None:
    feedparser = pytest.importorskip("feedparser")
    entry = (
        "<entry><id>e7</id><title>Flood</title><summary>water</summary>"
        "<updated>2026-11-20T10:00:00Z</updated></entry>"
    )
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>{entry}</feed>'
    letter = read_one(feedparser.parse(feed).entries[0], lambda: 1 // 0)
    assert isinstance(letter, Unread)
    [post] = RowMaker().line(letter.raw, "x")
    assert isinstance(post, NewPost)
    assert post.external_id == "e7"


@pytest.mark.parametrize("reference", [None, "bafk1", [], 7])
def test_a_picture_without_a_reference_leaves_the_post(reference: object) -> None:
    heard = HeardEvents("ws://h", None)
    embed = {"images": [{"image": {"ref": reference}}]}
    assert heard.message(frame(record={"embed": embed})) is None
    assert [post.text for post in heard.batch().posts] == ["The bridge is down"]


STRANGE_FRAMES = [
    frame(did=f"did:plc:{HALF}"),
    frame(rkey=f"3k{HALF}"),
    frame(operation="delete", rkey=HALF),
    json.dumps(
        {
            "$type": "message",
            "payload": {
                "$type": "x#account",
                "seq": 7,
                "did": "did:plc:a",
                "account": {"active": False, "status": []},
            },
        }
    ),
]


@pytest.mark.parametrize("message", STRANGE_FRAMES, ids=range(len(STRANGE_FRAMES)))
def test_a_strange_frame_does_not_end_the_stream(message: str) -> None:
    heard = HeardEvents("ws://h", None)
    assert heard.message(message) is None
    assert heard.message(frame(seq=8, rkey="3k2")) is None
    batch = heard.batch()
    assert len(batch.posts) == 1
    assert batch.gone == ()


def test_a_fault_of_our_own_in_an_event_is_a_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(event: object) -> None:
        raise AttributeError("'str' object has no attribute 'get'")

    monkeypatch.setattr("crisislens.streams.jetstream_events.record_post", fails)
    heard = HeardEvents("ws://h", None)
    assert heard.message(frame()) is None
    [letter] = heard.batch().dead
    assert "AttributeError" in letter.reason
    # replayed it is the post that the network and its author can take back
    [post] = RowMaker().line(letter.raw, "x")
    assert isinstance(post, NewPost)
    assert (post.external_id, post.author) == ("at://did:plc:a/app.bsky.feed.post/3k1", "did:plc:a")
    assert post.text == "The bridge is down"


@pytest.mark.parametrize(
    ("change", "becomes"),
    [
        ({"poll": {"options": 5}}, NewPost),
        ({"visibility": []}, type(None)),
        ({"visibility": None}, type(None)),
    ],
)
def test_a_strange_status(change: dict[str, Any], becomes: type) -> None:
    assert isinstance(status_post({"id": "7", "content": "water", **change}, "m.example"), becomes)


@pytest.mark.parametrize(
    "said",
    [{"configuration": None}, {"configuration": {"urls": {"streaming": "wss://[bad"}}}, [], {"urls": 7}],
)
def test_a_server_that_says_nothing_of_its_events_is_asked_itself(
    monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    source = MastodonSource(Timeline.read("m.example/#x"), "m")
    monkeypatch.setattr(source, "_asked", lambda url: said)
    assert source._events_at() == ("https://m.example", {})


@pytest.mark.parametrize("page", [{"results": 5, "value": 5}, {"results": "no", "value": {"a": 1}}])
def test_answers_that_are_no_list_are_asked_for_again(monkeypatch: pytest.MonkeyPatch, page: Any) -> None:
    for source in (
        KoboSource("https://f.example", "aX1", "f"),
        OdkSource("https://f.example", "3", "f", "f"),
    ):
        monkeypatch.setattr(source, "_asked", lambda url: page)
        with pytest.raises(RequestError, match="no list of answers") as caught:
            list(source.look(None))
        assert caught.value.transient


def test_a_strange_answer_costs_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    system = {"submissionDate": "2026-11-20T10:00:00Z"}
    good = {"__id": "uuid:1", "__system": system, "need": "water"}
    place = {"type": "Point", "coordinates": 7}
    rows = [
        {**good, "place": place},
        {**good, "__id": HALF},
        {**good, "__id": "uuid:2", "pic": f"{HALF}.jpg"},
    ]
    source = OdkSource("https://f.example", "3", "f", "f", columns={"text": "need"})
    monkeypatch.setattr(source, "_asked", lambda url: {"value": rows})
    [batch] = source.look(None)
    assert [(post.external_id, post.lat) for post in batch.posts] == [("uuid:1", None), ("uuid:2", None)]
    assert len(batch.dead) == 1
    # a page that leads nowhere is tried again
    monkeypatch.setattr(source, "_asked", lambda url: {"value": rows, "@odata.nextLink": "//[bad"})
    with pytest.raises(RequestError, match="no address"):
        list(source.look(None))
    # and such an address of a picture gets no token
    assert source.headers_for("https://[bad/p.jpg") == {}


def test_a_strange_row_and_a_strange_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TypeError("unhashable type: 'list'")

    monkeypatch.setattr(rows_module, "RowReader", fails)
    [found] = RowMaker().line('{"id": 1, "text": "water"}', "x")
    assert isinstance(found, Unread)
    assert (found.raw, "TypeError" in found.reason) == ('{"id": 1, "text": "water"}', True)
    entry = {"title": "Flood", "where": {"type": "Point", "coordinates": 7}}
    post = feed_module._post(entry, None)
    assert isinstance(post, NewPost)
    assert (post.lat, post.lon) == (None, None)


def test_half_an_emoji_costs_itself_and_not_the_post() -> None:
    row = {"id": "1", "text": f"water {HALF}", "author": f"Ann {HALF}", "url": f"https://x.org/{HALF}"}
    [post] = RowMaker().line(json.dumps(row), "x")
    assert isinstance(post, NewPost)
    whole = cells.valid_unicode(HALF)
    assert (post.text, post.author, post.url) == (f"water {whole}", f"Ann {whole}", f"https://x.org/{whole}")
    status = {
        "id": "7",
        "content": f"water {HALF}",
        "url": f"https://m.example/{HALF}",
        "account": {"acct": f"ann{HALF}"},
        "media_attachments": [{"type": "image", "url": f"https://m.example/{HALF}.jpg"}],
    }
    toot = status_post(status, "m.example")
    assert isinstance(toot, NewPost)
    assert (toot.text, toot.author) == (f"water {whole}", f"@ann{whole}@m.example")
    assert toot.photos[0].url == f"https://m.example/{whole}.jpg"
    heard = HeardEvents("ws://h", None)
    heard.message(frame(record={"text": f"water {HALF}"}))
    assert [post.text for post in heard.batch().posts] == [f"water {whole}"]
    kobo = KoboSource("https://f.example", "aX1", "f", columns={"text": "need"})
    file = {"download_url": f"https://f.example/{HALF}.jpg", "mimetype": "image/jpeg"}
    answer = kobo._answer({"_id": 1, "need": f"water {HALF}", "_attachments": [file]})
    assert isinstance(answer, NewPost)
    assert answer.photos[0].url == f"https://f.example/{whole}.jpg"
    # a letter is written, too
    assert isinstance(kobo._answer({"_id": 1, "other": HALF}), Unread)


def test_a_mail_whose_name_is_no_text() -> None:
    message = EmailMessage()
    message["Subject"] = "Bridge down"
    made, _ = message_post(message.as_bytes(), f"mail-{HALF}")
    assert isinstance(made, NewPost)
    assert made.external_id == f"mail-{cells.valid_unicode(HALF)}"


@pytest.mark.parametrize(
    "given",
    [
        "rss:https://[bad/feed",
        "rss:https://",
        "mastodon:[bad/#x",
        "jetstream:[bad",
        "jetstream:wss://[bad",
        "kobo:[bad/aX1",
        "odk:[bad/3/f",
    ],
)
def test_an_address_that_is_none_is_one_sentence(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CrisisLensError) as caught:
        open_source(given, StreamOptions())
    assert "\n" not in str(caught.value)
