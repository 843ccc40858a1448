"""Training of rationale models on made-up texts in which one kind of word is evidence; saving; the run file
and its command.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from command_line import Command
from crisislens.core.errors import CacheError, ConfigError, DataError, InputError, NotRegisteredError
from crisislens.data.marked_rationales import AnnotatedText, find_snippets
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.compact import MINILM_WEIGHTS
from crisislens.encoders.lora import lora_state
from crisislens.evaluation.rationale_scores import token_f1
from crisislens.explain.rationalizer import Rationalizer
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.rationale_artifact import RationaleModelConfig, load_rationalizer, save_rationalizer
from crisislens.training import rationale_run
from crisislens.training.joint_run import JointRun, is_joint_run
from crisislens.training.rationale import RationaleConfig, predict_words, train_rationalizer
from crisislens.training.rationale_run import (
    RationaleRun,
    check_rationale_seeds,
    fit_rationales,
    is_rationale_run,
)

SMALL = RationaleConfig(
    rank=0, hidden=16, pair_width=8, dropout=0.0, epochs=12, batch_texts=8, head_learning_rate=1e-2
)


def made_up(count: int, seed: int = 0) -> list[AnnotatedText]:
    """Texts of plain words with one stretch of disaster words."""
    random = np.random.default_rng(seed)
    plain, evidence = (
        ("today", "the", "people", "said", "near", "here", "so", "and"),
        ("flood", "dead", "damage", "trapped"),
    )
    rows = []
    for i in range(count):
        before, inside, after = (
            [*random.choice(pool, n)] for pool, n in ((plain, 4), (evidence, 2 + i % 2), (plain, 3))
        )
        text = " ".join([*before, *inside, *after, f"http://t.co/{i}"])
        spans, _ = find_snippets(text, [" ".join(inside)])
        rows.append(AnnotatedText(str(i), text, "a" if i % 2 else "b", tuple(spans)))
    return rows


def test_it_learns_which_words_are_evidence() -> None:
    encoder = load_encoders(EncoderSpec(name="hashing")).text
    model = train_rationalizer(encoder, made_up(48), ("a", "b"), SMALL)
    test = made_up(20, seed=1)
    for decode, least in (("stretch", 0.95), ("threshold", 0.9)):
        found = predict_words(model, test, decode=decode)  # type: ignore[arg-type]
        f1 = [token_f1(np.array(t.word_labels()), np.array(c)) for t, (c, _) in zip(test, found, strict=True)]
        assert np.mean(f1) > least
        # links are words too, and never evidence
        assert all(c[-1] is False and p[-1] == 0 for c, p in found)


def test_seeds_repeat() -> None:
    fast = SMALL.model_copy(update={"epochs": 1, "dropout": 0.3})
    found = [
        train_rationalizer(
            load_encoders(EncoderSpec(name="hashing")).text, made_up(16), ("a", "b"), fast
        ).state_dict()
        for _ in range(2)
    ]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_texts_without_marks_are_told() -> None:
    with pytest.raises(DataError, match="no text has a marked word"):
        train_rationalizer(
            load_encoders(EncoderSpec(name="hashing")).text, [AnnotatedText("1", "a b", "", ())], (), SMALL
        )


def test_the_adapted_default_is_saved_and_loaded(tmp_path: Path) -> None:
    recipe = RationaleConfig(rank=2, hidden=8, pair_width=4, epochs=1, targets=("*layer.5.*query",))
    model = train_rationalizer(load_encoders(EncoderSpec()).text, made_up(8), ("a", "b"), recipe)
    trained = {name for name, p in model.encoder.named_parameters() if p.requires_grad}
    assert all("layer.5." in name for name in trained)
    assert any("LayerNorm" in name for name in trained)
    config = RationaleModelConfig(name="x", encoder=EncoderSpec(), classes=("a", "b"), hidden=8, pair_width=4)
    save_rationalizer(
        tmp_path, model, lora_state(model.encoder, base=MINILM_WEIGHTS.sha256), config, card="# x\n"
    )
    loaded = load_rationalizer(tmp_path)
    windows = [WordCutter(model.encoder).cut("flood damage in the town")[0]]
    batch = collate_windows(windows, 0)
    ours, theirs = model.rationales(batch), loaded.text.rationales(batch)
    # half precision keeps three digits of each weight
    assert torch.allclose(ours.probability, theirs.probability, atol=5e-3)
    assert torch.allclose(ours.words, theirs.words, atol=2e-2)
    assert (tmp_path / "adapter.safetensors").stat().st_size < 20_000


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    lines = [
        json.dumps({"id": t.id, "text": t.text, "label": t.label, "spans": t.spans}) for t in made_up(30)
    ]
    (tmp_path / "annotations.jsonl").write_text("\n".join(lines))
    (tmp_path / "run.yaml").write_text(
        "name: mine\nrationales: [annotations.jsonl]\nfolds: 3\nencoder: {name: hashing}\n"
        "training: {rank: 0, hidden: 8, pair_width: 4, epochs: 2, head_learning_rate: 0.01}\n"
    )
    return tmp_path / "run.yaml"


def test_a_run_writes_a_model_and_its_scores(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_rationale_run(run_file)
    scores = fit_rationales(RationaleRun.load(run_file), seed=1, out=tmp_path / "runs")
    folder = tmp_path / "runs" / "mine" / "seed-1"
    assert json.loads((folder / "scores.json").read_text()) == scores
    assert 0 <= scores["tests"]["held out"]["stretch"]["token_f1"] <= 1  # type: ignore[index]
    [found] = Rationalizer.load(folder / "model").find(["flood damage here https://t.co/x"])
    assert len(found.words) == 4
    assert found.chosen[3] is False
    assert any(found.chosen)


def test_a_run_that_is_there_is_kept_and_never_replaced_unasked(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, out = RationaleRun.load(run_file), tmp_path / "runs"
    folder = out / "mine" / "seed-1"
    first = fit_rationales(run, seed=1, out=out)
    weights = (folder / "model" / "model.safetensors").read_bytes()
    other = run.model_copy(update={"training": run.training.model_copy(update={"hidden": 4})})
    with pytest.raises(CacheError, match="finished run"):
        fit_rationales(other, seed=1, out=out)
    assert fit_rationales(run, seed=1, out=out, resume=True) == json.loads(json.dumps(first))
    # its scores would pass as those of the other one
    with pytest.raises(CacheError, match="was made by another run file or from other data"):
        fit_rationales(other, seed=1, out=out, resume=True)
    with pytest.raises(CacheError, match="--overwrite instead of --resume"):
        check_rationale_seeds(other, [0, 1], out, resume=True, overwrite=False)
    # a mistake in a run file costs nothing of what is there
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for changes, error in (
        ({"test": ("not_there.csv",)}, DataError),
        ({"encoder": EncoderSpec(name="not_there")}, NotRegisteredError),
        ({"training": run.training.model_copy(update={"device": "mps"})}, ConfigError),
    ):
        wrong = run.model_copy(update=changes)
        with pytest.raises(error):
            fit_rationales(wrong, seed=1, out=out, overwrite=True)
    marked = (tmp_path / "annotations.jsonl").read_bytes()
    bare = [json.dumps({"id": t.id, "text": t.text, "label": t.label, "spans": []}) for t in made_up(30)]
    (tmp_path / "annotations.jsonl").write_text("\n".join(bare))
    with pytest.raises(DataError, match="no text has a marked word"):
        fit_rationales(run, seed=1, out=out, overwrite=True)
    (tmp_path / "annotations.jsonl").write_bytes(marked)
    assert fit_rationales(run, seed=1, out=out, resume=True) == json.loads(json.dumps(first))
    assert (folder / "model" / "model.safetensors").read_bytes() == weights
    # killed between the model and its scores
    (folder / "scores.json").unlink()
    with pytest.raises(CacheError, match="interrupted"):
        fit_rationales(other, seed=1, out=out)
    assert fit_rationales(run, seed=1, out=out, resume=True)["tests"] == first["tests"]
    fit_rationales(other, seed=1, out=out, overwrite=True)
    assert (folder / "model" / "model.safetensors").read_bytes() != weights

    # killed while it was being replaced: what is there is no finished seed, neither the old one nor the new
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rationale_run, "train_rationalizer", killed)
        with pytest.raises(KeyboardInterrupt):
            fit_rationales(run, seed=1, out=out, overwrite=True)
    assert not (folder / "scores.json").exists()
    assert not (folder / "model").exists()
    assert fit_rationales(run, seed=1, out=out, resume=True)["tests"] == first["tests"]
    (folder / "scores.json").write_text("{")
    with pytest.raises(CacheError, match="--overwrite"):
        fit_rationales(run, seed=1, out=out, resume=True)


def test_a_seed_has_one_training_at_a_time(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run, out = RationaleRun.load(run_file), tmp_path / "runs"
    refused = []

    def again(epoch: int) -> None:
        with pytest.raises(InputError, match=r"another training is writing into .*seed-1; wait") as found:
            fit_rationales(run, seed=1, out=out, overwrite=True)
        refused.append(found)

    fit_rationales(run, seed=1, out=out, progress=again)
    assert refused
    # the system has let go of it
    fit_rationales(run, seed=1, out=out, overwrite=True)


def test_the_command_refuses_before_it_trains(crisislens: Command, run_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine" / "seed-3"
    (folder / "model").mkdir(parents=True)
    seeds = ("--seed", "2", "--seed", "3")
    done = crisislens("train", run_file, "--out", "runs", *seeds, cwd=tmp_path)
    assert done.returncode == 5, done.stderr
    assert "seed-3 holds a run that was interrupted" in done.stderr
    # the mistake of the second seed costs nothing
    assert not (folder.parent / "seed-2").exists()
    done = crisislens("train", run_file, "--out", "runs", "--push-to-hub", "a/b", cwd=tmp_path)
    assert done.returncode == 2
    assert "sends classification models" in done.stderr
    assert not (folder.parent / "seed-0").exists()


def test_train_reads_what_annotate_exports(crisislens: Command, run_file: Path, tmp_path: Path) -> None:
    done = crisislens("train", run_file, "--out", "runs", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seed 0, held out, stretch" in done.stdout
    assert (tmp_path / "runs" / "mine" / "seed-0" / "model" / "config.json").is_file()


def test_the_run_files_that_ship_fit() -> None:
    folder = Path(__file__).resolve().parents[2] / "configs" / "rationales"
    for path in folder.glob("*.yaml"):
        # a run file is of one kind
        assert is_rationale_run(path) != is_joint_run(path)
        assert RationaleRun.load(path).rationales if is_rationale_run(path) else JointRun.load(path).joint
