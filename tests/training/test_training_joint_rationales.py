"""Training of both stages over one joint transformer: it learns words and decides on them alone,
resumes to the same weights, and its run file trains a model that `analyze` takes.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from command_line import Command
from crisislens.core.errors import CacheError, ConfigError, DataError, ModelError
from crisislens.data.marked_rationales import AnnotatedText, find_snippets
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.joint_artifact import load_joint_rationalizer
from crisislens.training import joint_run
from crisislens.training.joint_run import JointRun, fit_joint, is_joint_run
from crisislens.training.joint_scores import decide_texts
from crisislens.training.rationale_joint import (
    JointRationaleConfig,
    LabeledWindow,
    PairedPhoto,
    Pairs,
    build_model,
    train_joint_rationales,
)
from tiny_joint import COMPACT, tiny_joint, tiny_run

PLAIN = ("today", "the", "people", "said", "near", "here", "so", "and")
EVIDENCE = {"a": ("flood", "water", "river"), "b": ("fire", "smoke", "burned")}


def marked(count: int, seed: int = 0) -> list[AnnotatedText]:
    """Plain words with one stretch of evidence, whose words tell the class."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        label = "ab"[i % 2]
        parts = (random.choice(PLAIN, 4), random.choice(EVIDENCE[label], 2 + i % 3), random.choice(PLAIN, 3))
        before, inside, after = ([*map(str, part)] for part in parts)
        text = " ".join([*before, *inside, *after, f"x{i}"])
        spans, _ = find_snippets(text, [" ".join(inside)])
        rows.append(AnnotatedText(str(i), text, label, tuple(spans)))
    return rows


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object]]:
    """A run's folder and its scores."""
    root = tmp_path_factory.mktemp("joint")
    run = tiny_run(root, marked(128))
    return root / "tiny", fit_joint(run, seed=0, out=root, cache=root / "cache")


def test_it_learns_words_and_decides_on_them_alone(trained: tuple[Path, dict[str, object]]) -> None:
    folder, scores = trained
    found = scores["tests"]["held out"]  # type: ignore[index]
    assert found["words"]["token_f1"] > 0.9
    assert found["rationales alone"]["accuracy"] > 0.9
    assert found["rationales alone"]["accuracy_low"] <= found["rationales alone"]["accuracy"]
    loaded = load_joint_rationalizer(folder / "seed-0" / "model")
    assert loaded.config.space.classes == ("a", "b")
    # no labeled post had a photo, so none may decide
    assert not loaded.config.looks
    assert set(loaded.config.calibration) == {"text"}
    # the same words in a text that holds no other
    [whole, alone] = decide_texts(
        loaded.model,
        [
            AnnotatedText("1", "the flood water today", "a", ()),
            AnnotatedText("2", "so flood water near", "a", ()),
        ],
        lambda text: None,
    )
    assert whole.chosen == [False, True, True, False] == alone.chosen
    assert np.array_equal(whole.logits, alone.logits)
    assert whole.kind == "text"


def test_a_finished_seed_is_not_trained_again(trained: tuple[Path, dict[str, object]]) -> None:
    folder, scores = trained
    run = JointRun(name=folder.name, joint=("not there",))
    again = fit_joint(run, seed=0, out=folder.parent, cache=folder, resume=True)
    assert again == json.loads(json.dumps(scores))


def test_a_run_that_is_there_is_not_replaced_unasked(trained: tuple[Path, dict[str, object]]) -> None:
    folder, _ = trained
    run = JointRun(name=folder.name, joint=("not there",))
    before = (folder / "seed-0" / "scores.json").read_bytes()
    with pytest.raises(CacheError, match="finished run; --resume keeps it"):
        fit_joint(run, seed=0, out=folder.parent, cache=folder)
    # replaced where it is said: the first thing that then fails is the source
    with pytest.raises(DataError):
        fit_joint(run, seed=0, out=folder.parent, cache=folder, overwrite=True, resume=True)
    assert (folder / "seed-0" / "scores.json").read_bytes() == before


@pytest.mark.parametrize("how", [{"overwrite": True}, {"resume": True}], ids=["replaced", "gone on with"])
def test_a_seed_that_was_killed_does_not_pass_as_finished(
    how: dict[str, bool],
    trained: tuple[Path, dict[str, object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    run = tiny_run(tmp_path, marked(32))
    seed = tmp_path / run.name / "seed-0"
    shutil.copytree(trained[0] / "seed-0", seed)
    (seed / "last.ckpt").write_bytes(b"of an earlier training")
    if "resume" in how:
        # finished ones are kept
        (seed / "scores.json").unlink()
    monkeypatch.setattr(joint_run, "train_joint_rationales", killed)
    with pytest.raises(KeyboardInterrupt):
        fit_joint(run, seed=0, out=tmp_path, cache=tmp_path / "cache", **how)
    assert not (seed / "scores.json").exists()
    assert not (seed / "model").exists()
    # only what is gone on with goes on from its checkpoint
    assert (seed / "last.ckpt").exists() == ("resume" in how)


def test_a_text_without_words_is_decided_on_nothing() -> None:
    model = tiny_joint()
    [found] = decide_texts(model, [AnnotatedText("1", "http://t.co/1", "", ())], lambda text: None)
    assert found.kind is None
    assert found.chosen == [False]


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    short = JointRationaleConfig(
        rank=0, hidden=6, pair_width=4, epochs=3, batch_texts=16, learning_rate=1e-2, patience=9
    )

    class Killed(Exception):
        pass

    def once(checkpoint: Path, *, kill: bool = False, resume: bool = False) -> dict[str, torch.Tensor]:
        def stop(epoch: int) -> None:
            if kill and epoch == 2:
                raise Killed

        model = build_model(COMPACT, short, classes=2, looks=False)
        rows = examples(model)
        train_joint_rationales(
            model, rows[:24], rows[24:], short, checkpoint=checkpoint, resume=resume, progress=stop
        )
        return {name: x for name, x in model.state_dict().items() if not name.startswith("tower.encoder")}

    whole = once(tmp_path / "a.ckpt")
    with pytest.raises(Killed):
        once(tmp_path / "b.ckpt", kill=True)
    gone_on = once(tmp_path / "b.ckpt", resume=True)
    assert all(torch.equal(whole[name], gone_on[name]) for name in whole)


def examples(model: object, count: int = 32) -> list[LabeledWindow]:
    cutter = WordCutter(model.tower)  # type: ignore[attr-defined]
    return [
        LabeledWindow(window, tuple(t.word_labels()), "ab".index(t.label))
        for t in marked(count)
        for window in cutter.cut(t.text)
    ]


def test_pairs_teach_words_and_patches_one_space() -> None:
    config = JointRationaleConfig(
        rank=0,
        hidden=6,
        pair_width=4,
        epochs=5,
        batch_texts=8,
        space=4.0,
        head_learning_rate=2e-2,
        patience=20,
    )
    model = build_model(COMPACT, config, classes=2, looks=False)
    cutter, torch_seed = WordCutter(model.tower), torch.Generator().manual_seed(0)
    words = ("boat", "dog", "tree", "lamp", "road", "bird")
    patches = torch.randn(len(words), 16, model.tower.pair.image.width, generator=torch_seed)
    texts = [PairedPhoto(cutter.cut(word)[0], i) for i, word in enumerate(words)]
    pairs = Pairs(texts, lambda photos: patches[photos])
    rows = examples(model)
    train_joint_rationales(model, rows[:24], rows[24:], config, pairs=pairs)
    with torch.no_grad():
        batch = collate_windows([x.window for x in texts], model.tower.pad_id)
        aligned = model.tower(batch, model.tower.no_photos(len(words))).aligned
        seen = model.tower.joint.inlet_image(patches)  # type: ignore[operator, union-attr]
        text = torch.nn.functional.normalize(aligned.text[:, 0], dim=-1)
        cosine = torch.einsum("td,ipd->tip", text, torch.nn.functional.normalize(seen, dim=-1)).amax(2)
    assert (cosine.argmax(1) == torch.arange(len(words))).float().mean() > 0.8


def test_photos_of_labeled_posts_decide(tmp_path: Path) -> None:
    for i in range(2):
        Image.new("RGB", (40, 40), (255 * i, 0, 0)).save(tmp_path / f"{i}.png")
    rows = [replace(text, image=f"{i % 2}.png") for i, text in enumerate(marked(24))]
    run = tiny_run(tmp_path, rows, images=str(tmp_path))
    run = run.model_copy(update={"training": run.training.model_copy(update={"epochs": 1})})
    fit_joint(run, seed=1, out=tmp_path, cache=tmp_path / "cache")
    assert load_joint_rationalizer(tmp_path / "tiny" / "seed-1" / "model").config.looks


@pytest.mark.parametrize(
    ("texts", "changes", "error", "said"),
    [
        (marked(3), {}, DataError, "cannot be cut into 4 folds"),
        ([replace(t, spans=()) for t in marked(16)], {}, DataError, "has a marked word"),
        (marked(16), {"task": "humanitarian_b2", "merges": {"a": "nowhere"}}, ConfigError, "does not have"),
        (marked(16), {"task": "needs"}, ConfigError, "needs is one of several labels a post"),
        (marked(16), {"pairs": "none.tsv"}, DataError, "no table of photos"),
    ],
)
def test_what_cannot_be_trained_is_said(
    tmp_path: Path, texts: list[AnnotatedText], changes: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        fit_joint(tiny_run(tmp_path, texts, **changes), seed=0, out=tmp_path, cache=tmp_path)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    config = JointRationaleConfig(rank=0, hidden=6, pair_width=4, epochs=1, batch_texts=8)
    model = build_model(COMPACT, config, classes=2, looks=False)
    rows, file = examples(model), tmp_path / "x.ckpt"
    train_joint_rationales(model, rows[:24], rows[24:], config, checkpoint=file, mark="one")
    with pytest.raises(ModelError, match="another run"):
        train_joint_rationales(model, rows[:24], rows[24:], config, checkpoint=file, resume=True, mark="two")


def test_the_command_trains_and_analyze_decides_on_rationales_alone(
    tmp_path: Path, crisislens: Command
) -> None:
    run = tiny_run(tmp_path, marked(24))
    recipe = run.training.model_copy(update={"epochs": 1})
    values = run.model_copy(update={"training": recipe}).model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "run.yaml").write_text(json.dumps(values))
    assert is_joint_run(tmp_path / "run.yaml")
    assert not is_joint_run(tmp_path / "marked.jsonl")
    done = crisislens("train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert "rationales alone" in done.stdout + done.stderr
    (tmp_path / "posts.csv").write_text("id,text\n1,today the flood water near here\n2,http://t.co/x\n")
    out = tmp_path / "out"
    done = crisislens(
        *("analyze", str(tmp_path / "posts.csv"), "--model", str(tmp_path / "runs" / "tiny")),
        *("--out", str(out), "--without", "places", "--without", "place_types"),
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads(line) for line in (out / "assessments.jsonl").read_text().splitlines())
    assert first["rationale"]["decides"] == ["text"]
    assert first["rationale"]["text"]
    assert second["rationale"]["decides"] == []
    assert second["tasks"]["tiny"]["abstained"]
    assert "evidence alone" in second["tasks"]["tiny"]["reason"]
    page = (out / "report.html").read_text()
    assert "The answer rests on these words alone" in page
    assert "rests on the marked words and parts of the photo alone" in page
