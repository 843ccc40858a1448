"""Calibration anew from reviews: what is found where the truth is known, and what is left alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from crisislens.core.errors import InputError
from crisislens.domain.assessment import Assessment, Modality, Provenance
from crisislens.domain.calibration import Calibration
from crisislens.domain.post import Post
from crisislens.evaluation.calibration import softmax
from crisislens.pipeline.bundle import Bundle, BundleConfig, TaskConfig
from crisislens.pipeline.judgment import judge
from crisislens.pipeline.recalibrated import RECORD, next_version, write_recalibrated
from crisislens.pipeline.recalibration import Recalibrated, Reviewed, fewest_posts, recalibrate
from tiny_bundles import write_bundle

TASK = "damage"
GIVEN: dict[str, tuple[Modality, ...]] = {TASK: ("text",)}
OLD = Calibration(temperature=0.5, abstain_below=0.6, basis="aim: at most 20% errors among answers")


def configuration(before: Calibration = OLD) -> BundleConfig:
    """A bundle of one task that reads texts."""
    task = TaskConfig(artifact=TASK, label_space="damage_severity", calibration={"text": before})
    encoder = {"name": "hashing"}
    return BundleConfig(name="tiny", version="1", description="", encoder=encoder, tasks={TASK: task})


def people(
    posts: int, *, true_temperature: float, before: Calibration = OLD, alike: int = 1, photo: bool = False
) -> list[Reviewed]:
    """Posts whose true label is drawn from the logits at a temperature; `alike` of them share a group."""
    rng = np.random.default_rng(0)
    task = configuration(before).tasks[TASK]
    found = []
    for number in range(posts):
        logits = rng.normal(0, 2, 3).astype(np.float32)
        truth = int(rng.choice(3, p=softmax(logits[None].astype(np.float64), true_temperature)[0]))
        answer = judge(logits, space=task.space, task=task, evidence="text")
        assessment = Assessment(
            post=Post(id=str(number), text="x"),
            modalities=("text", "image") if photo else ("text",),
            language="en",
            tasks={TASK: answer},
            urgency=0.5,
            provenance=Provenance(
                model="tiny",
                model_version="1",
                model_fingerprint="a" * 16,
                encoder_fingerprint="b" * 16,
                crisislens_version="0",
                analyzed_at="2026-03-06T14:00:00+00:00",
            ),
        )
        found.append(Reviewed(number // alike, {TASK: (task.space.classes[truth],)}, assessment))
    return found


def only(rows: Sequence[Recalibrated]) -> Recalibrated:
    [row] = rows
    return row


@pytest.mark.parametrize("true_temperature", [0.7, 1.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(true_temperature: float) -> None:
    row = only(recalibrate(configuration(), GIVEN, people(800, true_temperature=true_temperature)))
    assert row.changed
    assert row.after.temperature == pytest.approx(true_temperature, rel=0.15)
    assert row.target == 0.2
    assert "800 posts that people reviewed" in row.after.basis
    assert row.held_out is not None
    before, after = row.held_out
    assert after.surprise < before.surprise
    assert (after.risk or 0) <= max(0.2, before.risk or 0)


def test_what_fits_is_left_alone() -> None:
    drawn = people(800, true_temperature=0.5)
    found = only(recalibrate(configuration(), GIVEN, drawn))
    # held out, a new temperature for a right one is no better, or is the same but for noise
    fitted = found.after if found.changed else OLD
    assert fitted.temperature == pytest.approx(0.5, rel=0.12)
    again = Calibration(temperature=fitted.temperature, abstain_below=fitted.abstain_below, basis=OLD.basis)
    assert not only(
        recalibrate(configuration(again), GIVEN, people(800, true_temperature=0.5, before=again))
    ).changed


def test_a_photo_beside_a_text_alone_model_counts_as_text() -> None:
    row = only(recalibrate(configuration(), GIVEN, people(100, true_temperature=1.0, photo=True)))
    assert row.posts == 100
    with pytest.raises(InputError, match="too few"):
        recalibrate(configuration(), {TASK: ("text", "image")}, people(100, true_temperature=1.0, photo=True))


def test_copies_of_a_post_count_once() -> None:
    with pytest.raises(InputError, match=r"30 different .* most were there of damage from text: 100"):
        recalibrate(configuration(), GIVEN, people(100, true_temperature=1.0, alike=10), risk=0.3)


def test_too_few_posts_are_refused_in_one_sentence() -> None:
    with pytest.raises(
        InputError, match="20 reviewed posts that this model answered are too few: 30 different"
    ):
        recalibrate(configuration(), GIVEN, people(20, true_temperature=1.0), risk=0.3)
    with pytest.raises(InputError, match="0 reviewed posts"):
        recalibrate(configuration(), GIVEN, [])
    assert fewest_posts(0.05) > fewest_posts(0.1) > fewest_posts(0.2) >= 30


def test_one_label_for_all_is_no_choice() -> None:
    same = [
        Reviewed(i, {TASK: ("mild_damage",)}, r.assessment)
        for i, r in enumerate(people(60, true_temperature=1))
    ]
    with pytest.raises(InputError, match="too few"):
        recalibrate(configuration(), GIVEN, same)


def test_words_that_are_no_answer_of_the_model_are_left_out() -> None:
    drawn = people(60, true_temperature=1.0)
    odd = [Reviewed(r.group, {TASK: said}, r.assessment) for r in drawn[:20] for said in [("roof_gone",)]]
    several = [
        Reviewed(r.group, {TASK: ("mild_damage", "severe_damage")}, r.assessment) for r in drawn[20:30]
    ]
    unread = drawn[30].assessment
    answer = unread.tasks[TASK].model_copy(update={"abstained": True, "labels": (), "confidence": 0.9})
    foreign = Reviewed(99, {TASK: ("mild_damage",)}, unread.model_copy(update={"tasks": {TASK: answer}}))
    row = only(
        recalibrate(configuration(), GIVEN, [*drawn[31:], *drawn[:31], *odd, *several, foreign], risk=0.3)
    )
    assert row.posts == 60


def test_a_new_bundle_with_a_new_version(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    old = Bundle.read(write_bundle(tmp_path / "old"))
    before = old.config.tasks[TASK].calibration["text"]
    after = Calibration(temperature=1.25, abstain_below=0.7, basis="60 posts that people reviewed")
    row = Recalibrated(TASK, "text", 60, 40, 0.1, before, after, None, "")
    left = Recalibrated(TASK, "image", 3, 1, 0.1, before, before, None, "too few")
    with pytest.raises(InputError, match="nothing is changed"):
        write_recalibrated(old, [left], tmp_path / "none")
    made = write_recalibrated(old, [row, left], tmp_path / "new")
    assert made.config.version == "1+reviews.1"
    assert made.config.tasks[TASK].calibration == {**old.config.tasks[TASK].calibration, "text": after}
    assert made.fingerprint() != old.fingerprint()
    assert Bundle.read(tmp_path / "old").fingerprint() == old.fingerprint()
    assert "temperature 0.200 → 1.250, not sure below 50% → 70% (60 posts)" in made.text
    kept = json.loads((made.folder / RECORD).read_text())
    assert kept["base"] == {"name": "tiny", "version": "1", "fingerprint": old.fingerprint()}
    assert [one["why_not"] for one in kept["rows"]] == [None, "too few"]
    with pytest.raises(InputError, match="is there already"):
        write_recalibrated(old, [row], tmp_path / "new")
    again = write_recalibrated(made, [row], tmp_path / "third")
    assert (again.config.version, next_version("2.0")) == ("1+reviews.2", "2.0+reviews.1")
