"""`crisislens stream` as a user has it: a sentence for what is wrong, and nothing lost where it is killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

import stream_chaos
from command_line import Command
from crisislens.store import open_store
from crisislens.store.records import PostFilter
from store_template import new_file

pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return new_file(tmp_path / "crisis.db")


def test_kills_lose_nothing_and_make_nothing_twice(tmp_path: Path) -> None:
    found = stream_chaos.run(tmp_path, lines=1_000, kills=5, seed=7)
    assert found == {
        "posts": 1_000,
        "lost": 0,
        "invented": 0,
        "twice": 0,
        "out of order": 0,
        "dead letters": 0,
        "faults": [],
        "kills": 5,
        "exit code": 143,
    }


def test_a_file_once_and_a_replay(crisislens: Command, db: Path, tmp_path: Path) -> None:
    feed = tmp_path / "posts.jsonl"
    feed.write_text(
        '{"id": 1, "text": "water please"}\n{"id": 2, "said": "boat"}\n{"id": 3, "text": "spam"}\n'
    )
    done = crisislens("stream", feed, "--db", db, "--once", "--drop", "spam")
    assert done.returncode == 0
    assert done.stdout == "1 posts taken, 1 were filtered out, 1 dead letters\n"
    done = crisislens("stream", "replay", "--db", db, "--map", "text=said")
    assert done.stdout == "1 posts taken in, 0 were there, 0 dead letters stay\n"
    with open_store(str(db)) as store:
        assert {row.external_id for row in store.posts.stream(PostFilter())} == {"1", "2"}


def test_a_store_that_is_not_there_is_made_and_told(crisislens: Command, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (inbox / "posts.csv").write_text("id,text\n1,water please\n")
    db = tmp_path / "new" / "crisis.db"
    done = crisislens("stream", f"{inbox}/", "--db", db, "--once")
    assert (done.returncode, done.stdout) == (0, "1 posts taken\n")
    assert f"there was no store at {db}; it is made now" in done.stderr.replace("\n", "")
    # what reads a store makes none
    assert crisislens("store", "check", "--db", tmp_path / "typo.db").returncode != 0
    assert not (tmp_path / "typo.db").exists()


WRONG: list[tuple[list[str], str, int]] = [
    (["nats:topic"], "no source is called 'nats'", 2),
    (["rss:http://127.0.0.1/feed"], "its address 127.0.0.1 is this computer; --allow-private 127.0.0.1", 2),
    (["rss:http://[64:ff9b::7f00:1]/feed"], "is this computer", 2),
    (["rss:file:///etc/passwd"], "is no feed", 2),
    (["gone/posts.jsonl"], "there is no file", 2),
    (["posts.csv"], "only JSON lines", 2),
    (["-", "--to", "http://127.0.0.1:8765"], "--to needs a --key", 2),
    (["-", "--to", "nowhere", "--key", "k"], "no address", 2),
]


@pytest.mark.parametrize(("given", "message", "code"), WRONG, ids=lambda value: str(value)[:30])
def test_what_is_wrong_is_one_sentence(
    crisislens: Command, db: Path, given: list[str], message: str, code: int
) -> None:
    more = [] if "--to" in given else ["--db", str(db)]
    done = crisislens("stream", *given, *more, cwd=db.parent)
    assert (done.returncode, done.stdout) == (code, "")
    told = done.stderr.strip().split("\n")
    assert message in told[-1]
    assert told[-1].startswith("error: ")


def test_a_store_that_serve_holds_is_refused_with_the_way_out(crisislens: Command, db: Path) -> None:
    with open_store(str(db)):
        done = crisislens("stream", db.parent / "posts.jsonl", "--db", db)
    assert done.returncode == 8
    assert "give --to http://127.0.0.1:8765 and --key" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_soon_with_a_sentence(db: Path, tmp_path: Path, number: int, code: int) -> None:
    """Also with a pipe on which nobody says anything more."""
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "crisislens", "stream", "-", "--db", str(db)]
    pipe = subprocess.PIPE
    # a shell that starts tests in the background has Ctrl+C ignored, and that is handed down
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, env=place, stdin=pipe, stdout=pipe, stderr=pipe, preexec_fn=heard
    ) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"id": 1, "text": "water"}).encode() + b"\n")
        process.stdin.flush()
        stream_chaos._wait_for(db, 1)
        asked = time.monotonic()
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert time.monotonic() - asked < 5
        assert process.stderr is not None
        told = process.stderr.read().decode().strip().split("\n")
    # the signal may come between the commit and its being counted
    expected = r"error: stopped; [01] posts taken; start the same command again to go on from there"
    assert re.fullmatch(expected, told[-1]), told
