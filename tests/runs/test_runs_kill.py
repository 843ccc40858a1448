"""Commands on the engine, killed and stopped for real: nothing finished is lost, the bytes are the same."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from command_line import Command
from crisislens.pipeline.finder import Finder, Found

pytestmark = pytest.mark.usefixtures("warm_starts")

# a source and a finder that take their time, in the places of those that need the network or weights
PREPARE = """
import sys, time
from types import SimpleNamespace
if sys.argv[1] == "knowledge":
    from crisislens.knowledge.table import TableSource
    pages = TableSource.pages
    TableSource.pages = lambda self, text: time.sleep(WAIT) or pages(self, text)
elif sys.argv[1] == "caption":
    from crisislens.captioning.table import TableCaptioner
    caption = TableCaptioner.caption
    TableCaptioner.caption = lambda self, *a: time.sleep(WAIT) or caption(self, *a)
else:
    from crisislens.cli import extractors
    class Slow:
        reads_contexts = seeks_relations = False
        def fingerprint(self):
            return "0" * 16
        def find(self, texts, contexts=(), *, languages=()):
            time.sleep(WAIT)
            nothing = SimpleNamespace(entities=(), relations=(), read=True, relations_read=True, read_to=None)
            return [nothing for _ in texts]
    extractors.chosen_finder = lambda *a, **k: Slow()
    from crisislens.pipeline import extraction
    extraction.extract_posts.__kwdefaults__["chunk"] = 2
from crisislens.cli.main import main
print("ready", flush=True)
main()
"""


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    path = tmp_path / "posts.jsonl"
    names = ["Ponce", "Houston", "nowhere", "Ponce"]
    lines = [json.dumps({"id": str(i), "text": f"Flood {i} in {names[i % 4]}"}) for i in range(60)]
    path.write_text("\n".join([*lines, "{broken"]) + "\n")
    pages = [{"title": name, "summary": f"{name} is a city."} for name in ("Ponce", "Houston")]
    (tmp_path / "pages.jsonl").write_text("".join(json.dumps(page) + "\n" for page in pages))
    captions = [{"id": str(i), "text": f"water {i}"} for i in range(50)]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(c) + "\n" for c in captions))
    return path


def arguments(posts: Path, out: Path, command: str) -> list[str]:
    """What follows the name of the program."""
    given = [command, str(posts), "--out", str(out)]
    if command == "extract":
        return given
    table = "pages" if command == "knowledge" else "said"
    given += ["--backend", "table", "--set", f"table={posts.with_name(table)}.jsonl"]
    if command == "caption":
        given += ["--store", str(out.with_suffix(".sqlite"))]
    return given


def started(posts: Path, out: Path, command: str, wait: str = "0.05") -> "subprocess.Popen[str]":
    """The command, when it begins."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PREPARE.replace("WAIT", wait),
            *arguments(posts, out, command),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # a runner that was started in the background ignores Ctrl+C, and its children would inherit that
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


class Quick(Finder):
    """The finder of `PREPARE` without its pauses."""

    def __init__(self) -> None:
        """No extractor is loaded."""

    @property
    def reads_contexts(self) -> bool:
        return False

    @property
    def seeks_relations(self) -> bool:
        return False

    def fingerprint(self) -> str:
        return "0" * 16

    def find(
        self, texts: Sequence[str], contexts: Sequence[str] = (), *, languages: Sequence[str | None] = ()
    ) -> list[Found]:
        return [Found() for _ in texts]


@pytest.fixture
def undisturbed(posts: Path, crisislens: Command, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], bytes]:
    """Runs a command to its end, in this process: only what is killed needs one of its own."""
    monkeypatch.setattr("crisislens.cli.extract.chosen_finder", lambda *_, **__: Quick())

    def run(command: str) -> bytes:
        whole = posts.with_name(f"{command}-whole.jsonl")
        done = crisislens(*arguments(posts, whole, command))
        assert whole.is_file(), done.stderr
        return whole.read_bytes()

    return run


@pytest.mark.parametrize("command", ["knowledge", "caption", "extract"])
def test_killed_it_ends_with_the_bytes_of_an_undisturbed_run(
    command: str, posts: Path, tmp_path: Path, undisturbed: Callable[[str], bytes]
) -> None:
    expected = undisturbed(command)
    assert expected.count(b"\n") == (61 if command == "extract" else 60)
    out = tmp_path / "killed" / "out.jsonl"
    process = started(posts, out, command)
    time.sleep(0.3)
    assert process.poll() is None, "it ended before the kill"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not out.exists(), "nobody finds half a file under its name"
    # nobody waits for this one, and pauses show in no byte
    _, said = started(posts, out, command, wait="0").communicate(timeout=120)
    assert out.read_bytes() == expected, said
    left = {path.name for path in out.parent.iterdir()}
    assert left <= {"out.jsonl", "out.sqlite", ".out.sqlite.lock"}


@pytest.mark.parametrize(
    ("command", "number", "code"), [("caption", signal.SIGINT, 130), ("extract", signal.SIGTERM, 143)]
)
def test_stopped_it_ends_at_once_with_a_sentence(
    command: str, number: signal.Signals, code: int, posts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    # captions that take half a minute each: their threads are not waited for
    process = started(posts, out, command, wait="30")
    time.sleep(0.5)
    process.send_signal(number)
    begun = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begun < 5
    assert process.returncode == code, said
    [line] = [line for line in said.split("\n") if line.strip()]
    assert line.startswith("error: stopped; ")
    assert "kept" in line
    assert line.endswith("start the same command again to go on from there")
    assert not out.exists()
    assert not list(tmp_path.glob(".*lock"))


def test_a_run_in_which_every_row_fails_does_not_end_well(
    posts: Path, tmp_path: Path, crisislens: Command
) -> None:
    (tmp_path / "said.jsonl").write_text('{"id": "nobody", "text": "water"}\n')
    done = crisislens(*arguments(posts, tmp_path / "out.jsonl", "caption"))
    assert done.returncode == 7, done.stderr
    assert "error: none of the 61 rows could be captioned" in done.stderr
    assert (tmp_path / "out.jsonl").read_text().count("the table has no caption") == 60


def test_two_that_fill_one_store_do_not_ask_twice(posts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = started(posts, out, "caption", wait="30")
    time.sleep(0.5)
    second = started(posts, out, "caption", wait="30")
    _, said = second.communicate(timeout=60)
    first.kill()
    first.communicate()
    assert second.returncode == 2
    assert "another run is filling" in said
