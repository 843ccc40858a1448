"""Commands that work on posts, from their arguments to their files and their words: `features`, `knowledge`,
`caption`, `place-types`, `data check` and `models`.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_line import Command
from crisislens.cli.data import _cell, _show_counts, _show_extraction, _verdict
from crisislens.cli.models import _first_line
from crisislens.data.crisismmd import CrisisMMDCheck
from tiny_checkpoints import write_tiny_clip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three posts (a photo, a missing one, none) and a broken row."""
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    posts = [
        {"id": "1", "text": "Flood in Ponce", "image": "photos/a.png"},
        {"id": "2", "text": "Rain in Houston", "image": "photos/gone.png"},
        {"id": "3", "text": "a lovely day"},
    ]
    lines = [json.dumps(post) for post in posts]
    (tmp_path / "posts.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    (tmp_path / "broken.jsonl").write_text("{broken\n[]\n")
    return tmp_path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_features_are_encoded_once(folder: Path, crisislens: Command) -> None:
    asked = ["features", "posts.jsonl", "--out", "cache", "--encoder", "hashing"]
    done = crisislens(*asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "1 rows could not be read and are not in the cache" in done.stderr
    assert re.search(r"^3 posts in cache/[0-9a-f]{16}$", done.stdout, re.MULTILINE)
    [cache] = (folder / "cache").iterdir()
    # the manifest says anew of what it is; what costs time is not made twice
    made = [path for path in cache.rglob("*") if path.is_file() and path.name != "manifest.json"]
    assert made
    before = {path: path.stat().st_mtime_ns for path in made}
    again = crisislens(*asked, cwd=folder)
    assert again.stdout == done.stdout
    assert {path: path.stat().st_mtime_ns for path in made} == before
    # other photos are other features
    moved = crisislens(*asked, "--images", "photos", cwd=folder)
    assert moved.returncode == 0, moved.stderr


def test_a_file_without_posts_has_no_features(folder: Path, crisislens: Command) -> None:
    asked = ["features", "broken.jsonl", "--out", "cache", "--encoder", "hashing"]
    done = crisislens(*asked, cwd=folder)
    assert done.returncode == 2
    assert "broken.jsonl holds no JSON object in its first 2 lines" in done.stderr
    assert not (folder / "cache").exists()


def test_what_a_table_knows_of_the_names_in_posts(folder: Path, crisislens: Command) -> None:
    (folder / "pages.jsonl").write_text('{"title": "Ponce", "summary": "Ponce is a city."}\n')
    asked = ["knowledge", "posts.jsonl", "--backend", "table", "--set", "table=pages.jsonl"]
    done = crisislens(*asked, "--out", "known.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "1 of 3 posts name something that table pages knows" in done.stdout
    assert "1 rows could not be read and have no knowledge" in done.stderr
    found = records(folder / "known.jsonl")
    assert [record["id"] for record in found] == ["1", "2", "3"]
    assert "Ponce is a city." in found[0]["text"]
    assert found[1]["text"] == ""


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (
            ["knowledge", "posts.jsonl", "--backend", "nobody"],
            2,
            "no .*'nobody'",
        ),
        (["knowledge", "posts.jsonl", "--backend", "table", "--set", "most=0"], 2, "most"),
        (["knowledge", "posts.jsonl", "--backend", "table", "--set", "most"], 2, "KEY=VALUE"),
        (["caption", "posts.jsonl", "--backend", "nobody"], 2, "nobody"),
        (["caption", "posts.jsonl", "--backend", "table", "--max-seconds", "0"], 2, "0 leaves no time"),
        (["caption", "posts.jsonl", "--backend", "table", "--max-seconds", "-2"], 2, "-2 leaves no time"),
        (["caption", "posts.jsonl", "--backend", "table", "--prompt", "describe-v9"], 2, "describe-v9"),
        (
            ["caption", "posts.jsonl", "--backend", "table", "--images", "no"],
            2,
            "no is not a folder",
        ),
        (["features", "posts.jsonl", "--out", "c", "--images", "no"], 2, "no is not a folder"),
        (["place-types", "posts.jsonl", "--out", "p", "--images", "no"], 2, "no is not a folder"),
        (["place-types", "nowhere.jsonl", "--out", "p"], 2, r"nowhere\.jsonl"),
        (
            ["place-types", "posts.jsonl", "--out", "p"],
            4,
            "is not on this machine.* with --checkpoint.*; without CLIP, `crisislens analyze`",
        ),
        (["data", "fetch", "twitter2015"], 2, "'twitter2015' cannot be fetched; expected crisismmd"),
        (["data", "check", ".", "--dataset", "conll", "--images", "photos"], 2, "--images is of no use here"),
        (["models", "show", "nowhere"], 2, "no model named 'nowhere'"),
        (["bundle", "nowhere", "--out", "b"], 4, "nowhere holds no trained model"),
        (["extract", "posts.jsonl", "--out", "posts.jsonl"], 2, "is the file of posts; name another"),
        (["place-types", "posts.jsonl", "--out", "posts.jsonl"], 2, "is the file of posts; name another"),
        (
            ["caption", "posts.jsonl", "--backend", "weak", "--out", "posts.jsonl"],
            2,
            "is the file of posts; name another",
        ),
        (
            [
                "caption",
                "a.jsonl",
                "--backend",
                "table",
                "--set",
                "table=posts.jsonl",
                "--out",
                "posts.jsonl",
            ],
            2,
            "is the file of the backend's table; name another",
        ),
        (
            ["caption", "a.jsonl", "--backend", "weak", "--store", "posts.jsonl", "--out", "posts.jsonl"],
            2,
            "is the file of the store; name another",
        ),
        (
            ["caption", "a.jsonl", "--backend", "weak", "--prompt", "posts.jsonl", "--out", "./posts.jsonl"],
            2,
            "is the file of the prompt; name another",
        ),
        (
            ["knowledge", "posts.jsonl", "--backend", "table", "--out", "posts.jsonl"],
            2,
            "is the file of posts; name another",
        ),
        (
            [
                "knowledge",
                "a.jsonl",
                "--backend",
                "table",
                "--set",
                "table=posts.jsonl",
                "--out",
                "posts.jsonl",
            ],
            2,
            "is the file of the backend's table; name another",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    folder: Path, crisislens: Command, command: list[str], code: int, message: str
) -> None:
    done = crisislens(*command, cwd=folder)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert records_are_whole(folder), "nothing was written over what was read"


@pytest.mark.parametrize("command", [["caption", "--backend", "weak"], ["knowledge", "--backend", "table"]])
def test_a_file_of_posts_may_be_called_like_what_is_written_by_default(
    folder: Path, crisislens: Command, command: list[str]
) -> None:
    name = "captions.jsonl" if command[0] == "caption" else "knowledge.jsonl"
    before = (folder / "posts.jsonl").read_bytes()
    (folder / name).write_bytes(before)
    done = crisislens(command[0], name, *command[1:], cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"--out {name} is the file of posts" in done.stderr
    assert (folder / name).read_bytes() == before


def records_are_whole(folder: Path) -> bool:
    return (folder / "posts.jsonl").read_text().endswith("{broken\n")


def test_captions_of_a_table_are_kept_and_counted(folder: Path, crisislens: Command) -> None:
    said = [{"id": "1", "text": "water in a street"}, {"image": "photos/gone.png", "text": "rain"}]
    (folder / "said.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said))
    asked = ["caption", "posts.jsonl", "--backend", "table", "--set", "table=said.jsonl"]
    done = crisislens(*asked, "--store", "kept.sqlite", "--out", "captions.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2 of 3 posts captioned; 3 different questions, 0 answered before" in done.stdout
    assert "1 failed" in done.stdout
    assert "1 rows could not be read and have no caption" in done.stderr
    assert "weak" not in done.stdout
    found = records(folder / "captions.jsonl")
    assert [record["id"] for record in found] == ["1", "2", "3"]
    assert found[0]["text"] == "water in a street"
    assert found[2]["reason"]
    # what was answered is not asked again
    again = crisislens(*asked, "--store", "kept.sqlite", "--out", "captions.jsonl", cwd=folder)
    assert "2 answered before" in again.stdout


def test_places_without_training(folder: Path, crisislens: Command) -> None:
    write_tiny_clip(folder / "clip")
    asked = ["place-types", "posts.jsonl", "--checkpoint", "clip", "--out", "places.jsonl"]
    done = crisislens(*asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "3 posts judged, 1 rows failed" in done.stdout
    assert (
        "1 rows could not be read and have no kind of place; `crisislens analyze` names them" in done.stderr
    )
    found = records(folder / "places.jsonl")
    assert [record["id"] for record in found] == ["1", "2", "3"]
    for record in found:
        probabilities = record["place_type"]["probabilities"]
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-3)


def test_rows_that_all_fail_have_no_places(folder: Path, crisislens: Command) -> None:
    write_tiny_clip(folder / "clip")
    rows = [{"id": str(i) * 500, "text": "rain"} for i in (1, 2)]
    (folder / "torn.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = crisislens("place-types", "torn.jsonl", "--checkpoint", "clip", "--out", "p.jsonl", cwd=folder)
    assert done.returncode != 0
    assert "none of the 2 rows could be judged; `crisislens analyze` says why of each" in done.stderr
    assert not list(folder.glob("p.jsonl.*"))


def test_a_folder_that_holds_no_clip_is_named(folder: Path, crisislens: Command) -> None:
    (folder / "clip").mkdir()
    done = crisislens("place-types", "posts.jsonl", "--checkpoint", "clip", "--out", "p.jsonl", cwd=folder)
    assert done.returncode == 4
    assert "clip is not a CLIP checkpoint with model.safetensors" in done.stderr


@pytest.mark.parametrize("posts", [63, 64, 65])
def test_places_of_a_chunk_and_its_neighbors(tmp_path: Path, crisislens: Command, posts: int) -> None:
    write_tiny_clip(tmp_path / "clip")
    lines = [json.dumps({"id": str(i), "text": f"road {i % 3}"}) for i in range(posts)]
    (tmp_path / "posts.jsonl").write_text("\n".join(lines) + "\n")
    done = crisislens("place-types", "posts.jsonl", "--checkpoint", "clip", "--out", "p.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = records(tmp_path / "p.jsonl")
    assert [record["id"] for record in found] == [str(i) for i in range(posts)]


def counted(**more: Any) -> CrisisMMDCheck:
    given: dict[str, Any] = {
        "rows": {"train": 3, "dev": 2, "test": 1},
        "expected": {"train": 3, "dev": 2, "test": 1},
        "classes": {},
        "photos_missing": {"train": 0, "dev": 0, "test": 0},
    }
    return CrisisMMDCheck(**(given | more))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (counted(), "complete: rows as published, every photo there"),
        (counted(expected={}), "every photo there; no counts are published for it"),
        (
            counted(rows={"train": 1, "dev": 2, "test": 5}),
            "not complete: lacks 2 rows in train, too many: 4 rows in test",
        ),
        (
            counted(photos_missing={"train": 1, "dev": 0, "test": 2}),
            "not complete: 3 rows without their photo",
        ),
        (
            counted(rows={"train": 0, "dev": 2, "test": 1}, photos_missing={"train": 1}),
            "not complete: lacks 3 rows in train, 1 rows without their photo",
        ),
    ],
)
def test_what_a_data_set_lacks_is_one_line(found: CrisisMMDCheck, verdict: str) -> None:
    assert _verdict(found) == verdict
    assert found.complete is not verdict.startswith("not complete")


def test_counts_stand_beside_the_published_ones(capsys: pytest.CaptureFixture[str]) -> None:
    _show_counts("A1", counted(rows={"train": 3, "dev": 9, "test": 1}, expected={"train": 3, "dev": 2}))
    said = capsys.readouterr().out
    for row in (r"train\W+3\W+3\W+as published", r"dev\W+9\W+2\W+\+7", r"test\W+1\W+no published count"):
        assert re.search(row, said), said


def test_counts_by_split_are_a_table_and_others_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "posts": {"train": 3, "dev": 2, "test": 1},
        "entities": {"train": {"PER": 2, "LOC": 1}, "dev": {}, "test": {"PER": 1}},
        "shared_texts": {"train-dev": 1, "train-test": 0},
        "mended": {},
        "complete": True,
        "name": "own",
    }
    _show_extraction("table", found)
    said = capsys.readouterr().out
    assert re.search(r"posts\W+3\W+2\W+1", said), said
    assert re.search(r"entities\W+PER 2, LOC 1\W+PER 1", said), said
    assert "shared texts: train-dev 1, train-test 0" in said
    assert "mended" not in said
    assert "complete" not in said


@pytest.mark.parametrize(
    ("count", "cell"),
    [(3, "3"), ({}, ""), ({"PER": 2}, "PER 2"), ({"a": 0, "b": {"c": 1}}, "a 0, b {'c': 1}")],
)
def test_a_count_or_several_are_a_cell(count: object, cell: str) -> None:
    assert _cell(count) == cell


def described() -> None:
    """Reads posts, e.g. tweets. Then it ends.

    Arguments: none.
    """


def test_the_first_sentence_describes_a_part() -> None:
    assert _first_line(described) == "Reads posts, e.g"
    assert _first_line(counted) == ""
    assert _first_line(3) == (int.__doc__ or "").partition("\n")[0].partition(". ")[0].rstrip(".")
