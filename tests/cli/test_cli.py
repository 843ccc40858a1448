"""The command line as a table of arguments, expected output and error; and what a user sees first."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from command_line import Command
from crisislens.domain.assessment import Assessment

ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "SOURCE_DATE_EPOCH": "1790000000",
    "NO_COLOR": "1",
    "COLUMNS": "120",
}


def from_outside(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "crisislens", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd, timeout=300)


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posts")
    rows = [
        {"id": "1", "text": "Flood waters destroyed the bridge, families trapped on roofs need rescue"},
        {"id": "2", "text": "What a lovely sunny day, coffee with friends", "image": "none.jpg"},
        {"id": "3", "text": '=HYPERLINK("http://evil") <script>alert(1)</script>'},
        {"id": "1", "text": "the same id again"},
    ]
    (folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    return folder / "posts.jsonl"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["analyze", "nowhere.jsonl"], 2, r"nowhere\.jsonl"),
        (["analyze", "{posts}", "--map", "text"], 2, "--map 'text' is not of the form FIELD=COLUMN"),
        (["analyze", "{posts}", "--map", "text=body"], 2, "body"),
        (["analyze", "{posts}", "--encoding", "klingon"], 2, "no encoding named 'klingon'"),
        (["analyze", "{posts}", "--also", "docx"], 2, "--also docx is not known; it takes csv or parquet"),
        (["analyze", "{posts}", "--images", "nowhere"], 2, "--images nowhere is not a folder"),
        (
            ["analyze", "{posts}", "--model", "crisis-compakt"],
            2,
            "no model named 'crisis-compakt'.*crisis-compact",
        ),
        (["models", "show", "nothing"], 2, "no model named 'nothing'"),
        (["data", "check", "nowhere"], 3, "lacks task_informative_text_img_agreed_lab_train.tsv"),
        (["data", "check", "nowhere", "--variant", "settingZ"], 2, "expected one of agreed, settingA, full"),
        (["train", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["evaluate", "nowhere"], 4, "nowhere"),
        (["features", "{posts}", "--out", "cache", "--encoder", "clop"], 2, "did you mean 'clip'"),
    ],
)
def test_a_mistake_is_one_sentence(
    crisislens: Command, posts: Path, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    done = crisislens(*(a.format(posts=posts) for a in arguments), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_loads_nothing_heavy_and_names_every_command() -> None:
    done = from_outside("--help")
    for command in ("analyze", "demo", "train", "evaluate", "features", "data", "models"):
        assert command in done.stdout
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, crisislens.cli.main; print([m for m in ('torch', 'numpy', 'transformers', 'rich') "
            "if m in sys.modules])",
        ],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=True,
    )
    # not timed (the machine may be busy): what makes it slow must not be loaded
    assert "torch" not in loaded.stdout
    assert "numpy" not in loaded.stdout
    assert from_outside("--version").stdout.startswith("crisislens ")


def test_analyze_writes_everything_and_says_where(crisislens: Command, posts: Path, tmp_path: Path) -> None:
    done = crisislens("analyze", posts, "--out", tmp_path / "out", "--also", "csv", "--also", "parquet")
    assert done.returncode == 0, done.stderr
    assert "3 posts assessed, 2 rows failed" in done.stdout
    names = {p.name for p in (tmp_path / "out").iterdir()}
    expected = {
        "assessments.jsonl",
        "failed.jsonl",
        "duplicates.jsonl",
        "report.html",
        "assessments.csv",
        "assessments.parquet",
        ".crisislens-run",
    }
    assert names == expected
    other = tmp_path / "tuesday.csv"
    other.write_text("id,text\n1,Bridge is down\n", encoding="utf-8")
    refused = crisislens("analyze", other, "--out", tmp_path / "out")
    assert refused.returncode != 0
    assert "--replace" in refused.stderr
    assert "Traceback" not in refused.stderr
    namesake = tmp_path / "elsewhere" / posts.name
    namesake.parent.mkdir()
    namesake.write_text('{"id": "1", "text": "Bridge is down"}\n', encoding="utf-8")
    refused = crisislens("analyze", namesake, "--out", tmp_path / "out")
    assert "the file of that name in another folder" in refused.stderr
    lines = (tmp_path / "out" / "assessments.jsonl").read_text().splitlines()
    found = [Assessment.model_validate_json(line) for line in lines]
    assert [a.post.id for a in found] == ["1", "2", "3"]
    assert found[0].tasks["informativeness"].label == "informative"
    assert found[0].urgency > found[1].urgency
    assert any("photo" in note for note in found[1].notes)
    report = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert(1)" not in report
    csv = (tmp_path / "out" / "assessments.csv").read_text()
    assert "\n=HYPERLINK" not in csv
    assert ",=HYPERLINK" not in csv
    assert ',"=HYPERLINK' not in csv


def test_an_event_that_is_given_leads_to_its_country(crisislens: Command, tmp_path: Path) -> None:
    posts, out = tmp_path / "posts.csv", tmp_path / "out"
    posts.write_text("id,text\n1,Nou nan Milot\n2,Bridge is down\n", encoding="utf-8")

    def read(*options: str) -> tuple[list[str | None], list[list[str]]]:
        done = crisislens("analyze", posts, "--out", out, *options)
        assert done.returncode == 0, done.stderr
        lines = (out / "assessments.jsonl").read_text(encoding="utf-8").splitlines()
        found = [Assessment.model_validate_json(line) for line in lines]
        return [a.post.event for a in found], [[m.place.name for m in a.places or ()] for a in found]

    assert read() == ([None, None], [[], []])
    # the same folder: what another event made is not taken for this one's
    assert read("--event", "Haiti earthquake") == (["Haiti earthquake"] * 2, [["Milot"], []])
    assert "--event &#39;Haiti earthquake&#39;" in (out / "report.html").read_text(encoding="utf-8")
    assert read("--event", " ") == ([None, None], [[], []])
    # from a shell of another encoding: one letter is lost, no post
    assert read("--event", "Ha\udcefti") == (["Ha\ufffdti"] * 2, [[], []])


def test_records_fit_the_published_schema(crisislens: Command, posts: Path, tmp_path: Path) -> None:
    import jsonschema

    crisislens("analyze", posts, "--out", tmp_path / "out")
    validator = jsonschema.Draft202012Validator(Assessment.model_json_schema(mode="serialization"))
    for line in (tmp_path / "out" / "assessments.jsonl").read_text().splitlines():
        validator.validate(json.loads(line))


def test_models_are_listed_and_shown(crisislens: Command) -> None:
    listed = crisislens("models", "list").stdout
    for name in ("crisis-compact", "guided_differential", "late_fusion", "compact", "clip"):
        assert name in listed
    shown = crisislens("models", "show", "crisis-compact").stdout
    for part in ("CC BY-NC-SA", "never tested", "weighted-f1"):
        assert part in shown


@pytest.mark.real
def test_data_check_says_what_is_as_published_and_what_leaks(crisislens: Command, shared_data: Path) -> None:
    done = crisislens("data", "check", shared_data / "crisismmd", "--setting", "A3", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["A3"]
    assert found["rows"] == {"train": 2468, "dev": 529, "test": 529} == found["expected"]
    assert found["splits"]["shared"]["train-test"]["ids"] == 62
