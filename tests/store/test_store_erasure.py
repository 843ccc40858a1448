"""Erasure: a made-up secret is looked for in every file of the store afterwards."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from crisislens.core.errors import ImageError, NotFoundError
from crisislens.store import Store, erasure
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from store_posts import PONCE, assess_all, fill, new

CANARY = "zanzibarcanary"


def jpeg(color: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A photo."""
    picture = Image.new("RGB", (64, 48), color)
    picture.paste((0, 0, 0), (10, 10, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", comment=CANARY)
    return buffer.getvalue()


def content(folder: Path) -> bytes:
    """All bytes of all files of a SQLite store."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_nothing_of_an_erased_post_is_left(store: Store, tmp_path: Path) -> None:
    photo = store.blobs.keep(jpeg())
    assert photo.sha256 is not None
    ann = store.users.add("ann", "reviewer", actor="cli")
    words = f"{CANARY} the bridge in Ponce is down"
    kept, gone = fill(
        store,
        new(1, "another post about water"),
        new(2, words, author=CANARY, url=f"https://x/{CANARY}", photos=(photo,)),
        place=PONCE,
        needs=["water"],
    )
    store.posts.keep_rationale(gone, "a" * 16, f'{{"text": "{CANARY}"}}')
    store.reviews.add(gone, ann.id, verdict="unsure", task="damage", note=CANARY)
    if store.database.sqlite:
        assert CANARY.encode() in content(tmp_path)
    swept = store.erasure.posts([gone, 999], actor="user:ann", reason="asked for it")
    assert (swept.posts, swept.photos) == (1, 1)
    with pytest.raises(NotFoundError):
        store.posts.get(gone)
    assert store.posts.count(PostFilter(words=CANARY)) == 0
    with pytest.raises(NotFoundError, match="may have been erased"):
        store.blobs.read(photo.sha256)
    if store.database.sqlite:
        assert CANARY.encode() not in content(tmp_path)
    # what is left: the key, that it was erased, and the other post
    assert store.posts.accept("api", [new(2, words)])[0].outcome == "erased"
    assert [e.kind for e in store.events.after(0) if e.post_id == gone] == ["post.erased"]
    entry = store.audit.list(thing="post")[0]
    assert (entry.actor, entry.after) == (
        "user:ann",
        {"posts": 1, "ids": [gone], "reason": "asked for it"},
    )
    now = datetime.now(UTC)
    counts = store.statistics.counts(now - timedelta(hours=1), now + timedelta(hours=1))
    assert counts.posts == 1
    assert store.posts.get(kept).place == PONCE.id
    assert check(store) == []


def test_a_photo_of_two_posts_goes_with_the_last(store: Store) -> None:
    photo = store.blobs.keep(jpeg())
    assert photo.sha256 is not None
    one, two = fill(store, new(1, photos=(photo,)), new(2, photos=(photo,)))
    assert store.erasure.posts([one], actor="cli").photos == 0
    assert store.blobs.read(photo.sha256)
    assert store.erasure.posts([two], actor="cli").photos == 1


def test_erasing_by_key_and_by_author(store: Store) -> None:
    fill(store, new(1, author="ann"), new(2, author="ann"), new(3, author="bob"), source="radio")
    assert store.erasure.key("radio", "3", actor="cli")
    assert not store.erasure.key("radio", "3", actor="cli")
    # a deletion may come before the post that it deletes
    assert not store.erasure.key("radio", "7", actor="cli")
    assert store.posts.accept("radio", [new(7)])[0].outcome == "erased"
    assert store.erasure.author("ann", actor="cli").posts == 2
    assert store.posts.count(PostFilter()) == 0


def held(store: Store) -> list[str]:
    """The dead letters, the oldest first."""
    return [letter.raw for letter in reversed(store.dead_letters.list())]


def test_dead_letters_go_with_the_post_that_they_name(store: Store, tmp_path: Path) -> None:
    """A later version of a post, which was refused, holds its author's words as the post did."""
    [number] = fill(store, new(1, author="ann"), source="radio")
    later = new(1, f"{CANARY} it was the other bridge", author="ann")
    store.posts.accept_soon("radio", [later], keep_conflicts=True).result()
    others = ['{"id": 2, "note": "1 house, id 11"}', "2\nthere is 11 here"]
    for raw in (*others, '{"row": {"id": 1}}', "1\nno text"):
        store.dead_letters.add("radio", raw, "no text")
    store.dead_letters.add("sms", '{"id": 1}', "no text")
    assert len(held(store)) == 6
    store.erasure.posts([number], actor="cli")
    assert held(store) == [*others, '{"id": 1}']
    assert store.erasure.key("sms", "1", actor="cli") is False
    assert held(store) == others
    # a post that was taken back at its source and never became one here
    assert store.erasure.at_source("radio", ["2"]) == 0
    assert held(store) == []
    if store.database.sqlite:
        assert CANARY.encode() not in content(tmp_path)


def test_dead_letters_go_with_their_author(store: Store, tmp_path: Path) -> None:
    fill(store, new(1, author=f"@{CANARY}"), source="radio")
    other = "From: Cara <cara@example.org>\n\nwater please"
    for raw in (f'{{"from": "@{CANARY}", "text": ""}}', f"From: @{CANARY}\n\nwater", other):
        store.dead_letters.add("mail", raw, "no text")
    assert store.erasure.author(f"@{CANARY}", actor="cli").posts == 1
    assert held(store) == [other]
    assert store.erasure.author("Cara <cara@example.org>", actor="cli").posts == 0
    assert held(store) == []
    if store.database.sqlite:
        # the audit trail has no name, and the files have none either
        assert CANARY.encode() not in content(tmp_path)


def test_letters_that_have_nothing_to_do_with_the_post_stay(store: Store) -> None:
    """A count is no id, and nor is a number or a short word in a text that is not JSON."""
    numbers = fill(store, new(7), new("flood"), new(1234567), source="radio")
    others = [
        '{"id": 8, "people": 7, "tags": ["flood"], "phone": 1234567}',
        '[{"valid": 7, "place": {"name": "7"}}]',
        "{'id': '999', 'replies_count': 7, 'content': 'a flood'}",
        "a flood; call 1234567",
        "7 people\nare here",
    ]
    named = ['{"meta/instanceID": "flood"}', '[{"Tweet ID": 7}]', '{"post": {"_id": 1234567}}', "7"]
    for raw in (*others, *named):
        store.dead_letters.add("radio", raw, "no text")
    assert store.erasure.posts(numbers, actor="cli").posts == 3
    assert held(store) == others


def test_a_name_that_can_be_nothing_else_is_found_anywhere(store: Store) -> None:
    """Also where JSON wrote it in another way, and where many are looked for at once."""
    author, link = "Éva Kovács", "at://did:plc:abc/app.bsky.feed.post/3k"
    raws = [json.dumps({"by": author}), f"> {author}: water", f'{{"reply": "{link}"}}', f"'{link}' is odd"]
    for names in ([author, link], [author, link, *(f"{link}{i}" for i in range(60))]):
        for raw in (*raws, json.dumps({"by": f"{author}n"}), f"'{link}x' is odd"):
            store.dead_letters.add("radio", raw, "no text")
        store.erasure.at_source("radio", names)
        assert len(held(store)) == 2
        for letter in store.dead_letters.list():
            store.dead_letters.remove(letter.id, actor="cli")


def test_letters_are_looked_through_once_a_call(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(_connection: object, source: int, names: Sequence[str]) -> list[int]:
        looks.append(len(names))
        return []

    monkeypatch.setattr(erasure, "letters_naming", look)
    numbers = fill(store, *(new(i, author="ann") for i in range(450)), source="radio")
    assert store.erasure.posts(numbers[:420], actor="cli").posts == 420
    assert store.erasure.key("radio", "430", actor="cli")
    assert store.erasure.at_source("radio", ["431", "nobody's"], remember=False) == 1
    assert looks == [420, 1, 1]
    # these have an age of their own
    later = datetime.now(UTC) + timedelta(days=9)
    assert store.retention.run(keep_days=1, now=later).posts == 28
    assert looks == [420, 1, 1]


def test_an_edit_leaves_the_dead_letters(store: Store) -> None:
    """The later version takes the place of the earlier one, and nobody asked to forget."""
    store.dead_letters.add("radio", '{"id": 1, "text": ""}', "no text")
    fill(store, new(1, edited_at=datetime(2026, 9, 20, 10, tzinfo=UTC)), source="radio")
    edited = new(1, "it was the other bridge", edited_at=datetime(2026, 9, 20, 11, tzinfo=UTC))
    [accepted] = store.posts.accept("radio", [edited])
    assert accepted.outcome == "replaced"
    assert len(held(store)) == 1


def test_an_erased_leader_leaves_its_cluster_whole(store: Store) -> None:
    texts = ["the bridge on mill road is gone and we need boats now please help"] * 4
    numbers = fill(store, *(new(i, text) for i, text in enumerate(texts)))
    cluster = store.posts.get(numbers[0]).cluster_id
    assert cluster is not None
    store.erasure.posts(numbers[:2], actor="cli")
    assert store.clusters.get(cluster).size == 2
    assert [store.posts.get(n).lead for n in numbers[2:]] == [True, False]
    # and what comes later is still found to be like it
    [late] = fill(store, new("late", texts[0]))
    assert store.posts.get(late).cluster_id == cluster
    store.erasure.posts([numbers[2], late], actor="cli")
    last = store.posts.get(numbers[3])
    assert (last.cluster_id, last.lead) == (None, True)
    assert check(store) == []


def test_retention_takes_posts_photos_events_and_sessions(store: Store) -> None:
    photo = store.blobs.keep(jpeg())
    old, new_one = fill(store, new(1, photos=(photo,)), new(2))
    ann = store.users.add("ann", "viewer", actor="cli")
    store.sessions.start(ann.id, hours=1)
    later = datetime.now(UTC) + timedelta(days=40)
    trial = store.retention.run(keep_days=90, media_days=30, now=later, trial=True)
    assert (trial.posts, trial.photos) == (0, 1)
    assert store.retention.run(keep_days=90, media_days=30, now=later).photos == 1
    [left] = store.posts.get(old).photos
    assert (left.state, left.sha256, left.reason) == ("gone", None, "its time was over")
    much_later = datetime.now(UTC) + timedelta(days=100)
    swept = store.retention.run(keep_days=90, now=much_later)
    assert swept.posts == 2
    assert store.posts.count(PostFilter()) == 0
    assert store.posts.accept("api", [new(2)])[0].outcome == "erased"
    assert new_one
    assert store.audit.broken_at() is None


def test_a_photo_is_encoded_anew_and_what_was_hidden_in_it_is_gone(store: Store, tmp_path: Path) -> None:
    photo = store.blobs.keep(jpeg())
    assert photo.sha256 is not None
    assert (photo.width, photo.height) == (64, 48)
    again = store.blobs.keep(jpeg())
    assert again == photo
    data = store.blobs.read(photo.sha256)
    assert len(data) == photo.size
    assert CANARY.encode() not in data
    assert Image.open(io.BytesIO(data)).format == "JPEG"
    assert store.blobs.names() == {photo.sha256}
    for name in ("../../etc/passwd", photo.sha256.upper(), "x", photo.sha256[:-1]):
        with pytest.raises(NotFoundError):
            store.blobs.read(name)


BOMBS = [(b"", "empty"), (b"GIF89a", "truncated"), (b"<script>", "unknown_format"), (b"\xff\xd8\xff", "")]


@pytest.mark.parametrize(("data", "reason"), BOMBS)
def test_what_is_no_photo_is_refused_with_a_reason(store: Store, data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as refused:
        store.blobs.keep(data)
    assert refused.value.reason == reason or not reason
    assert store.blobs.names() == set()


def test_the_queue_goes_on_after_an_erasure(store: Store) -> None:
    store.posts.accept("api", [new(1), new(2)])
    first = store.posts.by_key("api", "1")
    assert first is not None
    store.erasure.posts([first.id], actor="cli")
    assert len(assess_all(store)) == 1
