"""Measured answers are those that the product gives: a label is held to the one that it lies within."""

import numpy as np
import pytest

from crisislens.domain.calibration import Calibration
from crisislens.domain.task import Label, Task
from crisislens.evaluation.judged import judged, read_off
from crisislens.evaluation.several import fit_several_temperature, held_logits
from crisislens.pipeline.bundle import TaskConfig
from crisislens.pipeline.judgment import judge

CALLS = Task(
    name="calls",
    question="needs",
    several=True,
    labels=(Label(name="rescue", within="request"), Label(name="request"), Label(name="water")),
)


def drawn(posts: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Logits that speak of rescue also where nobody asks, and labels that never do."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (posts, 3))
    p = 1 / (1 + np.exp(-held_logits(logits, CALLS.outer)))
    y = (random.random(logits.shape) < p).astype(np.int64)
    y[:, 0] &= y[:, 1]
    return logits, y


def test_measured_answers_are_those_of_the_product() -> None:
    logits, y = drawn()
    found = judged(logits, y, space=CALLS, temperature=1.5)
    calibration = Calibration(temperature=1.5, abstain_below=0.0, basis="made up")
    config = TaskConfig(artifact="needs", label_space="calls", calibration={"text": calibration})
    for row, p, sure, truth, right in zip(
        logits.astype(np.float32), found.probabilities, found.confidence, y, found.right, strict=True
    ):
        said = judge(row, space=CALLS, task=config, evidence="text")
        # four digits are written
        assert list(said.probabilities.values()) == pytest.approx(p.tolist(), abs=6e-5)
        assert said.confidence == pytest.approx(sure, abs=6e-5)
        held = {name for name, holds in zip(CALLS.classes, truth, strict=True) if holds}
        assert (set(said.labels) == held) == right


def test_no_measured_label_is_more_probable_than_the_one_that_it_lies_within() -> None:
    logits, y = drawn()
    p = judged(logits, y, space=CALLS, temperature=0.7).probabilities
    assert (p[:, 0] <= p[:, 1]).all()
    # the others are what they are
    assert p[:, 2] == pytest.approx(1 / (1 + np.exp(-logits[:, 2] / 0.7)))


def test_the_temperature_is_fitted_to_what_the_product_says() -> None:
    logits, y = drawn()
    temperature, threshold = read_off(logits, y, 0.3, delta=0.05, space=CALLS)
    assert temperature == fit_several_temperature(held_logits(logits, CALLS.outer), y)
    assert temperature != pytest.approx(fit_several_temperature(logits, y), rel=1e-3)
    sure = judged(logits, y, space=CALLS, temperature=temperature).confidence
    assert threshold.threshold in sure or threshold.threshold == 1.0
