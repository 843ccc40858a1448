"""Pictures by address: behind the text, guarded, and missing with a reason where they cannot be had."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crisislens.core.errors import StoreError
from crisislens.core.guarded import Guard
from crisislens.core.http import Response
from crisislens.store import Store
from crisislens.store.records import NewPost, Photo
from crisislens.streams import Batch, ServiceTarget, StoreTarget
from crisislens.streams.media_fetch import MediaFetcher
from crisislens.streams.pictures import without_pictures
from stream_fakes import Faults, Web, send, stopping
from stream_oracle import until


class Pictures(Web):
    """Pictures and what only claims to be one."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}
        super().__init__(0, Faults())

    def answer(self, request: Any, path: str, query: Any) -> None:
        self.asked[path] = self.asked.get(path, 0) + 1
        if path == "/good.png" or (path == "/busy.png" and self.asked[path] > 1):
            send(request, 200, png(), "image/png")
        elif path == "/busy.png":
            send(request, 429, b"", "text/plain", {"Retry-After": "0"})
        elif path == "/page.png":
            send(request, 200, b"<html>", "text/html")
        elif path == "/lie.png":
            send(request, 200, b"no picture", "image/png")
        elif path == "/inside.png":
            send(request, 302, b"", "text/plain", {"Location": "http://169.254.169.254/x.png"})
        elif path == "/large.png":
            send(request, 200, b"x" * 200_000, "image/png")
        elif path == "/short.png":
            send(request, 200, png()[:20], "image/png", {"Content-Length": "99999"})
        else:
            send(request, 404, b"", "text/plain")


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (20, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def fetcher(store: Store, fake: Web, **more: Any) -> MediaFetcher:
    guard = Guard(allow_private={fake.host}, seconds=20.0, most_bytes=100_000)
    return MediaFetcher(store, "s", **{"guard": guard, **more})


def accept(store: Store, *urls: str) -> None:
    posts = [NewPost(external_id=url, text="x", photos=(Photo(url=url, state="pending"),)) for url in urls]
    store.posts.accept("s", posts)


def photo_of(store: Store, url: str) -> Photo:
    row = store.posts.by_key("s", url)
    assert row is not None
    return row.photos[0]


OUTCOMES = {
    "good.png": ("stored", None),
    "busy.png": ("stored", None),
    "none.png": ("missing", "answered 404"),
    "page.png": ("missing", "expected image/jpeg"),
    "inside.png": ("missing", "link-local"),
    "large.png": ("missing", "more than 100,000 bytes"),
    "lie.png": ("refused", "not used"),
    "short.png": ("missing", "cut its answer off"),
}


def test_each_picture_is_there_or_says_why_not(store: Store) -> None:
    with stopping(Pictures()) as fake, ThreadPoolExecutor(3) as pool:
        urls = {f"http://{fake.host}/{name}": outcome for name, outcome in OUTCOMES.items()}
        urls["http://10.0.0.1/x.png"] = ("missing", "private")
        accept(store, *urls)
        reader = fetcher(store, fake)
        for _ in range(4):
            reader.round(pool)
            reader._later.clear()
        for url, (state, reason) in urls.items():
            photo = photo_of(store, url)
            assert photo.state == state
            assert (reason or "") in (photo.reason or "")
            assert photo.url == url
        assert store.pictures.waiting("s") == ()
        assert fake.asked["/short.png"] == 3
        # only from hosts that were named
        accept(store, f"http://{fake.host}/good.png?2")
        fetcher(store, fake, hosts=["pictures.example"]).round(pool)
        assert "none of those" in (photo_of(store, f"http://{fake.host}/good.png?2").reason or "")


def test_a_round_fetches_all_that_waits(store: Store) -> None:
    with stopping(Pictures()) as fake, ThreadPoolExecutor(2) as pool:
        urls = [f"http://{fake.host}/good.png?{i}" for i in range(12)]
        accept(store, *urls)
        assert fetcher(store, fake).round(pool)
        assert {photo_of(store, url).state for url in urls} == {"stored"}


def test_a_disk_that_is_full_for_a_while_loses_no_picture(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(data: bytes) -> Photo:
        raise OSError(28, "No space left on device")

    with stopping(Pictures()) as fake:
        url = f"http://{fake.host}/good.png"
        accept(store, url)
        reader = fetcher(store, fake)
        with monkeypatch.context() as patched:
            patched.setattr(store.blobs, "keep", full)
            patched.setattr("crisislens.streams.media_fetch._LOOK_EVERY_S", 0.02)
            reader.start()
            assert until(lambda: bool(reader._later))
            assert until(lambda: "No space left" in caplog.text)
            assert reader._thread.is_alive()
            assert photo_of(store, url).state == "pending"
        # its server is not asked at every look meanwhile
        assert fake.asked["/good.png"] == 1
        reader._later.clear()
        assert until(lambda: photo_of(store, url).state == "stored")
        reader.stop()


def test_a_store_whose_files_cannot_be_read_does_not_end_the_fetcher(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def fails(*_: Any, **__: Any) -> None:
        looked.append(1)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store.pictures, "waiting", fails)
    monkeypatch.setattr("crisislens.streams.media_fetch._LOOK_EVERY_S", 0.02)
    reader = MediaFetcher(store, "s", guard=Guard())
    reader.start()
    assert until(lambda: len(looked) > 1)
    reader.stop()


def test_a_picture_that_came_along_waits_for_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(data: bytes) -> Photo:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.blobs, "keep", full)
    batch = Batch((NewPost(external_id="1", text="a"),), pictures={"1": (png,)})
    with pytest.raises(StoreError, match="No space left"):
        StoreTarget(store).take(Listening(), batch)


def test_the_text_is_first_and_the_post_comes_back_for_its_picture(store: Store) -> None:
    accept(store, "u")
    [waiting] = store.pictures.waiting("s")
    [job] = store.queue.claim("w")
    assert job.post.image is None
    kept = store.blobs.keep(png())
    # a worker has it: it would not see the picture
    assert not store.pictures.found(waiting.id, kept)
    store.queue.release("w", begun=())
    assert store.pictures.found(waiting.id, kept)
    [job] = store.queue.claim("w")
    assert job.post.image is not None
    # a second process finds nothing to do
    assert store.pictures.found(waiting.id, Photo(state="missing", reason="x"))
    assert photo_of(store, "u").state == "stored"


def test_a_post_that_was_erased_meanwhile(store: Store) -> None:
    accept(store, "u")
    [waiting] = store.pictures.waiting("s")
    store.erasure.key("s", "u", actor="test")
    assert store.pictures.found(waiting.id, Photo(state="missing", reason="x"))


def test_pictures_are_fetched_only_where_that_was_asked_for() -> None:
    pending = Photo(url="http://x.example/1.png", state="pending")
    batch = Batch(
        (
            NewPost(external_id="1", text="a", photos=(pending,)),
            NewPost(external_id="2", text="", photos=(pending,)),
            NewPost(external_id="3", text="c"),
        )
    )
    left = without_pictures(batch)
    assert [(post.external_id, post.photos) for post in left.posts] == [("1", ()), ("3", ())]
    assert "not fetched" in left.posts[0].remarks[0]
    assert "not fetched" in left.dead[0].reason


class Listening:
    kind, name, every_s, edits = "x", "s", 0.0, False

    def look(self, cursor: Any) -> Any: ...

    def ended(self) -> bool:
        return True


@pytest.mark.parametrize("refused", [False, True])
def test_to_a_service_pictures_go_with_the_post(tmp_path: Path, refused: bool) -> None:
    asked: list[tuple[Any, dict[str, str]]] = []

    def ask(url: str, *, body: Any, headers: dict[str, str]) -> Response:
        asked.append((body, headers))
        return Response({"created": True}, 0.0)

    target = ServiceTarget("http://127.0.0.1:1", "k", tmp_path, ask=ask)
    with stopping(Pictures()) as fake:
        url = f"http://{fake.host}/{'none' if refused else 'good'}.png"
        named = (Photo(url=url, state="pending"),)
        posts = (
            NewPost(external_id="1", text="a"),
            NewPost(external_id="2", text="a", photos=named),
            NewPost(external_id="3", text="a"),
        )
        target.fetch_pictures(Listening(), Guard(allow_private={fake.host}))
        taken = target.take(Listening(), Batch(posts, pictures={"3": (png,)}))
    assert taken.created == 3
    kinds = [headers.get("Content-Type", "json").partition(";")[0] for _, headers in asked]
    assert kinds == ["json", "json" if refused else "multipart/form-data", "multipart/form-data"]
    assert png() in asked[-1][0]
