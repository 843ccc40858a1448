"""Fitting: beats chance, repeats, goes on after a kill as if nothing had been, and what it writes gives its
numbers again.
"""

import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from training_cases import small_run, telling_posts

from crisislens.core.errors import CacheError, ConfigError, InputError, ModelError
from crisislens.data.labeled import LabeledData
from crisislens.domain.task import Label, Task, own_task
from crisislens.evaluation.calibration import softmax
from crisislens.models.artifact import load_artifact
from crisislens.training.classification import EpochRecord
from crisislens.training.config import RunConfig
from crisislens.training.evaluate import Evaluation, evaluate_artifact
from crisislens.training.fit import RunResult, fit
from crisislens.training.result import read_result
from tiny_checkpoints import write_tiny_electra


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def result(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunResult:
    return fit(small_run(crisis_root), out=tmp_path_factory.mktemp("out"), cache=features, data=crisis)


def test_beats_chance_clearly(crisis_root: Path, features: Path, tmp_path: Path) -> None:
    data = telling_posts()
    run = small_run(crisis_root, epochs=12, batch_posts=16, optimizer={"learning_rate": 6e-3})
    found = fit(run, out=tmp_path, cache=features, data=data)
    # five classes of a fifth each; every post holds a word that tells
    assert found.test.report.accuracy.value > 0.9
    assert found.test.report.macro_f1.low > 0.6
    assert found.history[-1].train_loss < 0.5 * found.history[0].train_loss
    assert found.test.selective.risk is not None
    assert found.abstention.met or found.abstention.bound > found.abstention.target


def test_the_best_epoch_is_kept_and_chosen_on_dev(result: RunResult) -> None:
    losses = [record.dev_loss for record in result.history]
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]
    assert result.best_epoch == 1 + int(np.argmin(losses))
    assert losses[result.best_epoch - 1] < losses[0] or result.best_epoch == 1


def test_equal_seeds_give_equal_numbers_and_others_do_not(
    run: RunConfig, result: RunResult, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    state = torch.random.get_rng_state()
    again = fit(run, out=tmp_path, cache=features, data=crisis)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(again.logits["test"], result.logits["test"])
    other = fit(run, seed=1, out=tmp_path, cache=features, data=crisis)
    assert not np.array_equal(other.logits["test"], result.logits["test"])


@pytest.mark.parametrize("schedule", ["linear", "plateau"])
def test_a_killed_run_goes_on_to_the_same_numbers(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path, schedule: str
) -> None:
    run = small_run(
        crisis_root,
        optimizer={"learning_rate": 3e-3, "schedule": schedule, "warm_up": 0.1},
        stopping={"patience": 3},
    )
    whole = fit(run, out=tmp_path / "whole", cache=features, data=crisis)

    def kill(record: EpochRecord) -> None:
        if record.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(run, out=tmp_path / "killed", cache=features, data=crisis, on_epoch=kill)
    epochs: list[int] = []
    resumed = fit(
        run,
        out=tmp_path / "killed",
        cache=features,
        data=crisis,
        resume=True,
        on_epoch=lambda r: epochs.append(r.epoch),
    )
    assert epochs == [3, 4]
    assert np.array_equal(resumed.logits["test"], whole.logits["test"])
    same = {"epoch", "train_loss", "dev_loss", "dev_weighted_f1"}
    assert [r.model_dump(include=same) for r in resumed.history] == [
        r.model_dump(include=same) for r in whole.history
    ]
    assert resumed.best_epoch == whole.best_epoch
    assert not (resumed.folder / "checkpoint.ckpt").exists()


def test_ctrl_c_is_an_interrupt_and_stays_one(
    run: RunConfig, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    def interrupt(record: EpochRecord) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(run, out=tmp_path, cache=features, data=crisis, on_epoch=interrupt)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_seed_has_one_training_at_a_time(
    run: RunConfig, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    def again(record: EpochRecord) -> None:
        busy = (
            "another training is writing into .*seed-0; wait until it is done, or give another --out or name"
        )
        with pytest.raises(InputError, match=busy):
            fit(run, out=tmp_path, cache=features, data=crisis, overwrite=True)
        raise Killed

    with pytest.raises(Killed):
        fit(run, out=tmp_path, cache=features, data=crisis, on_epoch=again)
    # the system has let go of it, and what was refused took nothing away
    assert fit(run, out=tmp_path, cache=features, data=crisis, resume=True).history[0].epoch == 1


def test_a_checkpoint_of_another_recipe_is_refused(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    def kill(record: EpochRecord) -> None:
        raise Killed

    with pytest.raises(Killed):
        fit(small_run(crisis_root), out=tmp_path, cache=features, data=crisis, on_epoch=kill)
    with pytest.raises(
        ModelError, match="belongs to another run file; resume with the one it was started with"
    ):
        fit(small_run(crisis_root, batch_posts=16), out=tmp_path, cache=features, data=crisis, resume=True)


def test_a_finished_run_is_read_not_trained_again(
    run: RunConfig, result: RunResult, crisis: LabeledData, features: Path
) -> None:
    def never(record: EpochRecord) -> None:
        raise AssertionError("trained again")

    out = result.folder.parent.parent
    again = fit(run, out=out, cache=features, data=crisis, resume=True, on_epoch=never)
    assert again.test == result.test
    assert again.metrics() == result.metrics()
    assert np.array_equal(again.logits["dev"], result.logits["dev"])
    with pytest.raises(CacheError, match="holds another run of this name"):
        read_result(result.folder, run.model_copy(update={"epochs": 9}), data=crisis.fingerprint)


def test_other_texts_beside_the_posts_are_other_data(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    def kill(record: EpochRecord) -> None:
        raise Killed

    table = tmp_path / "beside.jsonl"
    posts = [labeled.post for split in crisis.splits.values() for labeled in split]

    def write(text: str) -> None:
        table.write_text("".join(json.dumps({"id": post.id, "text": text}) + "\n" for post in posts))

    run = small_run(crisis_root, epochs=1, knowledge={"name": "wiki", "table": str(table), "join": "concat"})
    write("a flooded road")
    with pytest.raises(Killed):
        fit(run, out=tmp_path, cache=features, data=crisis, on_epoch=kill)
    write("a fire")
    with pytest.raises(CacheError, match="checkpoint of a run on other data"):
        fit(run, out=tmp_path, cache=features, data=crisis, resume=True)
    found = fit(run, out=tmp_path, cache=features, data=crisis, overwrite=True)
    again = fit(run, out=tmp_path, cache=features, data=crisis, resume=True)
    assert again.metrics() == found.metrics()
    write("a flooded road")
    with pytest.raises(CacheError, match="other texts beside the posts"):
        fit(run, out=tmp_path, cache=features, data=crisis, resume=True)


def test_a_model_is_evaluated_on_what_it_was_given(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    found = fit(small_run(crisis_root, modalities=["text"]), out=tmp_path, cache=features, data=crisis)
    assert any(labeled.post.image is not None for labeled in crisis.splits["test"])
    again = evaluate_artifact(found.folder / "artifact", crisis)
    # the photos' features, of which it learned nothing, would move every answer a little
    assert again.before.nll == pytest.approx(found.test.before.nll, abs=1e-4)
    assert again.report.confusion == found.test.report.confusion


def test_the_artifact_gives_the_numbers_again_from_posts(result: RunResult, crisis: LabeledData) -> None:
    """The product's road (encode, collate, model) against the road of training (cache, memory, batches)."""
    again = evaluate_artifact(result.folder / "artifact", crisis)
    # tokens were cached as float16, so probabilities move in the third digit; on this seed no answer does
    assert again.report.confusion == result.test.report.confusion
    assert again.after.nll == pytest.approx(result.test.after.nll, abs=5e-3)
    loaded = load_artifact(result.folder / "artifact")
    assert loaded.meta.temperature == result.test.temperature
    assert loaded.meta.abstain_below == result.abstention.threshold
    assert loaded.meta.classes == crisis.space.classes
    card = (result.folder / "artifact" / "README.md").read_text()
    assert result.test.headline() in card
    assert "another event is another distribution" in card


def test_other_features_and_other_classes_are_refused(
    result: RunResult, crisis: LabeledData, crisis_root: Path, tmp_path: Path
) -> None:
    from crisislens.data.catalog import load_labeled
    from crisislens.data.text import PUBLISHED_RULES

    with pytest.raises(ModelError, match="here are others; give its rules and limits"):
        evaluate_artifact(result.folder / "artifact", crisis, rules=PUBLISHED_RULES)
    config = small_run(crisis_root).data.model_copy(update={"setting": "A3", "posts": 16, "root": tmp_path})
    with pytest.raises(ModelError, match="the data asks for little_or_no_damage, mild_damage, severe_damage"):
        evaluate_artifact(result.folder / "artifact", load_labeled(config))


def test_predictions_hold_what_was_said_of_each_post(result: RunResult, crisis: LabeledData) -> None:
    table = pq.read_table(result.folder / "predictions.parquet").to_pylist()
    assert [row["id"] for row in table if row["split"] == "test"] == [
        p.post.id for p in crisis.splits["test"]
    ]
    p = softmax(result.logits["test"], result.test.temperature)
    test = [row for row in table if row["split"] == "test"]
    assert [row["confidence"] for row in test] == pytest.approx(p.max(1).tolist(), abs=1e-6)
    assert [row["answer"] for row in test] == [crisis.space.classes[i] for i in p.argmax(1)]
    assert [row["abstained"] for row in test] == (p.max(1) < result.abstention.threshold).tolist()
    assert sum(row["label"] == row["answer"] for row in test) / len(test) == pytest.approx(
        result.test.report.accuracy.value
    )


def test_labels_that_lie_within_others_are_held_to_them(
    crisis_root: Path, features: Path, tmp_path: Path
) -> None:
    inner, outer, *others = telling_posts().space.classes
    labels = [Label(name=inner, within=outer), *(Label(name=name) for name in (outer, *others))]
    space = Task(name="calls", question="calls", several=True, labels=tuple(labels))
    # no post has both, so a network that is trained on them says the inner label alone
    data = replace(telling_posts(), space=space, fingerprint="within")
    run = small_run(crisis_root, epochs=12, batch_posts=16, optimizer={"learning_rate": 6e-3})
    found = fit(run, out=tmp_path, cache=features, data=data)
    table = pq.read_table(found.folder / "predictions.parquet")
    logits = {name: table[f"logit_{name}"].to_numpy() for name in (inner, outer)}
    p = {name: table[f"p_{name}"].to_numpy() for name in (inner, outer)}
    assert (logits[inner] > logits[outer]).any()
    assert (p[inner] <= p[outer]).all()
    assert not [said for said in table["answer"].to_pylist() if inner in said and outer not in said]
    assert found.test.report.per_class[inner].predicted == 0
    # a table of the same posts does not say what lies within what; the model does
    plain = own_task("calls", space.classes, several=True)
    again = evaluate_artifact(found.folder / "artifact", replace(data, space=plain))
    assert again.report.per_class[inner].predicted == 0
    one = own_task("calls", space.classes)
    with pytest.raises(ModelError, match="gives a post any number of labels, the data one label"):
        evaluate_artifact(found.folder / "artifact", replace(data, space=one))
    # what chose the epoch saw the same answers: posts of the inner label are never right
    assert max(record.dev_accuracy for record in found.history) < 1


def test_metrics_are_json_with_provenance(result: RunResult) -> None:
    values = json.loads((result.folder / "metrics.json").read_text())
    assert values["fingerprint"] == result.run.fingerprint()
    assert Evaluation.model_validate(values["test"]) == result.test
    assert RunConfig.load(result.folder / "run.yaml") == result.run


def test_markdown_shows_published_numbers_beside_ours(result: RunResult) -> None:
    from crisislens.training.config import Published

    text = result.test.markdown([Published(system="Theirs", source="somewhere", accuracy=92.91)])
    assert "| Theirs | 92.91 | – | – | somewhere |" in text
    assert result.test.report.weighted_f1.percent() in text
    assert "| storm_ilva |" in text


def test_early_stopping_stops(crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path) -> None:
    # a rate that makes nothing better after the first epochs
    run = small_run(
        crisis_root,
        epochs=40,
        stopping={"monitor": "weighted_f1", "patience": 2},
        optimizer={"learning_rate": 1e-6},
    )
    found = fit(run, out=tmp_path, cache=features, data=crisis)
    assert len(found.history) == found.best_epoch + 2


def test_a_diverging_run_says_so(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    run = small_run(crisis_root, optimizer={"name": "sgd", "learning_rate": 1e30, "gradient_clip": None})
    with pytest.raises(ModelError, match=r"diverged in epoch 1.*lower optimizer\.learning_rate"):
        fit(run, out=tmp_path, cache=features, data=crisis)


def test_class_weights_move_the_answers_to_the_rare_class(
    crisis_root: Path, features: Path, tmp_path: Path
) -> None:
    data = telling_posts((0.05, 0.2375, 0.2375, 0.2375, 0.2375), noise=0.5)
    given = {}
    for balance in ("none", "sqrt", "balanced"):
        run = small_run(crisis_root, name=balance, loss={"balance": balance}, epochs=6, batch_posts=16)
        given[balance] = softmax(fit(run, out=tmp_path, cache=features, data=data).logits["test"])[
            :, 0
        ].mean()
    # labels are half noise, so the rare class is believed in about as often as it weighs
    assert given["none"] < given["sqrt"] < given["balanced"]
    assert given["balanced"] > 2 * given["none"]


@pytest.mark.parametrize(
    "name", ["text_only", "image_only", "late_fusion", "guided_published", "guided_differential_published"]
)
def test_models_train_and_load(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path, name: str
) -> None:
    published = name.endswith("_published")
    run = small_run(
        crisis_root,
        model={"name": name, "options": {"as_published": True} if published else {}},
        as_published=published,
        fixed_batches=published,
        epochs=1,
    )
    found = fit(run, out=tmp_path, cache=features, data=crisis)
    assert np.isfinite(found.logits["test"]).all()
    assert load_artifact(found.folder / "artifact").spec.name == name


def test_only_encoders_with_adapters_can_be_fine_tuned(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path
) -> None:
    run = small_run(crisis_root, mode="finetune")
    with pytest.raises(ConfigError, match="takes no adapter, so training it would be lost"):
        fit(run, out=tmp_path, cache=features, data=crisis)


@pytest.mark.parametrize("lora", [None, {"rank": 4, "dropout": 0.0}])
def test_a_tuned_encoder_is_stored_and_loads_to_the_same_answers(
    crisis_root: Path, crisis: LabeledData, features: Path, tmp_path: Path, lora: dict[str, float] | None
) -> None:
    encoder: dict[str, Any] = {"name": "compact", "options": {"max_tokens": 12}}
    if lora is None:
        # whole it is twenty million weights in three files
        tiny = {"checkpoint": str(write_tiny_electra(tmp_path / "electra")), "max_tokens": 12}
        parts = {"text": {"name": "language", "options": tiny}, "image": {"name": "hashing"}}
        encoder = {"name": "pair", "options": parts}
    run = small_run(
        crisis_root,
        name="tuned",
        mode="finetune",
        lora=lora,
        encoder=encoder,
        modalities=["text"],
        keep_tokens=[],
        model={"name": "text_only", "options": {"source": "pooled", "width": 32}},
        optimizer={"encoder_learning_rate": 1e-4},
        batch_posts=16,
        epochs=1,
    )
    found = fit(run, out=tmp_path, cache=features, data=crisis)
    artifact = found.folder / "artifact"
    assert (artifact / "adapter.safetensors").is_file()
    options = json.loads((artifact / "config.json").read_text())["meta"]["encoder"]["options"]
    own = options["text"]["options"] if lora is None else options
    assert own["adapter"] == "adapter.safetensors"
    from crisislens.encoders.base import load_encoders
    from crisislens.training.evaluate import artifact_encoder

    loaded = load_artifact(artifact)
    encoders = load_encoders(artifact_encoder(artifact, loaded.meta))
    assert encoders.fingerprint() == loaded.meta.encoder_fingerprint
    assert encoders.fingerprint() != load_encoders(run.encoder).fingerprint()
    again = evaluate_artifact(artifact, crisis)
    # padding and merging change the last bits of a float
    assert again.after.nll == pytest.approx(found.test.after.nll, abs=1e-4)


def test_a_run_that_stopped_early_and_was_killed_before_its_numbers_stays_stopped(
    crisis: LabeledData, crisis_root: Path, features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a rate of nearly zero: nothing gets better, so patience is used up after two epochs
    run = small_run(
        crisis_root,
        epochs=6,
        optimizer={"learning_rate": 1e-12},
        stopping={"monitor": "weighted_f1", "patience": 1},
    )
    whole = fit(run, out=tmp_path / "whole", cache=features, data=crisis)
    assert len(whole.history) < 6
    with monkeypatch.context() as patch:
        patch.setattr("crisislens.training.fit._judge", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fit(run, out=tmp_path / "killed", cache=features, data=crisis)
    resumed = fit(run, out=tmp_path / "killed", cache=features, data=crisis, resume=True)
    assert len(resumed.history) == len(whole.history)
    assert np.array_equal(resumed.logits["test"], whole.logits["test"])


def test_results_and_checkpoints_of_other_data_are_refused(
    crisis: LabeledData, crisis_root: Path, features: Path, tmp_path: Path
) -> None:
    run = small_run(crisis_root, epochs=1)
    fit(run, out=tmp_path, cache=features, data=crisis)
    with pytest.raises(CacheError, match="was made from other data"):
        fit(run, out=tmp_path, cache=features, data=replace(crisis, fingerprint="another"), resume=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_one_clear_error(
    crisis: LabeledData, crisis_root: Path, features: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="device cuda is not available here"):
        fit(small_run(crisis_root, device="cuda"), out=tmp_path, cache=features, data=crisis)
