"""The head of ten classes is that of the strength that does best inside and outside of its events."""

import numpy as np
import pytest
import refit_classes
from refit_classes import classes_of, fit_classes, macro_f1, over_events

from crisislens.training.crisis_text import HUMANITARIAN_10, CrisisText


def drawn(count: int, seed: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Vectors whose first ten components tell the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(10, size=count)
    x = rng.normal(size=(count, 12)) * noise
    x[np.arange(count), y] += 3.0
    return x, y


def test_what_was_fitted_tells_texts_apart_that_it_did_not_see(capsys: pytest.CaptureFixture[str]) -> None:
    train, dev, (x, y) = drawn(400, 0, 0.5), drawn(100, 1, 0.5), drawn(100, 2, 0.5)
    events = ["a"] * 50 + ["b"] * 50
    latest = (*drawn(60, 3, 0.5), ["1"] * 30 + ["2"] * 30)
    weight, bias = fit_classes(train, latest, dev, (x, y, events), strengths=(1e-6, 0.1))
    assert weight.shape == (10, 12)
    assert macro_f1(y, x @ weight.T + bias) > 0.95
    lines = capsys.readouterr().out.split("\n")
    # the strength that learns nothing is measured, and not taken
    assert [line.partition(":")[0] for line in lines if line] == [
        "1 times, C 1e-06",
        "1 times, C 0.1",
        "3 times, C 1e-06",
        "3 times, C 0.1",
    ]


def test_an_author_is_judged_by_what_others_wrote() -> None:
    train = drawn(400, 0, 0.5)
    x, y = drawn(60, 3, 0.5)
    told = ["1"] * 30 + ["2"] * 30
    assert refit_classes._over_authors(train, (x, y, told), 1, 0.1) > 0.9
    # what one author alone calls otherwise cannot be known from the others
    wrong = y.copy()
    wrong[:30] = (wrong[:30] + 1) % 10
    assert refit_classes._over_authors(train, (x, wrong, told), 1, 0.1) < 0.6


def test_classes_that_an_event_lacks_do_not_count_and_each_event_counts_once() -> None:
    y = np.array([0, 0, 0, 1, 2, 2])
    logits = np.full((6, 10), -1.0)
    logits[np.arange(6), [0, 0, 0, 1, 2, 1]] = 1.0
    assert macro_f1(y[:4], logits[:4]) == 1
    second = macro_f1(y[4:], logits[4:])
    # of class 2 one of two is found: precision 1, recall 1/2
    assert second == pytest.approx(2 / 3)
    assert over_events(y, logits, ["a"] * 4 + ["b"] * 2) == pytest.approx((1 + second) / 2)


def test_classes_are_read_in_their_order() -> None:
    texts = [CrisisText("x", "humaid", "e", "train", "en", {"humanitarian_10": c}) for c in (3, 0)]
    assert classes_of(texts).tolist() == [3, 0]
    assert len(HUMANITARIAN_10) == 10
    assert refit_classes.QUESTION == "humanitarian"
