"""Answers of which several may hold: scikit-learn's values, honest temperatures, one sentence for misfits."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from crisislens.core.errors import InputError
from crisislens.evaluation.several import (
    evaluate_several,
    fit_several_temperature,
    set_confidence,
    several_calibration,
    several_probabilities,
)

CLASSES = ("water", "food", "shelter")


def drawn(posts: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels that were drawn from their own probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (posts, len(CLASSES)))
    y = (random.random(logits.shape) < several_probabilities(logits)).astype(np.int64)
    return logits, y


def test_scores_are_those_of_scikit_learn() -> None:
    logits, y = drawn()
    report = evaluate_several(y, several_probabilities(logits), CLASSES, resamples=50)
    said = logits >= 0
    assert report.accuracy.value == pytest.approx(accuracy_score(y, said))
    assert report.macro_f1.value == pytest.approx(f1_score(y, said, average="macro"))
    assert report.weighted_f1.value == pytest.approx(f1_score(y, said, average="weighted"))
    assert report.macro_f1.low < report.macro_f1.value < report.macro_f1.high


def test_clusters_widen_the_interval_where_posts_repeat() -> None:
    logits, y = drawn(100)
    logits, y = np.repeat(logits, 5, 0), np.repeat(y, 5, 0)
    p = several_probabilities(logits)
    alone = evaluate_several(y, p, CLASSES, resamples=300).macro_f1
    together = evaluate_several(y, p, CLASSES, clusters=np.repeat(np.arange(100), 5), resamples=300).macro_f1
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_events_are_scored_by_themselves() -> None:
    logits, y = drawn(60)
    events = np.array(["flood", "fire"] * 30)
    report = evaluate_several(y, several_probabilities(logits), CLASSES, groups=events, resamples=0)
    rows = events == "fire"
    assert report.groups["fire"].posts == 30
    assert report.groups["fire"].accuracy.value == pytest.approx(accuracy_score(y[rows], logits[rows] >= 0))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_was_multiplied(factor: float) -> None:
    logits, y = drawn(20_000)
    # 20,000 posts of three labels leave the fitted temperature within 3 % of the truth
    assert fit_several_temperature(factor * logits, y) == pytest.approx(factor, rel=0.03)


def test_calibration_is_small_for_honest_probabilities_and_large_for_boasting_ones() -> None:
    logits, y = drawn(20_000)
    assert several_calibration(several_probabilities(logits), y).ece < 0.01
    assert several_calibration(several_probabilities(5 * logits), y).ece > 0.05


def test_a_set_is_less_sure_than_each_of_its_labels() -> None:
    p = np.array([[0.9, 0.2, 0.5]])
    assert set_confidence(p)[0] == pytest.approx(0.9 * 0.8 * 0.5)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="are 0 or 1"):
        evaluate_several(np.full((2, 3), 2), np.full((2, 3), 0.5), CLASSES)
    with pytest.raises(InputError, match="2 names were given for 3 labels"):
        evaluate_several(np.ones((2, 3), np.int64), np.full((2, 3), 0.5), CLASSES[:2])
