"""The annotation file: every character survives, one annotator a file, what is said to be saved is."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.annotate.store import AnnotationStore, sole_annotator
from crisislens.annotate.study import read_explained
from crisislens.core.errors import DataError, InputError
from crisislens.core.lines import cut_lines
from crisislens.data.marked_rationales import read_annotations
from crisislens.domain.post import Post

pytestmark = pytest.mark.usefixtures("warm_starts")

CUTTING = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\r", "\n", "\r\n"]
"""Everything at which `str.splitlines` cuts."""


@pytest.mark.parametrize("character", CUTTING, ids=ascii)
def test_a_text_with_any_line_end_is_opened_again(tmp_path: Path, character: str) -> None:
    path = tmp_path / "marks.jsonl"
    posts = [Post(id="1", text=f"Bridge{character}down"), Post(id="2", text="Sunny")]
    store = AnnotationStore(path, posts)
    store.save(0, {"words": [0], "done": True})
    store.save(1, {"words": [0]})
    again = AnnotationStore(path, posts)
    assert (again.done(), again.kept(), again.first_open()) == (1, 2, 1)
    read = read_annotations(path)
    assert [(line.id, line.text) for line in read] == [("1", posts[0].text), ("2", "Sunny")]


@pytest.mark.parametrize("character", CUTTING, ids=ascii)
def test_a_study_reads_such_texts_too(tmp_path: Path, character: str) -> None:
    path = tmp_path / "explained.jsonl"
    span = {"start": 0, "end": 6, "score": 0.9}
    rationale = {"text": [span], "method": "rationales", "model": "m"}
    record = {"post": {"id": "1", "text": f"Bridge{character}down"}, "rationale": rationale}
    path.write_text(json.dumps(record, ensure_ascii=False) + "\n", encoding="utf-8", newline="")
    found = read_explained(path)
    assert found["1"][0].text == f"Bridge{character}down"


def test_a_post_that_could_not_be_explained_costs_the_study_nothing(tmp_path: Path) -> None:
    span = {"start": 0, "end": 6, "score": 0.9}
    rationale = {"text": [span], "method": "rationales", "model": "m"}
    lines = [
        {"post": {"id": "1", "text": "Bridge down"}, "rationale": rationale},
        {"post": {"id": "2", "text": "Road gone"}, "failed": "post '2': its photo is missing"},
    ]
    path = tmp_path / "explained.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert list(read_explained(path)) == ["1"]


_LINE = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]))


@given(st.lists(_LINE))
def test_lines_are_cut_at_line_feeds_alone(lines: list[str]) -> None:
    assert cut_lines("".join(line + "\n" for line in lines)) == lines
    assert cut_lines("".join(line + "\r\n" for line in lines)) == lines


@pytest.mark.parametrize(
    "content",
    [
        b'{"id": "1", "text": "\xff"}\n',
        b"[" * 100_000 + b"\n",
        b'{"id": "1", "text": "a", "spans": ' + b"[" * 100_000,
        b"\n",
        b"\xff\xfe{\x00}\x00",
    ],
    ids=range(5),
)
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no annotation"):
        AnnotationStore(path, [Post(id="1", text="a")])
    assert path.read_bytes() == content


def test_what_was_not_written_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posts = [Post(id=str(i), text="Bridge down") for i in range(3)]
    store = AnnotationStore(tmp_path / "marks.jsonl", posts)
    store.save(0, {"words": [0], "done": True})

    def full(path: Path, content: str) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("crisislens.annotate.store.atomic_write", full)
        with pytest.raises(OSError, match="No space"):
            store.save(1, {"words": [1], "done": True})
    assert (store.done(), store.kept()) == (1, 1)
    store.save(2, {"words": [1]})
    assert [line.id for line in read_annotations(store.path)] == ["0", "2"]


def test_lines_of_other_posts_stay(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    first, second = Post(id="1", text="a b"), Post(id="2", text="c d")
    AnnotationStore(path, [first]).save(0, {"words": [0]})
    AnnotationStore(path, [second]).save(0, {"words": [1]})
    assert [line.id for line in read_annotations(path)] == ["2", "1"]


HOLD = """
import sys
from pathlib import Path
from crisislens.annotate.store import AnnotationStore, sole_annotator
from crisislens.domain.post import Post
path = Path(sys.argv[1])
with sole_annotator(path):
    AnnotationStore(path, [Post(id="1", text="a b")]).save(0, {"words": [0]})
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match="is being annotated already; end the other"),
            sole_annotator(path),
        ):
            pass
        with sole_annotator(tmp_path / "other.jsonl"):
            pass
        first.kill()
        first.wait(10)
    # as a kill in the middle of a write leaves it
    (tmp_path / ".marks.jsonl.abc.part").write_text("half")
    (tmp_path / ".marks.jsonl.old.jsonl.part").write_text("half")
    (tmp_path / ".other.jsonl.abc.part").write_text("of another file")
    with sole_annotator(path):
        assert AnnotationStore(path, [Post(id="1", text="a b")]).kept() == 1
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names - {".marks.jsonl.lock"} == {"marks.jsonl", ".other.jsonl.abc.part"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_ends_with_what_was_saved(tmp_path: Path, number: int, code: int) -> None:
    import urllib.request

    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"id": "1", "text": "Bridge\\u2028down"}\n{"id": "2", "text": "Sunny"}\n')
    command = [sys.executable, "-m", "crisislens", "annotate", str(posts), "--no-open", "--out"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    out = tmp_path / "marks.jsonl"
    # a runner that was started in the background ignores Ctrl+C, and its children would inherit that
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen([*command, str(out)], text=True, env=environment, preexec_fn=heard, **pipes)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        second = subprocess.run(
            [*command, str(out)], capture_output=True, text=True, env=environment, timeout=60
        )
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert "is being annotated already" in second.stderr
        body = json.dumps({"words": [0], "done": True}).encode()
        with urllib.request.urlopen(url + "post/0", data=body, timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(number)
        said, errors = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait(10)
    assert (process.returncode, errors) == (code, "")
    assert re.search(r"1 of 2 posts done, 1 kept in .*marks\.jsonl; the same command goes on", said)
    assert {path.name for path in tmp_path.iterdir()} - {".marks.jsonl.lock"} == {
        "posts.jsonl",
        "marks.jsonl",
    }
