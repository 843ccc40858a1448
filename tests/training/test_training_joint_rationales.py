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
from crisislens.core.errors import CacheError, ConfigError, DataError, InputError, ModelError
from crisislens.data.images import ImageLimits
from crisislens.data.marked_rationales import AnnotatedText, find_snippets
from crisislens.domain.post import Post
from crisislens.domain.task import own_task
from crisislens.domain.tasks import TASKS
from crisislens.explain.joint_reader import EvidenceReader
from crisislens.features.word_owners import WordCutter, collate_windows
from crisislens.models.joint_artifact import load_joint_rationalizer
from crisislens.pipeline.deciding import Decider
from crisislens.training import joint_run
from crisislens.training.joint_run import JointRun, check_joint_seeds, fit_joint, is_joint_run
from crisislens.training.joint_scores import decide_texts
from crisislens.training.rationale_joint import (
    JointRationaleConfig,
    LabeledWindow,
    PairedPhoto,
    Pairs,
    build_model,
    train_joint_rationales,
)
from tiny_joint import COMPACT, TASK, tiny_joint, tiny_run, write_joint

PLAIN = ("today", "the", "people", "said", "near", "here", "so", "and")
LETTERS = own_task("tiny", ["a", "b"])
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
        LETTERS,
    )
    assert whole.chosen == [False, True, True, False] == alone.chosen
    assert np.array_equal(whole.logits, alone.logits)
    assert whole.kind == "text"


def never(*_: object, **__: object) -> None:
    raise AssertionError("trained")


def test_a_finished_seed_is_not_trained_again(
    trained: tuple[Path, dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, scores = trained
    monkeypatch.setattr(joint_run, "train_joint_rationales", never)
    # the same posts may lie elsewhere by now, and other seeds be asked for
    run = tiny_run(tmp_path, marked(128), seeds=(0, 1))
    again = fit_joint(run, seed=0, out=folder.parent, cache=folder, resume=True)
    assert again == json.loads(json.dumps(scores))


def test_scores_of_another_run_do_not_pass_as_this_ones(
    trained: tuple[Path, dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint_run, "train_joint_rationales", never)
    seed = tmp_path / "tiny" / "seed-0"
    shutil.copytree(trained[0] / "seed-0", seed)
    shutil.copy(trained[0].parent / "marked.jsonl", tmp_path / "hagupit.jsonl")
    same = tiny_run(tmp_path, marked(128))
    for other in (
        same.model_copy(update={"languages": ("en", "es")}),
        same.model_copy(update={"test": (str(tmp_path / "hagupit.jsonl"),)}),
        same.model_copy(update={"images": str(tmp_path)}),
    ):
        with pytest.raises(CacheError, match="was made by another run file or from other data"):
            fit_joint(other, seed=0, out=tmp_path, cache=tmp_path, resume=True)
        with pytest.raises(CacheError, match="--overwrite instead of --resume"):
            check_joint_seeds(other, [1, 0], tmp_path, resume=True, overwrite=False)
    other = tiny_run(tmp_path, [replace(text, image="a.png") for text in marked(128)])
    with pytest.raises(CacheError, match="was made by another run file or from other data"):
        fit_joint(other, seed=0, out=tmp_path, cache=tmp_path, resume=True)
    # as versions of before wrote them
    same = tiny_run(tmp_path, marked(128))
    assert check_joint_seeds(same, [1, 0], tmp_path, resume=True, overwrite=False) == 0
    scores = json.loads((seed / "scores.json").read_text())
    del scores["mark"]
    (seed / "scores.json").write_text(json.dumps(scores))
    with pytest.raises(CacheError, match="does not say which run file and data it was made from"):
        fit_joint(same, seed=0, out=tmp_path, cache=tmp_path, resume=True)


@pytest.mark.parametrize(
    ("texts", "changes", "error"),
    [
        (marked(32), {"test": ["not_there.csv"]}, DataError),
        (marked(32), {"pairs": "not_there.tsv"}, DataError),
        ([replace(text, spans=()) for text in marked(32)], {}, DataError),
        (marked(32), {"training": {"device": "mps"}}, ConfigError),
    ],
    ids=["test", "pairs", "nothing marked", "device"],
)
def test_a_mistake_in_a_run_file_costs_no_finished_model(
    texts: list[AnnotatedText],
    changes: dict[str, object],
    error: type[Exception],
    trained: tuple[Path, dict[str, object]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joint_run, "train_joint_rationales", never)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    seed = tmp_path / "tiny" / "seed-0"
    shutil.copytree(trained[0] / "seed-0", seed)
    before = {path: path.read_bytes() for path in seed.rglob("*") if path.is_file()}
    with pytest.raises(error):
        fit_joint(
            tiny_run(tmp_path, texts, **changes),
            seed=0,
            out=tmp_path,
            cache=tmp_path / "cache",
            overwrite=True,
        )
    assert {path: path.read_bytes() for path in seed.rglob("*") if path.is_file()} == before


def test_a_killed_run_goes_on_over_its_own_posts_alone(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def stop(epoch: int) -> None:
        # two at once would write into one checkpoint
        with pytest.raises(InputError, match=r"another training is writing into .*seed-0; wait"):
            fit_joint(run, seed=0, out=tmp_path, cache=tmp_path, overwrite=True)
        raise Killed

    def told(epoch: int) -> None:
        epochs.append(epoch)

    epochs: list[int] = []
    run = tiny_run(tmp_path, marked(32))
    with pytest.raises(Killed):
        fit_joint(run, seed=0, out=tmp_path, cache=tmp_path, progress=stop)
    # with other posts other folds are held out, and what was learned would be tested
    others = tiny_run(tmp_path, marked(32, seed=1))
    with pytest.raises(ModelError, match="belongs to another run"):
        fit_joint(others, seed=0, out=tmp_path, cache=tmp_path, resume=True)
    # what is only measured with the finished model may still be set
    (tmp_path / "hagupit.jsonl").write_bytes((tmp_path / "marked.jsonl").read_bytes())
    later = {"test": [str(tmp_path / "hagupit.jsonl")], "seeds": [0, 1], "abstention": {"target_risk": 0.3}}
    run = tiny_run(tmp_path, marked(32), **later)
    scores = fit_joint(run, seed=0, out=tmp_path, cache=tmp_path, resume=True, progress=told)
    assert epochs[0] == 2
    assert set(scores["tests"]) == {"held out", "hagupit"}  # type: ignore[call-overload]


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
    link = AnnotatedText("1", "http://t.co/1", "", ())
    [found] = decide_texts(model, [link], lambda text: None, TASKS[TASK])
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
    scores = fit_joint(run, seed=1, out=tmp_path, cache=tmp_path / "cache")
    assert load_joint_rationalizer(tmp_path / "tiny" / "seed-1" / "model").config.looks
    assert scores["photos"] == {"named": 24, "read": 24}


def test_other_photos_under_the_same_names_are_other_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def paint(name: str, red: int) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40), (red, 0, 0)).save(tmp_path / name, "BMP")

    for name in ("0.bmp", "pairs/a.bmp", "tested.bmp"):
        paint(name, 0)
    (tmp_path / "pairs" / "manifest.tsv").write_text("file\tset\tlabel\ttext\na.bmp\tx\tx\ta flood\n")
    tiny_run(tmp_path, [replace(text, image="tested.bmp") for text in marked(4)])
    (tmp_path / "marked.jsonl").rename(tmp_path / "tested.jsonl")
    run = tiny_run(
        tmp_path,
        [replace(text, image=f"{i % 2}.bmp") for i, text in enumerate(marked(24))],
        images=str(tmp_path),
        pairs=str(tmp_path / "pairs" / "manifest.tsv"),
        test=[str(tmp_path / "tested.jsonl")],
    )
    run = run.model_copy(update={"training": run.training.model_copy(update={"epochs": 1})})
    cache = tmp_path / "cache"
    fit_joint(run, seed=0, out=tmp_path, cache=cache)
    monkeypatch.setattr(joint_run, "train_joint_rationales", never)
    # the second file is one that was not there, and the others keep their sizes
    for name in ("0.bmp", "1.bmp", "pairs/a.bmp", "tested.bmp"):
        fit_joint(run, seed=0, out=tmp_path, cache=cache, resume=True)
        before = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else None
        paint(name, 255)
        assert before is None or len(before) == (tmp_path / name).stat().st_size
        with pytest.raises(CacheError, match="was made by another run file or from other data"):
            fit_joint(run, seed=0, out=tmp_path, cache=cache, resume=True)
        with pytest.raises(CacheError, match="was made by another run file or from other data"):
            check_joint_seeds(run, [0], tmp_path, resume=True, overwrite=False)
        if before is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(before)


def test_a_killed_run_does_not_go_on_over_other_photos(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def stop(epoch: int) -> None:
        raise Killed

    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    run = tiny_run(tmp_path, [replace(text, image="a.png") for text in marked(24)], images=str(tmp_path))
    with pytest.raises(Killed):
        fit_joint(run, seed=0, out=tmp_path, cache=tmp_path, progress=stop)
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "a.png")
    with pytest.raises(ModelError, match="belongs to another run"):
        fit_joint(run, seed=0, out=tmp_path, cache=tmp_path, resume=True)


@pytest.mark.parametrize("images", [True, False], ids=["one is missing", "no folder"])
def test_photos_that_are_not_read_are_counted(images: bool, tmp_path: Path) -> None:
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "0.png")
    rows = [replace(text, image=f"{i % 2}.png") for i, text in enumerate(marked(24))]
    run = tiny_run(tmp_path, rows, images=str(tmp_path) if images else None)
    run = run.model_copy(update={"training": run.training.model_copy(update={"epochs": 1})})
    assert check_joint_seeds(run, [0], tmp_path, resume=False, overwrite=False) == 24
    scores = fit_joint(run, seed=0, out=tmp_path, cache=tmp_path / "cache")
    assert scores["photos"] == {"named": 24, "read": 12 if images else 0}
    # without a photo that was read, a model that looks would be sure of no post with one
    assert load_joint_rationalizer(tmp_path / "tiny" / "seed-0" / "model").config.looks == images


def test_evidence_by_mixed_states_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="carries evidence by aligned states"):
        tiny_run(tmp_path, marked(8), training={"transport": {"states": "mixed"}})


def test_the_most_urgent_part_of_a_long_text_decides_as_in_the_product(tmp_path: Path) -> None:
    reader = EvidenceReader.load(write_joint(tmp_path / "model", looks=False))
    decider = Decider(reader, limits=ImageLimits(), image_root=None)
    random = np.random.default_rng(0)
    words = [*PLAIN, *EVIDENCE["a"], *EVIDENCE["b"]]
    texts = [" ".join(map(str, random.choice(words, 90))) for _ in range(8)]
    rows = [AnnotatedText(str(i), text, "", ()) for i, text in enumerate(texts)]
    found = decide_texts(reader.loaded.model, rows, lambda text: None, decider.task)
    product = decider.decide([Post(id=row.id, text=row.text) for row in rows], [None] * len(rows))
    for ours, theirs in zip(found, product, strict=True):
        assert ours.kind == theirs.kind == "text"
        # batches of another size round otherwise
        assert np.allclose(ours.logits, theirs.logits, atol=1e-5)
    first = [reader.read(text)[0].logits for text in texts]
    assert any(not np.allclose(one.logits, x, atol=1e-3) for one, x in zip(found, first, strict=True))


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
    run = tiny_run(tmp_path, [replace(text, image="a.png") for text in marked(24)])
    recipe = run.training.model_copy(update={"epochs": 1})
    values = run.model_copy(update={"training": recipe}).model_dump(mode="json", exclude_defaults=True)
    (tmp_path / "run.yaml").write_text(json.dumps(values))
    assert is_joint_run(tmp_path / "run.yaml")
    assert not is_joint_run(tmp_path / "marked.jsonl")
    done = crisislens("train", str(tmp_path / "run.yaml"), "--out", str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert "rationales alone" in done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "24 texts name a photo, but the run file has no images: no photo is looked at" in said
    assert "analyze will be sure of no post with this model" in said
    assert "not sure of every post with a text alone: that takes 30 labeled dev posts with" in said
    assert "photos decide nothing: no labeled post to learn from had one that was read" in said
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
