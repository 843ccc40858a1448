"""Chunk files: a bad, foreign or outdated one is made anew, never taken."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image
from run_cases import Shout, line

from crisislens.core.errors import RunError
from crisislens.domain.post import ImageRef, Post
from crisislens.runs.chunk_files import ChunkFiles
from crisislens.runs.engine import run_step
from crisislens.runs.executor import Here
from crisislens.runs.files import writing
from crisislens.runs.pictures import picture_marks
from crisislens.runs.work import MARKER, WorkFolder

POSTS = [Post(id=str(i), text=f"post {i}", image=ImageRef(path=f"p{i}.png")) for i in range(6)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    root.mkdir()
    for i in range(5):
        Image.new("RGB", (4, 4), (i, 0, 0)).save(root / f"p{i}.png")
    return root


def start(place: Path, photos: Path, posts: list[Post] = POSTS) -> tuple[int, list[str]]:
    """Runs over the posts; gives the rows that were taken over, and the lines."""
    ledger: ChunkFiles[dict[str, object]] = ChunkFiles(
        place,
        line=line,
        side=lambda records: repr([r["id"] for r in records]).encode(),
        marks=lambda chunk: picture_marks(chunk, photos),
    )
    count = run_step(posts, Shout(), ledger, executor=Here(), chunk_posts=2)
    assert len(ledger.sides()) == 3
    return count.resumed, [record.line for record in ledger.records(json.loads)]


DAMAGES = {
    "cut": lambda data: data[:-5],
    "flipped": lambda data: data.replace(b"POST", b"POSE", 1),
    "empty": lambda _: b"",
    "header only": lambda data: data.split(b"\n")[0] + b"\n",
    "no header": lambda data: data.partition(b"\n")[2],
    "a line more": lambda data: data + b'A{"id": "9"}\n',
    "a list": lambda _: b"[]\n",
    "another form": lambda data: data.replace(b'"body"', b'"text"', 1),
    "not text": lambda _: b"\xff\xfe\x00",
}


@pytest.mark.parametrize("suffix", ["jsonl", "side"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_file_is_made_anew(damage: str, suffix: str, place: Path, photos: Path) -> None:
    _, before = start(place, photos)
    assert start(place, photos) == (6, before)
    path = place / f"000001.{suffix}"
    data = path.read_bytes()
    changed = DAMAGES[damage](data)
    path.write_bytes(changed)
    resumed, after = start(place, photos)
    assert after == before
    assert resumed == (6 if changed == data else 4)
    assert path.read_bytes() == data
    path.unlink()
    assert start(place, photos) == (4, before)


def test_a_chunk_of_other_rows_is_not_taken(place: Path, photos: Path) -> None:
    _, before = start(place, photos)
    assert start(place, photos, POSTS[:5])[0] == 4
    assert start(place, photos) == (4, before)


@pytest.mark.parametrize("change", ["another time", "another size", "gone", "arrived"])
def test_a_picture_that_was_replaced_redoes_its_chunk(change: str, place: Path, photos: Path) -> None:
    start(place, photos)
    if change == "another time":
        os.utime(photos / "p0.png", ns=(1, 1))
    elif change == "another size":
        found = (photos / "p0.png").stat()
        Image.new("RGB", (90, 4)).save(photos / "p0.png")
        os.utime(photos / "p0.png", ns=(found.st_atime_ns, found.st_mtime_ns))
    elif change == "gone":
        (photos / "p0.png").unlink()
    else:
        Image.new("RGB", (4, 4)).save(photos / "p5.png")
    assert start(place, photos)[0] == 4
    assert start(place, photos)[0] == 6


def test_only_what_we_marked_is_removed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "0123456789abcdef").mkdir(parents=True)
    (mine / "0123456789abcdef" / "thesis.tex").write_text("x")
    work = WorkFolder(mine)
    assert (work.ours, work.taken) == (False, True)
    work.clear()
    assert (mine / "0123456789abcdef" / "thesis.tex").read_text() == "x"

    ours = WorkFolder(tmp_path / "ours")
    ours.make()
    assert (ours.ours, (ours.path / MARKER).is_file()) == (True, True)
    (ours.path / "0123456789abcdef").mkdir()
    (ours.path / "notes.txt").write_text("somebody put it here")
    ours.clear()
    assert [path.name for path in ours.path.iterdir()] == ["notes.txt"]


def test_a_link_to_a_folder_is_nobodys_work(tmp_path: Path) -> None:
    real = WorkFolder(tmp_path / "real")
    real.make()
    link = tmp_path / "work"
    link.symlink_to(real.path)
    assert (WorkFolder(link).ours, WorkFolder(link).taken) == (False, True)
    WorkFolder(link).clear()
    assert real.ours


def test_a_full_disk_says_so_and_where(tmp_path: Path) -> None:
    sentence = rf"the disk that holds {tmp_path} is full .* start the same command"
    with pytest.raises(RunError, match=sentence), writing(tmp_path):
        raise OSError(28, "No space left on device")
    with pytest.raises(PermissionError), writing(tmp_path):
        raise PermissionError(13, "Permission denied")
