"""Own labels on the command line: train, analyze, bundle, analyze again, compare, evaluate."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crisislens.cli.main import app
from own_posts import own_rows, write_table

# neither has to do with labels, and the first needs seconds to read its names
PLAIN = ("--without", "places", "--without", "place_types")
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
    assert "12 posts assessed" in run("analyze", "new.csv", *models, "--out", "first", *PLAIN)
    assert [list(tasks) for tasks in records(tmp_path / "first")] == [["need", "kind"]] * 12
    assert (tmp_path / "first" / "report.html").is_file()

    said = run("bundle", "runs/own-need", "runs/own-kind", "--out", "mine")
    assert "need: food, shelter, water; calibrated for text" in said
    run("analyze", "new.csv", "--model", "mine", "--out", "second", *PLAIN)
    assert records(tmp_path / "second") == records(tmp_path / "first")

    first, second = "first/assessments.jsonl", "second/assessments.jsonl"
    labels = ["--labels", "posts.csv", "--task", "need", "--resamples", "100"]
    assert "12 posts, 1 and 1 seeds" in run("compare", first, second, *labels)
    alone = run("compare", "runs/own-need", "runs/own-need/seed-0", "--resamples", "100", "--json")
    assert json.loads(alone)["posts"] == 39
    assert "need, test: 39 posts" in run("evaluate", "runs/own-need")


def test_from_reviews_to_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people said in the service is exported, trained on, and answers."""
    pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")
    from crisislens.store import open_store
    from store_posts import fill, new

    monkeypatch.chdir(tmp_path)
    posts = own_rows()
    with open_store("store.db", least_free_bytes=0) as store:
        ann = store.users.add("ann", "reviewer", actor="cli")
        numbers = fill(store, *(new(row["id"], row["text"]) for row in posts), source="radio")
        for number, row in zip(numbers, posts, strict=True):
            store.reviews.add(number, ann.id, verdict="label", task="need", labels=row["label"].split(";"))
    said = run("store", "export-reviews", "need", "--out", "reviews.csv", "--db", "store.db")
    told = dict(part.strip().split(": ", 1) for part in said.split("to train: ")[1].split(" (")[0].split(","))
    quick = ["--set", "encoder.name=hashing", "--set", "epochs=1"]
    settings = [word for name, value in told.items() for word in ("--set", f"{name}={value}")]
    trained = run("train", CONFIGS / "own.yaml", *quick, *settings)
    assert "need: food, shelter, water" in trained
    write_table(tmp_path / "new.csv", [{k: row[k] for k in ("id", "text")} for row in own_rows(6)])
    assert "6 posts assessed" in run("analyze", "new.csv", "--model", "runs/own", "--out", "out", *PLAIN)
    assert [list(tasks) for tasks in records(tmp_path / "out")] == [["need"]] * 6


def test_training_says_why_rows_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_table(tmp_path / "posts.csv", own_rows(60))
    path.write_text(path.read_text() + "p_x,a text, and more,water,asks,train,too\n")
    quick = ["--set", "encoder.name=hashing", "--set", "epochs=1", "--set", "data.root=posts.csv"]
    said = run("train", CONFIGS / "own.yaml", *quick)
    assert (
        "left out: 1 rows that failed; the first because the row has 7 columns where the header has 5" in said
    )
