"""Own labels on the command line: train, analyze, bundle, analyze again, compare, evaluate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crisislens.cli.main import app
from own_posts import own_rows, write_table

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception:
        raise done.exception
    return " ".join(done.output.split())


def records(folder: Path) -> list[dict[str, object]]:
    lines = (folder / "assessments.jsonl").read_text().split("\n")
    return [json.loads(line)["tasks"] for line in lines if line]


def test_from_a_table_to_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    write_table(tmp_path / "posts.csv", own_rows())
    write_table(tmp_path / "new.csv", [{k: row[k] for k in ("id", "text")} for row in own_rows(12)])
    quick = ["--set", "encoder.name=hashing", "--set", "epochs=6", "--set", "data.root=posts.csv"]
    said = run("train", CONFIGS / "own.yaml", *quick, "--set", "data.labels={need: label, kind: ask}")
    assert "need: food, shelter, water; posts: train 42 (0 with photo), dev 39" in said
    assert "kind: asks, offers" in said
    assert "calibrated for a text alone" in said
    assert "not sure of every post with a photo alone | text and photo" in said
    assert "--model runs/own-need --model runs/own-kind" in said

    models = ["--model", "runs/own-need", "--model", "runs/own-kind"]
    assert "12 posts assessed" in run("analyze", "new.csv", *models, "--out", "first")
    assert [list(tasks) for tasks in records(tmp_path / "first")] == [["need", "kind"]] * 12
    assert (tmp_path / "first" / "report.html").is_file()

    said = run("bundle", "runs/own-need", "runs/own-kind", "--out", "mine")
    assert "need: food, shelter, water; calibrated for text" in said
    run("analyze", "new.csv", "--model", "mine", "--out", "second")
    assert records(tmp_path / "second") == records(tmp_path / "first")

    first, second = "first/assessments.jsonl", "second/assessments.jsonl"
    labels = ["--labels", "posts.csv", "--task", "need", "--resamples", "100"]
    assert "12 posts, 1 and 1 seeds" in run("compare", first, second, *labels)
    alone = run("compare", "runs/own-need", "runs/own-need/seed-0", "--resamples", "100", "--json")
    assert json.loads(alone)["posts"] == 39
    assert "need, test: 39 posts" in run("evaluate", "runs/own-need")
