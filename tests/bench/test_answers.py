"""Answers of runs and of analyses beside their labels."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crisislens.bench.answers import answers_of_analysis, answers_of_run
from crisislens.core.errors import CacheError, CrisisLensError, DataError, InputError
from crisislens.data.labeled import LabeledData
from crisislens.data.source import LabeledPost
from crisislens.domain.post import Post
from crisislens.domain.tasks import own_task

NOTHING: frozenset[str] = frozenset()


def predictions(folder: Path, answers: list[str], labels: list[str] | None = None) -> Path:
    """What a seed leaves: one dev post, then test posts; the first two are photos of one tweet."""
    folder.mkdir(parents=True)
    count = len(answers)
    rows = {
        "id": ["9", *(f"123456{i // 2}_{i % 2}" for i in range(count))],
        "split": ["dev", *["test"] * count],
        "event": ["flood"] * (count + 1),
        "label": ["food", *(labels or ["food"] * count)],
        "answer": ["food", *answers],
    }
    pq.write_table(pa.table(rows), folder / "predictions.parquet")
    return folder


def labeled(several: bool, **labels: tuple[str, ...]) -> LabeledData:
    """Labels by the id of the post."""
    posts = []
    for name, held in labels.items():
        first, *rest = held or ("",)
        posts.append(LabeledPost(Post(id=name), first, "test", tuple(rest)))
    task = own_task("need", ["food", "water"], several=several)
    return LabeledData(task, {"train": [], "dev": [], "test": posts}, Path(), "0", {})


def answer(label: str, *labels: str, abstained: bool = False, **p: float) -> dict[str, Any]:
    return {"label": label, "labels": labels, "abstained": abstained, "probabilities": p}


def analysis(folder: Path, **posts: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "assessments.jsonl"
    records = [{"post": {"id": name}, "tasks": tasks} for name, tasks in posts.items()]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_seed_answers_for_itself_and_a_run_for_all_its_seeds(tmp_path: Path) -> None:
    one = predictions(tmp_path / "run" / "seed-0", ["food", "water;food", ""])
    predictions(tmp_path / "run" / "seed-1", ["water", "water", "food"])
    found = answers_of_run(one)
    assert found.name == "run seed-0"
    assert found.said == ((frozenset({"food"}), frozenset({"food", "water"}), NOTHING),)
    assert found.clusters == ("1234560", "1234560", "1234561")
    assert found.events == ("flood",) * 3
    both = answers_of_run(tmp_path / "run")
    assert (both.name, len(both.said), both.said[0]) == ("run", 2, found.said[0])
    assert answers_of_run(one / "artifact").said == found.said
    assert answers_of_run(one, "dev").ids == ("9",)


def test_seeds_of_other_posts_are_not_averaged(tmp_path: Path) -> None:
    predictions(tmp_path / "run" / "seed-0", ["food"])
    predictions(tmp_path / "run" / "seed-1", ["food"], labels=["water"])
    with pytest.raises(CacheError, match="answered different posts; train them on one data set"):
        answers_of_run(tmp_path / "run")


def test_folders_without_predictions_are_told(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"holds no predictions\.parquet; give the folder OUT/NAME"):
        answers_of_run(tmp_path)
    (tmp_path / "predictions.parquet").write_bytes(b"no parquet")
    with pytest.raises(CacheError, match=r"cannot be read as predictions .*; train the run again"):
        answers_of_run(tmp_path)
    with pytest.raises(CacheError, match=r"holds no train posts; it has dev and test"):
        answers_of_run(predictions(tmp_path / "run", ["food"]), "train")


def test_an_analysis_answers_the_posts_that_have_labels(tmp_path: Path) -> None:
    path = analysis(
        tmp_path / "first",
        a={"need": answer("food", "food")},
        b={"need": answer("water", abstained=True)},
        stranger={"need": answer("water", "water")},
    )
    found = answers_of_analysis(path, labeled(False, a=("food",), b=("food",), unseen=("food",)))
    assert found.name == "first"
    assert found.ids == ("a", "b")
    # where it is not sure, what it leans to
    assert found.said == ((frozenset({"food"}), frozenset({"water"})),)
    assert found.truth == (frozenset({"food"}),) * 2


def test_several_labels_lean_to_all_that_would_hold(tmp_path: Path) -> None:
    path = analysis(
        tmp_path,
        a={"need": answer("food", "food", "water", food=0.9, water=0.8)},
        b={"need": answer("food", abstained=True, food=0.6, water=0.5)},
        c={"need": answer("food", food=0.1, water=0.0)},
        d={"need": answer("food", abstained=True, food=0.4, water=0.3)},
    )
    data = labeled(True, a=("food",), b=("food", "water"), c=(), d=())
    found = answers_of_analysis(path, data)
    both = frozenset({"food", "water"})
    assert found.said == ((both, both, NOTHING, NOTHING),)
    assert found.truth == (frozenset({"food"}), both, NOTHING, NOTHING)


def test_of_several_tasks_one_is_named(tmp_path: Path) -> None:
    path = analysis(tmp_path, a={"need": answer("food", "food"), "kind": answer("asks", "asks")})
    data = labeled(False, a=("food",))
    assert answers_of_analysis(path, data, "need").ids == ("a",)
    with pytest.raises(InputError, match=r"answers need, kind; name one of them with --task$"):
        answers_of_analysis(path, data)
    with pytest.raises(InputError, match="name one of them with --task, not 'mood'"):
        answers_of_analysis(path, data, "mood")


@pytest.mark.parametrize(
    ("content", "error", "sentence"),
    [
        ("{}\n", DataError, "line 1 of .* is no assessment; give the assessments.jsonl of analyze"),
        ("[1]\n", DataError, "line 1 of .* is no assessment"),
        ("not json\n", DataError, "line 1 of .* is no assessment"),
        ("", InputError, "no post of .* has a label in the table; do the ids of both belong together"),
        (None, InputError, "cannot be read .*; give an assessments.jsonl"),
    ],
)
def test_files_that_are_no_analysis_are_told(
    tmp_path: Path, content: str | None, error: type[CrisisLensError], sentence: str
) -> None:
    path = tmp_path / "assessments.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=sentence):
        answers_of_analysis(path, labeled(False, a=("food",)))
