"""What goes wrong in a first hour: each mistake is told in one sentence that says what to do."""

import re
from pathlib import Path

import pytest

from command_line import Command

PICTURE = Path(__file__).resolve().parent.parent.parent / "examples" / "photos" / "cat.jpg"
# what was typed, the exit code, and what the sentence must say of the fault and of the way out
MISTAKES = {
    "a folder for a file": ("analyze folder", 2, "folder is a folder; give the file of posts in it"),
    "a file that is not there": ("analyze post.csv", 2, r"post\.csv"),
    "an empty file": ("analyze empty.csv", 2, "empty.csv is empty; give a file with at least one post"),
    "no column of text": ("analyze numbers.csv", 2, "name one with --map text=COLUMN; its columns are a, b"),
    "a column that is not there": ("analyze posts.csv --map text=body", 2, "body.*text"),
    "a picture": ("analyze cat.jpg", 2, r"ends in \.jpg, which is not read; give a \.jsonl"),
    "a picture named as a table": ("analyze cat.csv", 2, "is a picture or a PDF, no table; give the file of"),
    "no folder of photos": ("analyze posts.csv --images photo", 2, "--images photo is not a folder; give"),
    "a typo in a model": ("analyze posts.csv --model crisis-multilingal", 2, "crisis-multilingual"),
    "a file for the output": ("analyze posts.csv --out posts.csv", 2, "is a file, and a folder is needed"),
    "output below a file": (
        "analyze posts.csv --out posts.csv/x",
        2,
        "cannot write into .*give another --out",
    ),
    "a time that is none": ("analyze posts.csv --since yesterday", 2, "is no time; expected one such as"),
    "a table for a run file": ("train posts.csv", 2, "must hold keys and values; examples stand in configs/"),
    "a data set that is not there": (
        "data check nowhere",
        3,
        "get CrisisMMD v2.0 with: crisislens data fetch",
    ),
}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder as a new user has it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "posts.csv").write_text("id,text\n1,The bridge is gone\n", encoding="utf-8")
    (tmp_path / "numbers.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_bytes(b"")
    for name in ("cat.jpg", "cat.csv"):
        (tmp_path / name).write_bytes(PICTURE.read_bytes())
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_first_mistake_is_one_sentence(crisislens: Command, desk: Path, mistake: str) -> None:
    typed, code, sentence = MISTAKES[mistake]
    done = crisislens(*typed.split(), cwd=desk)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert re.search(sentence, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("typed", "sentence", "command"),
    [
        ("analyze posts.csv --imagess x", "No such option: --imagess.*--images", "crisislens analyze"),
        ("analyse posts.csv", "No such command 'analyse'.*'analyze'", "crisislens"),
        ("analyze", "Missing argument 'posts'", "crisislens analyze"),
        ("train", "Missing argument 'run'", "crisislens train"),
        ("analyze posts.csv numbers.csv", r"extra argument\(s\) \(numbers.csv\)", "crisislens analyze"),
        ("analyze posts.csv --threads many", "Invalid value for '--threads'", "crisislens analyze"),
        ("models nope", "No such command 'nope'", "crisislens models"),
        ("data check", "Missing argument", "crisislens data check"),
        ("store check --bogus", "No such option: --bogus", "crisislens store check"),
        ("bench run table3", "No such command .table3.", "crisislens bench run"),
    ],
)
def test_a_mistyped_command_line_is_one_sentence_too(
    crisislens: Command, desk: Path, typed: str, sentence: str, command: str
) -> None:
    done = crisislens(*typed.split(), cwd=desk)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert re.search(f"error: .*{sentence}.*; `{command} --help` shows what it takes", done.stderr), (
        done.stderr
    )


@pytest.mark.parametrize("typed", ["", "models"])
def test_nothing_typed_shows_the_help(crisislens: Command, typed: str) -> None:
    done = crisislens(*typed.split())
    assert done.returncode == 2
    assert "Commands" in done.stdout + done.stderr
    assert "error:" not in done.stderr
