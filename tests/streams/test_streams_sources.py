"""Sources: every line once, in order, through rotation, truncation and restarts."""

import io
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import InputError
from crisislens.data.lines import MAX_LINE
from crisislens.store import Store
from crisislens.store.records import NewPost, PostFilter, Unread
from crisislens.streams import Pump, StoreTarget, StreamOptions, open_source
from crisislens.streams.folder import FolderSource
from crisislens.streams.pipe import PipeSource
from crisislens.streams.pump import Tally
from crisislens.streams.rows import RowMaker
from crisislens.streams.tail import FileSource


def lines(*numbers: int) -> str:
    return "".join(json.dumps({"id": i, "text": f"water rises at house {i}"}) + "\n" for i in numbers)


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def follow(store: Store, path: Path, batch: int = 3) -> Tally:
    """One start of the command that ends at the file's end, as after a kill."""
    source = FileSource(path, "file", RowMaker(), batch=batch, once=True)
    return Pump(source, StoreTarget(store)).run()


def ids(store: Store) -> list[str]:
    """In the order in which they came in."""
    return [row.external_id for row in sorted(store.posts.stream(PostFilter()), key=lambda row: row.id)]


def test_a_growing_file_is_read_on(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    append(path, lines(*range(7)))
    assert follow(store, path).created == 7
    append(path, lines(7, 8))
    tally = follow(store, path)
    # what was taken is not even read again
    assert (tally.created, tally.same) == (2, 0)
    assert ids(store) == [str(i) for i in range(9)]


def test_a_line_without_its_end_waits(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    append(path, lines(1) + lines(2)[:-10])
    source = FileSource(path, "file", RowMaker())
    [batch] = source.look(None)
    assert [post.external_id for post in batch.posts] == ["1"]
    append(path, lines(2)[-10:])
    [batch] = source.look(batch.cursor)
    assert [post.external_id for post in batch.posts] == ["2"]
    assert list(source.look(batch.cursor)) == []


@pytest.mark.parametrize("rotations", [1, 3])
def test_rotation_while_nobody_watched(store: Store, tmp_path: Path, rotations: int) -> None:
    path = tmp_path / "posts.jsonl"
    append(path, lines(0, 1))
    follow(store, path)
    number = 2
    for i in range(rotations):
        append(path, lines(number))
        older = tmp_path / f"posts.jsonl.{rotations - i}"
        path.rename(older)
        os.utime(older, (1_000 + i, 1_000 + i))
        append(path, lines(number + 1))
        number += 2
    assert follow(store, path).dead == 0
    assert ids(store) == [str(i) for i in range(number)]


def test_truncation_and_a_file_that_is_gone(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    append(path, lines(1, 2, 3))
    follow(store, path)
    path.write_text(lines(4), encoding="utf-8")
    assert follow(store, path).created == 1
    told: list[str] = []
    keeper = tmp_path / "other"
    # another file at the same place: the number of the old one on the disk is not used again
    path.rename(keeper)
    append(path, lines(5))
    keeper.rename(tmp_path / "kept-apart.txt")
    Pump(FileSource(path, "file", RowMaker(), once=True), StoreTarget(store), tell=told.append).run()
    assert ids(store) == ["1", "2", "3", "4", "5"]
    assert any("rotated" in said for said in told)


def test_a_file_that_was_cut_and_begins_as_before_loses_nothing(store: Store, tmp_path: Path) -> None:
    """Lines without ids are known by their place, which is there again with another line."""
    path, first = tmp_path / "posts.jsonl", '{"text": "the radio is on"}\n'
    append(path, first + '{"text": "water at house 1"}\n{"text": "water at house 2"}\n')
    assert follow(store, path).created == 3
    path.write_text(first + '{"text": "water at house 3"}\n', encoding="utf-8")
    assert follow(store, path).created == 1
    # read twice without its place being kept, it is one post
    [again] = FileSource(path, "file", RowMaker(), once=True).look(None)
    assert StoreTarget(store).take(FileSource(path, "file", RowMaker()), again).created == 0
    texts = [row.text for row in store.posts.stream(PostFilter())]
    assert sorted(texts) == ["the radio is on", *(f"water at house {i}" for i in (1, 2, 3))]


def test_a_file_that_is_rotated_before_its_first_line_was_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.touch()
    assert follow(store, path).created == 0
    append(path, lines(1, 2))
    path.rename(tmp_path / "posts.jsonl.1")
    append(path, lines(3))
    assert follow(store, path).created == 3
    assert ids(store) == ["1", "2", "3"]


def test_an_endless_line_costs_itself(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    append(path, lines(1) + "x" * (2 * MAX_LINE + 77) + "\n" + lines(2))
    assert follow(store, path).dead == 1
    assert ids(store) == ["1", "2"]
    assert len(store.dead_letters.list()[0].raw) == 65_536


BAD = {
    "nonsense": "not JSON",
    "[1]": "JSON list",
    '"x"': "JSON str",
    '{"id": 1}': "nothing in it serves as the text",
    '{"id": 1, "text": ""}': "no text",
    '{"id": 1, "text": {"a": 1}}': "expected a string",
    json.dumps({"id": 1, "text": "x" * 10_001}): "10,001 characters",
    json.dumps({"id": "x" * 201, "text": "x"}): "at most 200",
}


@pytest.mark.parametrize("line", BAD, ids=range(len(BAD)))
def test_what_is_no_post_says_why(line: str) -> None:
    [found] = RowMaker().line(line, "made")
    assert isinstance(found, Unread)
    assert BAD[line] in found.reason
    assert found.raw == line


def test_rows_keep_what_they_hold() -> None:
    row = {"tweetText": "Agua 🌊", "lat": "18.2", "lng": -66.5, "username": "ann", "url": "https://x.org/1"}
    [found] = RowMaker().line(json.dumps(row), "line-1")
    assert isinstance(found, NewPost)
    assert (found.external_id, found.text, found.lat, found.lon) == ("line-1", "Agua 🌊", 18.2, -66.5)
    assert (found.author, found.url) == ("ann", "https://x.org/1")
    [mapped] = RowMaker({"text": "said"}).line('{"id": 7, "said": "boat", "text": "no"}', "x")
    assert isinstance(mapped, NewPost)
    assert (mapped.external_id, mapped.text) == ("7", "boat")


def test_a_page_of_posts_in_a_line() -> None:
    page = {"data": [{"id": "1", "text": "a fire"}, {"id": "2", "text": "a flood"}]}
    assert [each.external_id for each in RowMaker().line(json.dumps(page), "x")] == ["1", "2"]  # type: ignore[union-attr]


def test_a_pipe(store: Store) -> None:
    given = lines(1, 2) + "no\n" + '{"text": "twice the same"}\n' * 2 + lines(3).rstrip("\n")
    tally = Pump(
        PipeSource(io.BytesIO(given.encode()).readline, "pipe", RowMaker()), StoreTarget(store)
    ).run()
    assert (tally.created, tally.same, tally.dead) == (4, 1, 1)
    assert [name for name in ids(store) if not name.startswith("line-")] == ["1", "2", "3"]


def test_a_folder_of_tables(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("id,text\n1,water\n2,food\n,nothing\n")
    (folder / "b.jsonl").write_text('{"text": "no id"}\n')
    (folder / "c.xlsx").write_bytes(b"no workbook")
    (folder / ".half.csv").write_text("id,text\n9,not finished\n")
    (folder / "notes.md").write_text("nothing of ours")
    (folder / "link.csv").symlink_to(folder / "a.csv")

    def take() -> Tally:
        source = FolderSource(folder, "folder", batch=1, once=True, settled_s=0.0)
        return Pump(source, StoreTarget(store)).run()

    assert (take().created, len(store.dead_letters.list())) == (4, 1)
    # what has no id of its own is named by its file, too: the next file has such a row as well
    assert sorted(ids(store)) == ["1", "2", "a.csv#row-000002", "b.jsonl#row-000000"]
    assert take().said() == "0 posts taken"
    (folder / "d.csv").write_text("id,text\n2,other\n3,boat\n")
    assert take().said() == ("1 posts taken, 1 have an id that is taken by another content, 1 dead letters")


def test_a_file_of_a_folder_goes_on_in_the_middle(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n" + "".join(f"{i},text {i}\n" for i in range(10)))
    source = FolderSource(tmp_path, "folder", batch=4, settled_s=0.0)
    first = next(iter(source.look(None)))
    rest = [post.external_id for batch in source.look(first.cursor) for post in batch.posts]
    assert rest == [str(i) for i in range(4, 10)]


def test_a_file_that_still_changes_waits(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,water\n")
    source = FolderSource(tmp_path, "folder", once=True, settled_s=60.0)
    assert (list(source.look(None)), source.ended()) == ([], False)
    long_ago = time.time() - 100
    os.utime(tmp_path / "a.csv", (long_ago, long_ago))
    assert len(list(source.look(None))) == 1
    assert source.ended()


WRONG = {
    "https://example.org/feed": "say what it is, as in rss:https",
    "rss:example.org": "starts with https://",
    "telex:topic": "no source is called 'telex'",
    "nowhere/": "no folder",
    "nowhere/posts.jsonl": "no file",
    "posts.csv": "only JSON lines",
    "posts.jsonl.gz": "only JSON lines",
}


@pytest.mark.parametrize("given", WRONG)
def test_wrong_sources_are_one_sentence(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        open_source(given, StreamOptions())
    assert WRONG[given] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", range(4))
def test_any_growing_rotating_and_restarting_is_set_equality(store: Store, tmp_path: Path, seed: int) -> None:
    """Restarts from the stored cursor at random batches, with rotation and half lines in between."""
    rng, path = random.Random(seed), tmp_path / "posts.jsonl"
    written, rest, rotated = 0, "", 0
    target: Any = StoreTarget(store)
    while written < 120:
        text = rest + lines(*range(written, written := written + rng.randint(1, 9)))
        cut = len(text) - rng.choice((0, 0, 5))
        append(path, text[:cut])
        rest = text[cut:]
        source = FileSource(path, "file", RowMaker(), batch=rng.randint(1, 5))
        for batch in source.look(target.cursor(source)):
            if rng.random() < 0.3:
                break
            target.take(source, batch)
        if not rest and rng.random() < 0.2:
            rotated += 1
            path.rename(tmp_path / f"posts.jsonl.{rotated}")
            os.utime(tmp_path / f"posts.jsonl.{rotated}", (rotated, rotated))
    append(path, rest)
    follow(store, path)
    assert ids(store) == [str(i) for i in range(written)]
    assert store.dead_letters.list() == ()
