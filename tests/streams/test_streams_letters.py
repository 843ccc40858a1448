"""Dead letters: each once, and of a page the part that failed; and what is taken back goes out in parts."""

import json
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.http import Response
from crisislens.store import Store
from crisislens.store.records import NewPost, Photo, PostFilter, Unread
from crisislens.streams import Batch, ServiceTarget, StoreTarget, replay, replay_to
from crisislens.streams.letters import KnownLetters
from crisislens.streams.pictures import without_pictures
from crisislens.streams.rows import RowMaker


class Pages:
    """A source that gives the same page at every look."""

    kind, name, every_s = "mastodon", "pages", 0.0

    def __init__(self, *, edits: bool = True) -> None:
        self.edits = edits

    def look(self, cursor: Any) -> Any: ...

    def ended(self) -> bool:
        return True


def to_service(folder: Path, *, seen: list[Any] | None = None) -> ServiceTarget:
    def ask(url: str, *, body: Any, headers: dict[str, str]) -> Response:
        if seen is not None:
            seen.append(body)
        return Response({"created": True, "erased": 1}, 0.0)

    return ServiceTarget("http://127.0.0.1:1", "k", folder, ask=ask)


def written(target: ServiceTarget) -> list[str]:
    lines = target.letters(Pages()).read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["raw"] for line in lines]


LETTERS = (Unread(raw="a", reason="why"), Unread(raw="b", reason="why"), Unread(raw="a", reason="why"))


def test_to_a_service_a_letter_is_buried_once(tmp_path: Path) -> None:
    target = to_service(tmp_path)
    for _ in range(3):
        target.take(Pages(), Batch(dead=LETTERS))
    assert written(target) == ["a", "b"]
    # nor after a restart, and another one is
    target = to_service(tmp_path)
    target.take(Pages(), Batch(dead=(*LETTERS, Unread(raw="c", reason="why"))))
    assert written(target) == ["a", "b", "c"]
    # what a replay could not read is put back
    assert replay_to(target, RowMaker(), source="pages").left == 3
    assert written(target) == ["a", "b", "c"]


def test_a_page_that_comes_again_buries_a_photo_without_words_once(store: Store) -> None:
    photo = Photo(url="https://m.example/p.jpg", state="pending")
    page = without_pictures(Batch((NewPost(external_id="7", photos=(photo,)),)))
    target = StoreTarget(store)
    for _ in range(3):
        target.take(Pages(), page)
    StoreTarget(store).take(Pages(), page)
    assert len(store.dead_letters.list()) == 1
    # of a file each line comes once, and two that are alike are two
    target.take(Pages(edits=False), Batch(dead=LETTERS))
    assert len(store.dead_letters.list()) == 4


def test_so_many_letters_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisislens.streams.letters._MOST", 3)
    letters = [Unread(raw=str(i), reason="why") for i in range(5)]
    known = KnownLetters(letters)
    assert known.new(letters) == letters[:2]


def test_a_letter_that_the_store_keeps_otherwise_is_buried_once(store: Store) -> None:
    letters = (
        Unread(raw="é" * 70_000, reason="r" * 600),
        Unread(raw="\U0001f30a" * 70_000, reason="why"),
        Unread(raw=f"a\0b{chr(0xD83D)}", reason="wh\0y"),
    )
    for _ in range(3):
        StoreTarget(store).take(Pages(), Batch(dead=letters))
    assert len(store.dead_letters.list()) == len(letters)


def test_all_accounts_that_are_gone_are_told(tmp_path: Path) -> None:
    seen: list[Any] = []
    gone, authors = tuple(str(i) for i in range(450)), tuple(f"did:{i}" for i in range(130))
    taken = to_service(tmp_path, seen=seen).take(Pages(), Batch(gone=gone, gone_authors=authors))
    assert [name for body in seen for name in body["ids"]] == list(gone)
    assert [name for body in seen for name in body["authors"]] == list(authors)
    assert all(len(body["authors"]) <= 100 and len(body["ids"]) <= 200 for body in seen)
    assert taken.gone == len(seen) == 3


PAGE = {"statuses": [{"text": "roof is gone"}, {"need": "water please"}, {"need": "a boat"}]}


def test_of_a_page_only_the_rows_that_failed_are_replayed(store: Store) -> None:
    found = list(RowMaker().line(json.dumps(PAGE), "line-1"))
    letters = [each for each in found if isinstance(each, Unread)]
    posts = [each for each in found if isinstance(each, NewPost)]
    assert [json.loads(letter.raw) for letter in letters] == PAGE["statuses"][1:]
    StoreTarget(store).take(Pages(edits=False), Batch(tuple(posts), tuple(letters)))
    done = replay(store, RowMaker({"text": "need"}))
    assert (done.taken, done.there, done.left) == (2, 0, 0)
    texts = [row.text for row in store.posts.stream(PostFilter())]
    assert sorted(texts) == ["a boat", "roof is gone", "water please"]


def test_a_row_of_a_page_is_replayed_as_the_one_row_that_it_is() -> None:
    row = {"id": "2", "note": "two boats", "items": [{"text": "inner one"}, {"text": "inner two"}]}
    page = {"data": [{"id": "1", "text": "roof is gone"}, row]}
    [letter] = [each for each in RowMaker().line(json.dumps(page), "x") if isinstance(each, Unread)]
    rows = RowMaker({"text": "note"})
    [post] = rows.line(letter.raw, "x")
    assert isinstance(post, NewPost)
    assert (post.external_id, post.text) == ("2", "two boats")
    # nor does it become another one when it is put back
    [again] = RowMaker().line(letter.raw, "x")
    assert again == letter
