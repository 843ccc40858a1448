"""What is asked before a run is begun, and how a finished one is read back: everything that is damaged or
foreign is one sentence, and what lies there is not touched.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_cases import small_run, telling_posts

from crisislens.core.errors import CacheError, ConfigError, DataError
from crisislens.domain.task import own_task
from crisislens.evaluation.judged import judged
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths
from crisislens.training.features import informed_text
from crisislens.training.predict import evaluation_batches, predict
from crisislens.training.rationale_run import (
    RationaleRun,
    fit_rationales,
    is_rationale_run,
    read_rationale_source,
)
from crisislens.training.records import read_predictions
from crisislens.training.result import read_result
from crisislens.training.sections import KnowledgeConfig, RowConfig
from crisislens.training.starting import check_free, check_run, open_folder, run_folder

WIDTHS = FeatureWidths(text=4, text_pooled=4, image=4, image_pooled=4)


def leave(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (["run.yaml"], "holds a run that was interrupted; --resume goes on with it, --overwrite replaces it"),
        (["run.yaml", "metrics.json"], "holds a finished run; --resume keeps it, --overwrite replaces it"),
    ],
)
def test_a_run_that_is_there_is_kept_unless_something_is_said(
    there: list[str], sentence: str, tmp_path: Path
) -> None:
    leave(tmp_path, *there)
    with pytest.raises(CacheError, match=sentence):
        check_free(tmp_path, resume=False, overwrite=False)
    check_free(tmp_path, resume=True, overwrite=False)
    check_free(tmp_path, resume=False, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(there)


def test_a_folder_without_a_run_file_is_free(tmp_path: Path) -> None:
    leave(tmp_path, "metrics.json")
    check_free(tmp_path, resume=False, overwrite=False)
    check_free(tmp_path / "nothing", resume=False, overwrite=False)


def test_a_checkpoint_goes_on_only_over_its_own_data(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    folder = run_folder(tmp_path, run, 3)
    assert folder == tmp_path / "small" / "seed-3"
    open_folder(folder, run, "first", resume=False)
    leave(folder, "checkpoint.ckpt")
    open_folder(folder, run, "first", resume=True)
    assert (folder / "checkpoint.ckpt").is_file()
    with pytest.raises(CacheError, match="holds the checkpoint of a run on other data; give another --out"):
        open_folder(folder, run, "second", resume=True)
    # replaced, it is no matter what lay there
    open_folder(folder, run, "second", resume=False)
    assert not (folder / "checkpoint.ckpt").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": {"name": "concat", "options": {"widht": 8}}}, "model 'concat' has no option widht"),
        ({"model": {"name": "gated_late_fusion"}}, "reads captions, but none stand beside the posts"),
        ({"device": "mps"}, "device mps is not available here; leave device out"),
    ],
)
def test_a_run_file_is_wrong_before_anything_is_encoded(
    changes: dict[str, Any], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    before = torch.random.get_rng_state()
    with pytest.raises(ConfigError, match=sentence):
        check_run(small_run(tmp_path, **changes), telling_posts(), WIDTHS)
    check_run(small_run(tmp_path), telling_posts(), WIDTHS)
    # the caller's random numbers are where they were
    assert torch.equal(torch.random.get_rng_state(), before)


# results


@pytest.mark.parametrize(
    "content",
    ["", "[]", "[1]", '"text"', "null", "{}", '{"fingerprint": ', '{"fingerprint": 1, "data": 2'],
)
def test_a_damaged_result_is_one_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(CacheError, match=r"holds no readable result .*; replace it with --overwrite"):
        read_result(tmp_path, small_run(tmp_path), data="d")


def test_a_result_of_another_run_or_of_other_data_is_told_apart(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    values: dict[str, object] = {"fingerprint": run.fingerprint(), "data": "d"}
    (tmp_path / "metrics.json").write_text(json.dumps(values | {"fingerprint": "other"}))
    with pytest.raises(CacheError, match="holds another run of this name"):
        read_result(tmp_path, run, data="d")
    (tmp_path / "metrics.json").write_text(json.dumps(values))
    with pytest.raises(CacheError, match="was made from other data"):
        read_result(tmp_path, run, data="e")
    # of before texts beside the posts were kept, then with some
    with pytest.raises(CacheError, match="holds no readable result"):
        read_result(tmp_path, run, data="d", knowledge="k")
    (tmp_path / "metrics.json").write_text(json.dumps(values | {"knowledge": "other"}))
    with pytest.raises(CacheError, match="was made with other texts beside the posts"):
        read_result(tmp_path, run, data="d", knowledge="k")
    (tmp_path / "metrics.json").write_text(json.dumps(values))
    # the right one, of which the rest is missing
    with pytest.raises(CacheError, match="holds no readable result"):
        read_result(tmp_path, run, data="d")


def no_columns(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"split": ["dev"], "id": ["1"]}), path)


@pytest.mark.parametrize(
    "damage",
    [lambda path: None, lambda path: path.write_bytes(b"PAR1"), no_columns],
    ids=["missing", "cut", "without logits"],
)
def test_predictions_that_cannot_be_read_are_told(damage: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    damage(path)
    with pytest.raises(CacheError, match=r"predictions\.parquet cannot be read as predictions"):
        read_predictions(path)


# from posts to logits and back


class Numbers:
    """Posts whose only feature is their number."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = np.array(lengths)

    def batch(self, rows: np.ndarray) -> FeatureBatch:
        pooled = torch.tensor(rows, dtype=torch.float32)[:, None]
        everyone = torch.ones(len(rows), dtype=torch.bool)
        one = ModalityBatch(pooled[:, None], everyone[:, None], pooled, everyone)
        return FeatureBatch(text=one, image=one)


class Echo(torch.nn.Module):
    """Says the number of each post."""

    def forward(self, batch: FeatureBatch) -> torch.Tensor:
        return torch.cat([batch.text.pooled, -batch.text.pooled], dim=1)


@pytest.mark.parametrize("published", [False, True])
def test_logits_come_back_in_the_order_of_the_posts(published: bool, tmp_path: Path) -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 150).tolist()
    run = small_run(tmp_path).model_copy(update={"as_published": published})
    found = predict(Echo(), Numbers(lengths), run)
    assert found[:, 0].tolist() == list(range(150))
    batches = evaluation_batches(np.array(lengths), run)
    if published:
        # neighbors matter there: in the order of the file, by the batches of training
        assert np.concatenate(batches).tolist() == list(range(150))
        assert {len(batch) for batch in batches[:-1]} == {run.batch_posts}
    else:
        ordered = np.array(lengths)[np.concatenate(batches)]
        assert (np.diff(ordered) >= 0).all()


def test_answers_are_judged_by_the_best_class_or_by_the_whole_set() -> None:
    logits = np.array([[2.0, -1.0], [1.0, 2.0]])
    task = own_task("need", ["water", "food"])
    one = judged(logits, np.array([0, 0]), space=task, temperature=1.0)
    assert one.right.tolist() == [True, False]
    assert one.confidence == pytest.approx(one.probabilities.max(1))
    needs = own_task("need", ["water", "food"], several=True)
    several = judged(logits, np.array([[1, 0], [1, 0]]), space=needs, temperature=1.0)
    assert several.right.tolist() == [True, False]
    # a higher temperature doubts more, and answers the same
    doubtful = judged(logits, np.array([0, 0]), space=task, temperature=4.0)
    assert (doubtful.confidence < one.confidence).all()
    assert (doubtful.right == one.right).all()


@pytest.mark.parametrize(
    ("join", "tweet", "beside", "expected"),
    [
        ("concat", "Help us", "a flooded road", "Help us | a flooded road"),
        ("concat", "", "a flooded road", "a flooded road"),
        ("concat", "Help us", "", "Help us"),
        ("replace", "Help us", "a flooded road", "a flooded road"),
        ("replace", "Help us", "", ""),
        # a rule that deletes a link must not delete what stands behind it
        ("concat", "Help us https://t.co/x", "a flooded road", "Help us | a flooded road"),
    ],
)
def test_tweet_and_knowledge_share_a_text(
    join: str, tweet: str, beside: str, expected: str, tmp_path: Path
) -> None:
    config = KnowledgeConfig(name="llava", table=tmp_path / "t.csv", join=join)  # type: ignore[arg-type]
    assert informed_text(tweet, beside, config, small_run(tmp_path).rules) == expected


def test_published_numbers_need_a_source() -> None:
    about: dict[str, Any] = {"title": "T", "table": "t", "group": "g", "form": "ours"}
    numbers = {"A1": (90.0, 80.0, 85.0)}
    with pytest.raises(ValueError, match="published numbers need a source; say where they stand"):
        RowConfig(**about, published=numbers)
    assert RowConfig(**about, published=numbers, source="Table 2").published == numbers


# rationales


def test_a_run_file_of_rationales_is_known_by_its_key(tmp_path: Path) -> None:
    for content, known in (
        ("rationales: [a.csv]\n", True),
        ("name: x\n", False),
        ("- a\n", False),
        ("a: [\n", False),
    ):
        (tmp_path / "run.yaml").write_text(content)
        assert is_rationale_run(tmp_path / "run.yaml") == known
    assert not is_rationale_run(tmp_path / "missing.yaml")


def test_sources_without_texts_are_told_with_the_command_that_makes_some(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    run = RationaleRun(name="empty", rationales=(str(tmp_path / "none.jsonl"),))
    with pytest.raises(DataError, match=r"crisislens annotate"):
        fit_rationales(run, seed=0, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["a.jsonl", "a.NDJSON", "a.csv"])
def test_a_source_is_read_by_its_name_and_a_missing_one_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        read_rationale_source(tmp_path / name)
