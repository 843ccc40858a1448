"""Own labels from a table to a model; and a finished run that no mistake in a run file can cost."""

from pathlib import Path
from typing import Any

import pytest

import crisislens
from crisislens.core.errors import (
    CacheError,
    ConfigError,
    CrisisLensError,
    DataError,
    InputError,
    NotRegisteredError,
)
from crisislens.domain.tasks import TASKS
from crisislens.models.artifact import read_meta
from crisislens.training.fit import RunResult
from own_posts import CLASSES, own_rows, write_table


def values(table: Path, **changes: Any) -> dict[str, Any]:
    """A run of a second over hashed words."""
    return {
        "name": "own",
        "data": {"source": "table", "root": str(table)},
        "encoder": {"name": "hashing"},
        "model": {"name": "late_fusion", "options": {"width": 8, "source": "pooled"}},
        "optimizer": {"learning_rate": 2e-2},
        "epochs": 4,
        "seeds": [0],
        "batch_posts": 8,
        "device": "cpu",
        "keep_tokens": [],
        **changes,
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("own") / "posts.csv", own_rows())


@pytest.fixture(scope="module")
def trained(table: Path) -> RunResult:
    [result] = crisislens.train(values(table), out=table.parent / "runs", cache=table.parent / "cache")
    return result


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_several_labels_train_calibrate_and_answer(trained: RunResult) -> None:
    assert trained.test.report.posts == 39
    assert trained.test.report.macro_f1.value > 0.7
    assert trained.test.report.confusion == ()
    _, meta = read_meta(trained.folder / "artifact")
    assert meta.space.several
    assert meta.classes == CLASSES
    assert set(meta.calibration) == {"text"}
    [both, nothing] = crisislens.Analyst.load(trained.folder).assess(
        ["we need help: no drinking water and hungry families ask for bread", "sunny"]
    )
    p = both.tasks["label"].probabilities
    assert min(p["water"], p["food"]) > p["shelter"]
    assert set(nothing.tasks["label"].probabilities) == set(CLASSES)


def test_evaluating_gives_the_numbers_of_training(trained: RunResult, table: Path) -> None:
    again = crisislens.evaluate(trained.folder)
    assert again.report.macro_f1.value == pytest.approx(trained.test.report.macro_f1.value)
    # the run's own table by its path: its test posts, not all posts
    assert crisislens.evaluate(trained.folder, table).report.posts == 39


def test_a_run_is_not_measured_on_what_it_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Splits that were made are made anew of a table that has grown."""
    monkeypatch.chdir(tmp_path)
    old = own_rows(120, split=False)
    write_table(tmp_path / "posts.csv", old[:90])
    run = values(Path("posts.csv"), epochs=1)
    [result] = crisislens.train(run, out=tmp_path / "runs", cache=tmp_path / "cache")
    assert crisislens.evaluate(result.folder).report == result.test.report
    write_table(tmp_path / "posts.csv", old)
    told = "posts.csv is no longer the table that this run was trained on, .* of another name, with --data"
    with pytest.raises(DataError, match=told):
        crisislens.evaluate(result.folder)
    with pytest.raises(DataError, match=told):
        crisislens.evaluate(result.folder, "posts.csv")
    write_table(tmp_path / "new.csv", old[90:])
    assert crisislens.evaluate(result.folder, "new.csv").report.posts == 30
    # a table of the same name beside which somebody works later is not the run's own
    other = tmp_path / "other"
    other.mkdir()
    write_table(other / "posts.csv", old[90:])
    monkeypatch.chdir(other)
    with pytest.raises(DataError, match=told):
        crisislens.evaluate(result.folder, "posts.csv")


def test_splits_that_a_table_names_are_its_own_word(table: Path, tmp_path: Path) -> None:
    path = write_table(tmp_path / "posts.csv", own_rows(90))
    [result] = crisislens.train(values(path, epochs=1), out=tmp_path / "runs", cache=tmp_path / "cache")
    write_table(path, own_rows(120))
    assert crisislens.evaluate(result.folder).report.posts == 39


def test_a_dev_split_that_was_cut_from_train_is_made_anew_of_a_table_that_has_grown(tmp_path: Path) -> None:
    old = [
        {**row, "split": "test" if row["split"] == "test" else "train"} for row in own_rows(120, split=True)
    ]
    path = write_table(tmp_path / "posts.csv", old[:90])
    [result] = crisislens.train(values(path, epochs=1), out=tmp_path / "runs", cache=tmp_path / "cache")
    assert crisislens.evaluate(result.folder, split="dev").report.posts > 0
    write_table(path, old)
    told = "no longer the table .*, or this version reads it otherwise, so its dev posts may be posts that"
    with pytest.raises(DataError, match=told):
        crisislens.evaluate(result.folder, split="dev")
    named = sum(row["split"] == "test" for row in old)
    assert crisislens.evaluate(result.folder).report.posts == named


def test_a_new_table_is_measured_whole(trained: RunResult, tmp_path: Path) -> None:
    rows = own_rows(30, split=False)[20:]
    found = crisislens.evaluate(trained.folder, write_table(tmp_path / "new.csv", rows))
    assert (found.report.posts, found.report.classes) == (10, CLASSES)
    only_water = [row for row in rows if row["label"] == "water"]
    few = crisislens.evaluate(trained.folder, write_table(tmp_path / "water.csv", only_water))
    assert few.report.per_class["food"].support == 0
    strange = [{**rows[0], "label": "boats"}]
    with pytest.raises(DataError, match=r"holds boats, which task\.classes does not list"):
        crisislens.evaluate(trained.folder, write_table(tmp_path / "strange.csv", strange))


def test_an_own_task_may_have_the_name_of_one_of_ours(trained: RunResult, table: Path) -> None:
    name = next(iter(TASKS))
    run = values(table, name="named", task={"name": name}, epochs=1)
    [result] = crisislens.train(run, out=table.parent / "runs", cache=table.parent / "cache")
    [found] = crisislens.Analyst.load(result.folder).assess(["no drinking water"])
    assert set(found.tasks[name].probabilities) == set(CLASSES)


MISTAKES: list[tuple[dict[str, Any], type[CrisisLensError], str]] = [
    ({"model": {"name": "late_fusoin"}}, NotRegisteredError, "did you mean 'late_fusion'"),
    ({"model": {"name": "late_fusion", "options": {"widht": 8}}}, ConfigError, "has no option widht"),
    ({"encoder": {"name": "hashign"}}, NotRegisteredError, "did you mean 'hashing'"),
    ({"data": {"source": "table", "root": "nowhere.csv"}}, DataError, "no posts file at nowhere.csv"),
    ({"task": {"classes": ["water"]}}, DataError, "which task.classes does not list"),
    ({"task": {"classes": [*CLASSES, "boats"]}}, DataError, "no training post has the class boats"),
]


@pytest.mark.parametrize(("change", "error", "sentence"), MISTAKES)
def test_a_mistake_leaves_the_finished_run_as_it_was(
    trained: RunResult, table: Path, change: dict[str, Any], error: type[CrisisLensError], sentence: str
) -> None:
    before = contents(table.parent / "runs" / "own")
    run = values(table, **change)
    with pytest.raises(error, match=sentence):
        crisislens.train(run, out=table.parent / "runs", cache=table.parent / "cache", overwrite=True)
    assert contents(table.parent / "runs" / "own") == before


def test_bad_splits_leave_the_finished_run_as_it_was(trained: RunResult, table: Path, tmp_path: Path) -> None:
    before = contents(table.parent / "runs" / "own")
    rows = [{**row, "split": "dev" if row["split"] == "test" else row["split"]} for row in own_rows()]
    rows[0]["split"] = "holdout"
    bad = write_table(tmp_path / "bad.csv", rows)
    with pytest.raises(DataError, match="column split says 'holdout'"):
        crisislens.train(values(bad), out=table.parent / "runs", cache=tmp_path, overwrite=True)
    assert contents(table.parent / "runs" / "own") == before


def test_what_cannot_be_written_is_told_before_anything_is(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(InputError, match="file is a file, and a folder is needed; give another --cache"):
        crisislens.train(values(table), out=tmp_path / "runs", cache=file)
    # the corrected command must not be told of a run that was interrupted
    assert not (tmp_path / "runs").exists()
    with pytest.raises(InputError, match="file is a file, and a folder is needed; give another --out"):
        crisislens.train(values(table), out=file, cache=tmp_path / "cache")
    assert file.read_text() == "mine"


def test_no_seed_is_counted_twice(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seeds must differ, and 0 stands there twice"):
        crisislens.train(values(table), out=tmp_path, cache=tmp_path, seeds=[0, 0])
    assert not list(tmp_path.iterdir())


def test_nothing_finished_is_overwritten_unless_it_is_said(trained: RunResult, table: Path) -> None:
    folder = table.parent / "runs" / "own"
    before = contents(folder)
    with pytest.raises(CacheError, match="a finished run; --resume keeps it, --overwrite replaces it"):
        crisislens.train(values(table), out=table.parent / "runs", cache=table.parent / "cache")
    # a seed that is free does not train either, if a later one is not
    with pytest.raises(CacheError, match="seed-0 holds a finished run"):
        crisislens.train(values(table, seeds=[1, 0]), out=table.parent / "runs", cache=table.parent / "cache")
    other = values(table, epochs=5)
    with pytest.raises(CacheError, match=r"another run of this name; .*--overwrite instead of --resume"):
        crisislens.train(other, out=table.parent / "runs", cache=table.parent / "cache", resume=True)
    [kept] = crisislens.train(
        values(table), out=table.parent / "runs", cache=table.parent / "cache", resume=True
    )
    assert kept.test == trained.test
    assert contents(folder) == before


def test_every_label_column_is_checked_before_the_first_one_trains(table: Path, tmp_path: Path) -> None:
    data = {"source": "table", "root": str(table), "labels": {"need": "label", "kind": "nothere"}}
    with pytest.raises(DataError, match="has no column 'nothere' for label"):
        crisislens.train(values(table, data=data), out=tmp_path / "runs", cache=tmp_path / "cache")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(ConfigError, match=r"data\.labels"):
        crisislens.train(values(table, data={**data, "labels": {"../x": "label"}}), out=tmp_path / "runs")


def test_a_replaced_run_leaves_no_model_of_before(trained: RunResult, table: Path, tmp_path: Path) -> None:
    from crisislens.training.config import RunConfig
    from crisislens.training.starting import open_folder

    run = RunConfig.parse(values(table), where="test")
    for name in ("artifact/config.json", "predictions.parquet", "metrics.json", "checkpoint.ckpt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    open_folder(tmp_path, run, "1234", resume=False)
    assert sorted(contents(tmp_path)) == ["data.fingerprint", "run.yaml"]
    (tmp_path / "checkpoint.ckpt").write_text("half way")
    open_folder(tmp_path, run, "1234", resume=True)
    assert (tmp_path / "checkpoint.ckpt").is_file()
    with pytest.raises(CacheError, match=r"a run on other data; .*--overwrite instead of --resume"):
        open_folder(tmp_path, run, "5678", resume=True)
