"""Each event is judged by heads that did not see it, and the strength with the best mean is chosen."""

import numpy as np
import pytest
from event_folds import FEWEST, FOLDS, STRENGTHS, by_fold, events_of, report, usable
from train_open import Rows

from crisislens.training.crisis_text import CrisisText

EVENTS = 15
EACH = 60


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Fifteen events of sixty texts, of which the first component says what asks for help."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EVENTS * EACH, 4)).astype(np.float32)
    asks = (x[:, 0] + 0.3 * rng.normal(size=len(x)) > 0).astype(int)
    labels = [{"request": int(a), "informative": int(a), "humanitarian_10": int(a)} for a in asks]
    texts = [
        CrisisText(f"text {i}", "idrisi_en", f"event {i % EVENTS}", "train", "en", labels[i])
        for i in range(len(x))
    ]
    none = np.zeros(len(x), np.int64)
    return Rows(texts, x, np.ones(len(x), np.bool_), none, none, np.ones(len(x)))


def test_every_event_is_in_one_fold_and_the_best_mean_is_chosen(rows: Rows) -> None:
    lines: list[str] = []
    best = report("request", rows, lines.append)
    assert best in STRENGTHS
    assert lines[0] == f"request: {EVENTS * EACH} texts of {EVENTS} events"
    assert sum("(chosen)" in line for line in lines) == 1
    folds = [line for line in lines if line.startswith("    fold")]
    assert 1 < len(folds) <= FOLDS
    assert sum(int(line.split(", ")[1].split()[0]) for line in folds) == EVENTS * EACH
    assert len(set(events_of(rows))) == EVENTS


def test_a_fold_is_judged_by_heads_of_the_others(rows: Rows) -> None:
    x, y = rows.x.astype(np.float64), rows.labels("request")
    folds = np.arange(len(y)) % FOLDS
    # in one fold every answer is turned round: heads of the others are wrong there alone
    turned = np.where(folds == 0, 1 - y, y)
    found = by_fold("request", x, turned, folds, 0.03)
    assert found[0]["AUROC"] < 0.2
    assert min(found[fold]["AUROC"] for fold in range(1, FOLDS)) > 0.9
    assert by_fold("humanitarian_10", x, y, folds, 0.03)[1]["macro-F1"] > 0.8


def test_a_fold_with_few_of_an_answer_is_left_out() -> None:
    few = np.array([1] * (FEWEST - 1) + [0] * 100)
    assert not usable("request", few)
    assert usable("request", np.append(few, 1))
    assert usable("humanitarian_10", few)
