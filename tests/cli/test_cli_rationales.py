"""The commands that explain, annotate and compare, from outside."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from command_line import Command
from crisislens.cli import annotate as cli_annotate
from tiny_bundles import write_bundle
from tiny_rationales import write_rationales

ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "SOURCE_DATE_EPOCH": "1790000000",
    "NO_COLOR": "1",
    "COLUMNS": "120",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    rows = [
        {"id": "1", "text": "🌊 Flood destroyed the bridge, 5 people are trapped https://t.co/x"},
        {"id": "2", "text": "Nice sunny day with friends"},
        {"id": "3", "text": ""},
    ]
    (folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "bundle").mkdir()
    write_bundle(folder / "bundle")
    write_rationales(folder / "rationales")
    return folder


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["explain", "posts.jsonl", "--method", "guess"],
            2,
            "--method guess is not known; it takes rationales,",
        ),
        (
            ["explain", "posts.jsonl", "--model", "bundle", "--method", "attention_rollout"],
            4,
            "no attention to read",
        ),
        (["annotate", "nowhere.jsonl"], 2, "nowhere.jsonl"),
        (["study", "make", "a.jsonl", "b.jsonl"], 3, "no assessments at a.jsonl"),
        (["study", "make", "a.jsonl", "b.jsonl", "--name", "one"], 2, "give it twice"),
        (["study", "score", ".", "a.json"], 3, "holds no readable key.json"),
        (["analyze", "posts.jsonl", "--with", "rationales"], 2, "did you mean 'rationale'"),
    ],
)
def test_a_mistake_is_one_sentence(
    crisislens: Command, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    done = crisislens(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


def test_two_methods_are_explained_and_compared(crisislens: Command, folder: Path) -> None:
    done = crisislens(
        "explain",
        "posts.jsonl",
        "--model",
        "bundle",
        "--rationales",
        "rationales",
        "--out",
        "a.jsonl",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "3 posts explained, 0 failed" in done.stdout
    first = [json.loads(line) for line in (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert first[0]["rationale"]["text"]
    assert set(first[0]["rationale"]["contributions"]) == {"informativeness", "humanitarian", "damage"}
    assert first[2]["rationale"]["text"] == []
    done = crisislens(
        "explain", "posts.jsonl", "--method", "integrated_gradients", "--out", "b.jsonl", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    second = [json.loads(line) for line in (folder / "b.jsonl").read_text(encoding="utf-8").splitlines()]
    assert second[0]["rationale"]["post_hoc"] is True
    assert second[0]["rationale"]["text"]
    done = crisislens(
        "study",
        "make",
        "a.jsonl",
        "b.jsonl",
        "--name",
        "ours",
        "--name",
        "gradients",
        "--out",
        "study",
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    kept = json.loads((folder / "study" / "key.json").read_text())
    answers = {item: "left" if sides["left"] == "ours" else "right" for item, sides in kept["key"].items()}
    for rater in ("ann", "bob"):
        (folder / f"{rater}.json").write_text(
            json.dumps({"study": kept["study"], "rater": rater, "answers": answers})
        )
    done = crisislens("study", "score", "study", "ann.json", "bob.json", cwd=folder)
    assert "win rate of ours  100.00" in done.stdout
    # two raters of each post, and the test counts posts
    posts = len(kept["key"])
    said = " ".join(done.stdout.split())
    assert f"(ratings: {2 * posts} for it, 0 against it, 0 for neither)" in said
    assert f"sign test over posts p = {0.5 ** (posts - 1):.3g} ({posts} won, 0 lost)" in said
    assert "Fleiss' kappa  1.000" in done.stdout


@pytest.fixture
def torn(folder: Path) -> Path:
    """A file with a row that is a post, and two that are none."""
    path = folder / "torn.jsonl"
    rows = [{"id": "1", "text": "Flood destroyed the bridge"}, {"id": "1", "text": "the same id again"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    return path


def test_every_row_is_explained_or_failed(crisislens: Command, folder: Path, torn: Path) -> None:
    asked = ("--model", "bundle", "--rationales", "rationales", "--out", "torn-out.jsonl")
    done = crisislens("explain", torn.name, *asked, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "1 posts explained, 2 failed" in done.stdout
    assert "2 rows could not be read and have no explanation" in done.stderr
    rows = [{"id": str(i) * 500, "text": "rain"} for i in (1, 2)]
    (folder / "hopeless.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = crisislens("explain", "hopeless.jsonl", *asked, cwd=folder)
    assert done.returncode == 7, done.stderr
    assert "none of the 2 rows could be explained" in done.stderr


def test_annotate_says_which_rows_it_cannot_show(
    crisislens: Command, folder: Path, torn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_annotate, "_serve", lambda *_, **__: None)
    done = crisislens("annotate", torn.name, "--out", "torn-marks.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2 rows could not be read and cannot be marked" in done.stderr
    assert "0 of 1 posts done" in done.stdout


def test_annotate_serves_until_it_is_ended(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "crisislens",
        "annotate",
        "posts.jsonl",
        "--no-open",
        "--out",
        "marks.jsonl",
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        request = urllib.request.Request(
            url + "post/0", data=json.dumps({"words": [1, 2], "label": "not_humanitarian"}).encode()
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert json.loads(answer.read())["saved"] is True
        # killed in the middle of the work: what was marked is there
        process.kill()
        process.wait(10)
        line = json.loads((folder / "marks.jsonl").read_text(encoding="utf-8"))
        assert line["text"][slice(*line["spans"][0])] == "Flood destroyed"
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_help_loads_nothing_of_torch() -> None:
    # what makes help slow must not be loaded; a clock would only measure how busy the machine is
    script = "import sys; from crisislens.cli import annotate, explain; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=ENVIRONMENT)
    assert done.stdout == "False\n", done.stderr
