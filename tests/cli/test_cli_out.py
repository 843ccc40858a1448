"""Where commands write: nothing of the user's is lost, and what cannot be written is told before the work."""

import errno
import io
import json
import os
import sys
from pathlib import Path

import pytest

from command_line import Command
from crisislens.cli import analyze, main
from crisislens.cli.console import say
from crisislens.core.errors import InputError
from crisislens.core.files import check_folder, sole_writer
from crisislens.demo import write_synthetic_crisis

KNOWLEDGE = ("knowledge", "posts.jsonl", "--backend", "table", "--set", "table=pages.jsonl")
WRITERS = [
    ("explain", "posts.jsonl"),
    ("extract", "posts.jsonl"),
    ("caption", "posts.jsonl", "--backend", "weak"),
    ("place-types", "posts.jsonl"),
    KNOWLEDGE,
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two posts, and a page about nothing in them."""
    rows = [{"id": "1", "text": "Flood in Ponce"}, {"id": "2", "text": "rain"}]
    (tmp_path / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "pages.jsonl").write_text('{"title": "Lima", "summary": "Lima is a city."}\n')
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("command", WRITERS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("out", "told"),
    [
        (".", "--out . is a folder, and a file is written"),
        ("posts.jsonl/more.jsonl", "posts.jsonl is a file, and a folder is needed; give another --out"),
        ("posts.jsonl", "--out posts.jsonl is the file of posts; name another"),
    ],
    ids=["folder", "below a file", "what is read"],
)
def test_a_bad_out_is_told_before_the_work(
    crisislens: Command, folder: Path, command: tuple[str, ...], out: str, told: str
) -> None:
    before = contents(folder)
    done = crisislens(*command, "--out", out, cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert told in done.stderr
    assert contents(folder) == before


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_folder(tmp_path / "new" / "deeper", "--out")
    assert not (tmp_path / "new").exists()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"nothing may be written into .*; give another --cache"):
        check_folder(tmp_path / "new", "--cache")


@pytest.mark.parametrize("command", [KNOWLEDGE, WRITERS[2]], ids=lambda command: command[0])
def test_two_runs_do_not_write_one_file(crisislens: Command, folder: Path, command: tuple[str, ...]) -> None:
    with sole_writer(folder, lock=".out.jsonl.lock"):
        done = crisislens(*command, "--out", "out.jsonl", cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "another run is writing into" in done.stderr
    done = crisislens(*command, "--out", "out.jsonl", cwd=folder)
    assert "another run" not in done.stderr
    assert not list(folder.glob(".*.lock"))


@pytest.fixture
def no_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo without the minute that its analysis takes."""
    monkeypatch.setattr(analyze, "run", lambda *_: None)
    monkeypatch.setattr("crisislens.pipeline.batch.read_assessments", lambda _: iter(()))


@pytest.mark.usefixtures("no_analysis")
def test_a_demo_writes_over_a_demo_alone(crisislens: Command, tmp_path: Path) -> None:
    posts = tmp_path / "mine" / "posts"
    posts.mkdir(parents=True)
    (posts / "posts.jsonl").write_text('{"id": "1", "text": "my own"}\n')
    before = contents(tmp_path)
    done = crisislens("demo", "--out", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine/posts holds files that are not the demo's" in done.stderr
    assert contents(tmp_path) == before
    for _ in range(2):
        done = crisislens("demo", "--out", "made up", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    # one from before folders were marked
    write_synthetic_crisis(tmp_path / "older" / "posts")
    done = crisislens("demo", "--out", "older", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_has_its_sentence_and_code(
    crisislens: Command, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "kept")

    monkeypatch.setattr("crisislens.core.store.Store.__init__", full)
    done = crisislens("caption", "posts.jsonl", "--backend", "weak", "--out", "c.jsonl", cwd=folder)
    assert (done.returncode, done.stdout) == (7, "")
    assert "the disk that holds kept is full" in done.stderr
    assert "make room" in done.stderr

    def unnamed(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("crisislens.core.store.Store.__init__", unnamed)
    done = crisislens("caption", "posts.jsonl", "--backend", "weak", "--out", "c.jsonl", cwd=folder)
    assert (done.returncode, done.stdout) == (7, "")
    assert "the disk is full" in done.stderr
    # nobody knows what was cut off
    assert "is kept" not in done.stderr


def test_letters_that_a_code_page_lacks_cost_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    page = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", page)
    monkeypatch.setattr(sys, "argv", ["crisislens"])
    monkeypatch.setattr(main, "app", lambda **_: say("café Київ"))
    with pytest.raises(SystemExit) as ended:
        main.main()
    page.flush()
    assert ended.value.code == 0
    said = page.buffer.getvalue()  # type: ignore[attr-defined]
    assert said.strip() == b"caf\xe9 \\u041a\\u0438\\u0457\\u0432"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("analyze", "posts.jsonl", "--threads", "3000000000"), "--threads"),
        (("extract", "posts.jsonl", "--threads", "3000000000"), "--threads"),
        (("bench", "run", "mie", ".", "--threads", "3000000000"), "--threads"),
        (("study", "make", "posts.jsonl", "posts.jsonl", "--seed", "-1"), "--seed"),
        (("caption", "posts.jsonl", "--backend", "weak", "--max-seconds", "nan"), "nan leaves no time"),
        (("study", "make", "posts.jsonl", "posts.jsonl", "--images", "no"), "no is not a folder"),
        (("annotate", "posts.jsonl", "--images", "no"), "no is not a folder"),
        (("explain", "posts.jsonl", "--images", "no"), "no is not a folder"),
        (("explain", "posts.jsonl", "--task", "bla"), "--task says whose answer attribution explains"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_an_option_cannot_be_is_one_sentence(
    crisislens: Command, folder: Path, command: tuple[str, ...], told: str
) -> None:
    done = crisislens(*command, cwd=folder)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
