"""The annotation page: the store, the server, and a person at the keyboard of a real browser."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest
from PIL import Image

from annotate.browsers import Browser
from crisislens.annotate.server import AnnotationServer
from crisislens.annotate.store import AnnotationStore
from crisislens.core.errors import DataError, InputError
from crisislens.data.marked_rationales import read_annotations
from crisislens.domain.post import ImageRef, Post

POSTS = [
    Post(id="1", text="🌊 Bridge is down, 5 people trapped! <b>help</b>", image=ImageRef(path="a.jpg")),
    Post(id="2", text="فيضان في المدينة"),
    Post(id="3", text="Nice sunny day", image=ImageRef(path="../secret.jpg")),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AnnotationServer]:
    Image.new("RGB", (90, 60), (200, 80, 20)).save(tmp_path / "a.jpg")
    store = AnnotationStore(tmp_path / "out.jsonl", POSTS, labels=["damage", "other"], annotator="ann")
    found = AnnotationServer(store, image_root=tmp_path)
    thread = threading.Thread(target=found.serve, daemon=True)
    thread.start()
    yield found
    found.close()
    thread.join(5)


def fetch(url: str, data: bytes | None = None, host: str | None = None) -> tuple[int, bytes, Message]:
    request = urllib.request.Request(url, data=data, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


def test_marks_are_saved_at_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    store = AnnotationStore(path, POSTS, labels=["damage"])
    store.save(0, {"words": [1, 2, 3, 6], "cells": [[0, 8], [0, 8]], "label": "damage", "done": True})
    [line] = read_annotations(path)
    assert [line.text[a:b] for a, b in line.spans] == ["Bridge is down,", "trapped!"]
    again = AnnotationStore(path, POSTS, labels=["damage"])
    shown = again.show(0)
    assert (shown["marked"], shown["cells"], shown["label"], shown["finished"]) == (
        [1, 2, 3, 6],
        [[0, 8]],
        "damage",
        True,
    )
    assert (
        "".join(x for pair in zip(shown["gaps"], [*shown["words"], ""], strict=True) for x in pair)
        == POSTS[0].text
    )
    assert again.first_open() == 1
    again.save(2, {"words": []})
    assert [row.id for row in read_annotations(path)] == ["1", "3"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"words": [99]},
        {"cells": [[9, 0]]},
        {"label": "nonsense"},
        {"words": "all"},
        {"more": 1},
        [],
        {"words": [-1]},
    ],
)
def test_marks_outside_of_a_post_are_refused(tmp_path: Path, wrong: object) -> None:
    store = AnnotationStore(tmp_path / "out.jsonl", POSTS, labels=["damage"])
    with pytest.raises(InputError):
        store.save(0, wrong)
    assert not (tmp_path / "out.jsonl").exists()


def test_a_file_of_other_posts_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "something else", "spans": []}) + "\n")
    with pytest.raises(DataError, match="another text"):
        AnnotationStore(path, POSTS)
    path.write_text("{}\n")
    with pytest.raises(DataError, match="line 1 is no annotation"):
        AnnotationStore(path, POSTS)
    with pytest.raises(InputError, match="no post to annotate"):
        AnnotationStore(tmp_path / "new.jsonl", [])


def test_the_server_answers_its_own_page_only(server: AnnotationServer) -> None:
    status, body, headers = fetch(server.url)
    assert status == 200
    assert b"Mark the evidence" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert fetch(server.url.replace(server.token, "guess"))[0] == 404
    assert fetch(server.url, host="evil.example")[0] == 404
    assert fetch(server.url + "../../etc/passwd")[0] == 404
    assert fetch(server.url + "post/17")[0] == 404
    assert fetch(server.url + "post/0", b"not json")[0] == 422
    assert fetch(server.url + "photo/1")[0] == 404
    # a path that leads out of the folder of photos
    assert fetch(server.url + "photo/2")[0] == 404
    status, body, headers = fetch(server.url + "photo/0")
    assert (status, headers["Content-Type"], body[:3]) == (200, "image/jpeg", b"\xff\xd8\xff")


@pytest.mark.browser
def test_a_person_annotates_by_keyboard(server: AnnotationServer, browser: Callable[[], Browser]) -> None:
    page = browser()
    page.open(server.url)
    page.until("document.body.dataset.ready === '0'")
    # the text is shown as text, whatever it holds
    assert page.run("document.querySelectorAll('b').length") == 0
    assert page.run("document.getElementById('words').textContent") == POSTS[0].text
    page.key("ArrowRight")
    page.key("Space")
    page.key("ArrowRight", shift=True)
    page.key("ArrowRight", shift=True)
    page.key("1")
    page.until("document.getElementById('saved').textContent.startsWith('Saved')")
    path = server.store.path
    # saved before anything was finished
    assert [row.spans for row in read_annotations(path)] == [((2, 17),)]
    page.key("Tab")
    assert page.run("document.activeElement.id") == "grid"
    page.until(
        "document.getElementById('photo').complete && document.getElementById('photo').naturalWidth === 90"
    )
    page.key("ArrowDown")
    page.key("ArrowRight")
    page.key("Space")
    page.key("Enter")
    page.until("document.body.dataset.ready === '1'")
    line = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    assert (line["label"], line["cells"], line["done"], line["annotator"]) == (
        "damage",
        [[1, 1]],
        True,
        "ann",
    )
    # right to left: the left arrow goes on
    assert page.run("document.getElementById('photo-part').hidden")
    page.key("ArrowLeft")
    page.key("Space")
    page.until("document.getElementById('saved').textContent.startsWith('Saved')")
    page.key("Enter")
    page.until("document.body.dataset.ready === '2'")
    marked = read_annotations(path)[1]
    assert [marked.text[a:b] for a, b in marked.spans] == ["في"]
    page.until("!document.getElementById('no-photo').hidden")
    page.key("p")
    page.until("document.body.dataset.ready === '1'")
    assert page.run("document.querySelectorAll('.word[aria-selected=true]').length") == 1
    page.key("c")
    page.until("document.getElementById('saved').textContent.startsWith('Saved')")
    page.open(server.url)
    # back at the first post that is not done, with its marks gone
    page.until("document.body.dataset.ready === '1'")
    assert page.run("document.querySelectorAll('.word[aria-selected=true]').length") == 0


@pytest.mark.browser
def test_a_post_whose_marks_were_not_kept_stays(
    server: AnnotationServer, browser: Callable[[], Browser]
) -> None:
    page = browser()
    page.open(server.url)
    page.until("document.body.dataset.ready === '0'")
    # the server cannot be reached for a while
    page.run(
        "window.reach = window.fetch; window.fetch = (path, how) => "
        "how.method ? Promise.reject(new Error('gone')) : window.reach(path, how); 1"
    )
    page.key("Space")
    page.until("document.getElementById('saved').textContent === 'Not saved: gone'")
    for key in ("Enter", "p"):
        page.key(key)
        # as long as it takes to open a post
        page.run("new Promise((done) => setTimeout(done, 300))")
        assert page.run("document.body.dataset.ready") == "0"
        assert page.run("document.querySelectorAll('.word[aria-selected=true]').length") == 1
    assert not server.store.path.exists()
    page.run("window.fetch = window.reach; 1")
    page.key("Enter")
    page.until("document.body.dataset.ready === '1'")
    [line] = read_annotations(server.store.path)
    assert len(line.spans) == 1


@pytest.mark.browser
def test_the_key_that_opens_the_keys_finishes_no_post(
    server: AnnotationServer, browser: Callable[[], Browser]
) -> None:
    page = browser()
    page.open(server.url)
    page.until("document.body.dataset.ready === '0'")
    page.run("document.querySelector('summary').focus()")
    page.key("Enter")
    page.until("document.querySelector('details').open")
    # as long as it takes to open a post
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert page.run("document.body.dataset.ready") == "0"
    assert not server.store.path.exists()


@pytest.mark.browser
def test_a_server_that_is_lost_on_the_way_is_told(
    server: AnnotationServer, browser: Callable[[], Browser]
) -> None:
    page = browser()
    page.open(server.url)
    page.until("document.body.dataset.ready === '0'")
    said = "document.getElementById('saved').textContent"
    page.run("window.reach = window.fetch; window.fetch = () => Promise.reject(new Error('gone')); 1")
    page.key("p")
    page.until(f"{said} === 'This page cannot reach its server: gone'")
    # a server that answers, and not with a post
    page.run("window.fetch = () => window.reach('post/99'); 1")
    page.key("p")
    page.until(f"{said}.startsWith('The server says: there is no post')")
    page.run("window.fetch = window.reach; 1")
    page.key("p")
    page.until(f"{said} === ''")
