"""Decisions on rationales alone, on made-up tweets and tiny models: which texts are read, what stage 2 is
shown, and that every system of the study answers them.
"""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crisislens.bench.rationale_models import from_pooled, pooled_vectors, starred, two_stages_say
from crisislens.bench.rationale_posts import TASK, RationalePosts, read_rationale_posts
from crisislens.bench.rationales import Rationales, RationalesReady
from crisislens.bench.study import Trial, read_trials, run_study, trials_of
from crisislens.bench.study_table import study_tables
from crisislens.core.errors import DataError
from crisislens.data.marked_rationales import AnnotatedText
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.models.text_rationalizer import TextRationalizer
from crisislens.training.devices import device_name
from crisislens.training.rationale import RationaleConfig
from crisislens.training.rationale_joint import JointRationaleConfig
from crisislens.training.rationale_run import RationaleRun
from tiny_checkpoints import write_tiny_vilt
from tiny_joint import COMPACT, vilt_spec

LABELS = ("injured_or_dead_people", "infrastructure_and_utilities_damage", "not_related_or_irrelevant")
WORDS = {LABELS[0]: "five people injured", LABELS[1]: "the bridge collapsed", LABELS[2]: "a sunny holiday"}
HASHING = EncoderSpec(name="hashing")
WORD_RECIPE = RationaleConfig(rank=0, hidden=6, pair_width=4, epochs=1, head_learning_rate=2e-2)
JOINT_RECIPE = JointRationaleConfig(rank=0, hidden=6, pair_width=4, epochs=1, batch_pairs=2)
SMALL = Rationales(encoder=HASHING, words=WORD_RECIPE, tower=COMPACT, joint=JOINT_RECIPE)


def snippets(path: Path, place: str, count: int) -> None:
    """Tweets whose evidence tells their class, no two of them alike."""
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    names = ["ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "leo"]
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["tweet_id", "tweet_text", "corrected_label", "informative_content"])
        for i in range(count):
            label = LABELS[i % 3]
            others = " ".join(random.permutation(names)[:4])
            writer.writerow([f"{place}{i}", f"{others} {WORDS[label]} in {place} {i}", label, WORDS[label]])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that the study reads, a few rows in each."""
    root = tmp_path_factory.mktemp("data")
    snippets(root / "rationales" / "nepal_2015.csv", "nepal", 30)
    snippets(root / "rationales" / "hagupit_2014.csv", "hagupit", 6)
    (root / "photos").mkdir()
    rows = ["file\tset\tlabel\ttext"]
    for i in range(3):
        Image.new("RGB", (32, 32), (80 * i, 0, 90)).save(root / "photos" / f"{i}.png")
        rows.append(f"{i}.png\tcaptioned\tx\ta bridge {i} || water {i}")
    (root / "photos" / "manifest.tsv").write_text("\n".join(rows) + "\n")
    humaid = root / "crisis_text" / "humaid" / "test.tsv"
    humaid.parent.mkdir(parents=True)
    humaid.write_text(
        "event\ttext\tlabel\n"
        "fire_2016\tthe bridge collapsed\tinfrastructure_and_utility_damage\n"
        "fire_2016\tsend water\trequests_or_urgent_needs\n"
        "fire_2016\t \tnot_humanitarian\n"
        'flood_2017\tso "sad\tsympathy_and_support\n'
    )
    dmd = root / "crisis_text" / "dmd_text" / "labeled.tsv"
    dmd.parent.mkdir()
    dmd.write_text(
        "text\tlabel\tlang_guess\nthe bridge fell\tdamaged_infrastructure\ten\n"
        "le pont\tdamaged_infrastructure\tfr\nfire here\tfires\ten\nsunny\tnon_damage\ten\n"
    )
    return root


def test_labels_come_to_five_classes_and_what_is_none_of_them_is_left_out(data: Path) -> None:
    merges = {LABELS[0]: "affected", LABELS[1]: "infrastructure_and_utility_damage"}
    read = {s: read_rationale_posts(s, data, merges) for s in SMALL.settings}
    assert {t.label for t in read["humaid"].test} == {
        "infrastructure_and_utility_damage",
        "other_relevant_information",
    }
    assert len(read["humaid"].test) == 2
    # of another language, of another label
    assert sorted(t.text for t in read["dmd_text"].test) == ["sunny", "the bridge fell"]
    # the third label is not merged here: it teaches words, and is not tested
    assert {t.label for t in read["hagupit"].test} == {"affected", "infrastructure_and_utility_damage"}
    assert LABELS[2] in {t.label for t in read["nepal"].train}
    assert (read["nepal"].marked, read["hagupit"].marked, read["humaid"].marked) == (True, True, False)
    ids = [{t.id for t in part} for part in (read["nepal"].train, read["nepal"].dev, read["nepal"].test)]
    assert not ids[0] & ids[1]
    assert not ids[2] & (ids[0] | ids[1])
    # what is learned from is the same, whatever is tested
    assert read["humaid"].train == read["nepal"].train


@pytest.mark.parametrize(
    ("path", "setting", "says"),
    [
        ("rationales/nepal_2015.csv", "humaid", "no rationale table at"),
        ("rationales/hagupit_2014.csv", "hagupit", "no rationale table at"),
        ("crisis_text/humaid/test.tsv", "humaid", "no table of labeled texts at"),
        ("photos/manifest.tsv", "nepal", "no table of photos at"),
    ],
)
def test_what_is_missing_is_named(data: Path, tmp_path: Path, path: str, setting: str, says: str) -> None:
    for file in data.rglob("*.*"):
        if file.relative_to(data).as_posix() != path:
            there = tmp_path / file.relative_to(data)
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(file)
    with pytest.raises(DataError, match=says):
        SMALL.prepare(setting, tmp_path, tmp_path / "cache")


def test_a_table_without_a_column_is_refused(tmp_path: Path, data: Path) -> None:
    (tmp_path / "rationales").symlink_to(data / "rationales")
    dmd = tmp_path / "crisis_text" / "dmd_text" / "labeled.tsv"
    dmd.parent.mkdir(parents=True)
    dmd.write_text("text\tlabel\na\tnon_damage\n")
    with pytest.raises(DataError, match="lacks the column lang_guess"):
        read_rationale_posts("dmd_text", tmp_path, {})
    dmd.write_text("text\tlabel\tlang_guess\na\tfires\ten\n")
    with pytest.raises(DataError, match="no text of dmd_text has one of the classes"):
        read_rationale_posts("dmd_text", tmp_path, {})


def test_stage_2_is_shown_the_rationales_the_rest_or_all() -> None:
    text = AnnotatedText("1", "well the bridge fell", "x", ())
    chosen = [[False, False, True, True]]
    shown = {s: starred([text], chosen, s)[0].text for s in ("none", "both", "complement")}
    assert shown == {"none": text.text, "both": "bridge fell", "complement": "well the * *"}


def test_a_linear_classifier_learns_what_vectors_tell_and_nothing_from_texts_without_a_class() -> None:
    random = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    x = torch.randn(60, 8, generator=random) + 4 * torch.nn.functional.one_hot(y, 8)
    assert (from_pooled(x[:40], y[:40], x[40:]) == y[40:].numpy()).all()
    unknown = torch.cat([y[:40], torch.full((5,), -1)])
    more = torch.cat([x[:40], 100 * torch.ones(5, 8)])
    assert (from_pooled(more, unknown, x[40:]) == from_pooled(x[:40], y[:40], x[40:])).all()


def test_a_text_without_a_word_has_no_vector_and_neighbors_change_none() -> None:
    model = TextRationalizer(load_encoders(HASHING).text, classes=2, hidden=4, pair_width=4).eval()
    texts = [
        AnnotatedText(str(i), t, "", ()) for i, t in enumerate(("fire here", "http://t.co/a", "so sad it is"))
    ]
    together = pooled_vectors(model, texts)
    assert not together[1].any()
    for i, text in enumerate(texts):
        assert torch.allclose(together[i], pooled_vectors(model, [text])[0], atol=1e-6)


def test_a_post_in_which_nothing_is_marked_is_answered_not_humanitarian(tmp_path: Path) -> None:
    texts = [AnnotatedText(str(i), f"fire {i} here", TASK.classes[0], ((0, 4),)) for i in range(6)]
    silent = [AnnotatedText("7", "https://t.co/a", TASK.classes[0], ())]
    run = RationaleRun(name="x", rationales=(), encoder=HASHING, training=WORD_RECIPE)
    said = two_stages_say(run, RationalePosts(texts, texts, silent, True), tmp_path, 0)
    nothing = TASK.classes.index("not_humanitarian")
    for name in ("two_stage", "auxiliary_starred"):
        assert said[name].answers.tolist() == [nothing]
    # all training posts have one class, and the whole post is read
    assert said["two_stage_whole"].answers.tolist() == [0]


def test_the_whole_study_runs_and_models_are_trained_once(data: Path, tmp_path: Path) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    first = trials_of(SMALL, ("nepal",), seeds=(0,))
    assert run_study(SMALL, out, data=data, cache=cache, trials=first).done == 7
    kept = sorted(path for path in (cache / "rationale-models").rglob("*.safetensors"))
    # two models, and the vectors that the second stage of one learns from
    assert len(kept) == 3
    times = [path.stat().st_mtime_ns for path in kept]
    rest = trials_of(SMALL, ("hagupit", "dmd_text"), seeds=(0,))
    done = run_study(SMALL, out, data=data, cache=cache, trials=rest)
    assert (done.done, done.blocked) == (14, [])
    assert [path.stat().st_mtime_ns for path in kept] == times
    results = read_trials(SMALL, out)
    # models of another machine may lie in the cache: what trained them is kept beside them
    assert {r.device for r in results} == {device_name(WORD_RECIPE.device)}
    # only the two models mark words, and only where people did
    marked = {(r.setting, r.system) for r in results if "token F1" in r.hits}
    assert marked == {(s, name) for s in ("nepal", "hagupit") for name in ("two_stage", "joint")}
    tables = study_tables(SMALL, results, resamples=100)
    words = next(t for t in tables if (t.setting, t.metric) == ("nepal", "token F1"))
    assert [(c.a, c.b, c.seeds) for c in words.contrasts] == [
        (SMALL.systems["joint"], SMALL.systems["two_stage"], 1)
    ]


def test_a_result_names_the_device_that_its_model_was_trained_on(data: Path, tmp_path: Path) -> None:
    ready, _ = SMALL.prepare("nepal", data, tmp_path / "cache")
    models = ready.models
    two_stage, joint = (Trial("nepal", system, 1.0, 0) for system in ("two_stage_rest", "joint_whole"))
    SMALL.run(ready, two_stage)
    SMALL.run(ready, joint)
    (models / "two-stage-0" / "device.txt").write_text("some card\n")
    [scores] = models.rglob("scores.json")
    scores.write_text(json.dumps(json.loads(scores.read_text()) | {"device": "another card"}))
    # another process finds the models trained
    again, _ = SMALL.prepare("nepal", data, tmp_path / "cache")
    assert SMALL.run(again, two_stage).device == "some card"
    assert SMALL.run(again, joint).device == "another card"
    # models of before their device was kept
    (models / "two-stage-0" / "device.txt").unlink()
    last, _ = SMALL.prepare("nepal", data, tmp_path / "cache")
    assert SMALL.run(last, two_stage).device == "not recorded"


def test_one_vilt_for_both_stages_would_run(data: Path, tmp_path: Path) -> None:
    # adapted as the recipe does it; the tiny one has two layers in place of twelve
    recipe = JOINT_RECIPE.model_copy(update={"rank": 2, "targets": ("*encoder.layer.1.*query",)})
    vilt = replace(SMALL, tower=vilt_spec(write_tiny_vilt(tmp_path / "vilt")), joint=recipe)
    ready, _ = vilt.prepare("nepal", data, tmp_path / "cache")
    found = vilt.run(ready, Trial("nepal", "joint", 1.0, 0))
    assert set(found.hits) == {"accuracy", "token F1"}
    assert 0 < found.facts["largest class"] < 1


def test_another_recipe_or_other_texts_are_another_experiment(data: Path, tmp_path: Path) -> None:
    changes = (
        {"folds": 4},
        {"words": WORD_RECIPE.model_copy(update={"epochs": 2})},
        {"joint": JointRationaleConfig(epochs=9)},
        {"encoder": EncoderSpec()},
    )
    terms = [SMALL.terms(), *(replace(SMALL, **change).terms() for change in changes)]  # type: ignore[arg-type]
    assert len({str(one) for one in terms}) == 5
    ready: list[tuple[RationalesReady, str]] = [
        SMALL.prepare(setting, data, tmp_path) for setting in ("nepal", "hagupit", "nepal")
    ]
    marks = [mark for _, mark in ready]
    assert marks[0] == marks[2] != marks[1]
    # the models are those of what is learned from, whatever is tested
    assert len({one.models for one, _ in ready}) == 1
    # other photos under the same names too are learned from by other models
    pictures = tmp_path / "data" / "photos"
    shutil.copytree(data, tmp_path / "data")
    assert SMALL.prepare("nepal", tmp_path / "data", tmp_path)[0].models == ready[0][0].models
    Image.new("RGB", (32, 32), (0, 255, 0)).save(pictures / "0.png")
    assert SMALL.prepare("nepal", tmp_path / "data", tmp_path)[0].models != ready[0][0].models


def test_models_of_before_are_in_another_folder() -> None:
    # of before: without a mark of their data, and another window of a long text decided
    terms = SMALL.terms()
    assert isinstance(terms, list)
    assert terms[0] == 3
