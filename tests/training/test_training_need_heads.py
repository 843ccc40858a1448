"""Heads of rare questions: what cross-validation chooses, and what it must not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.training.need_heads import FEWEST, SLACK, fit_head, fit_heads, folds_of, threshold_for_f1

RARE = 40


@pytest.fixture(scope="module")
def rare() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """800 rows of which 40 say yes, a little to one side: at one half a head finds next to nothing."""
    rng = np.random.default_rng(0)
    y = np.zeros(800, np.int64)
    y[:RARE] = 1
    x = rng.normal(size=(800, 5))
    x[:RARE, 0] += 2.0
    return x, y, folds_of(range(800), 3)


def found(head_bias: float, weight: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Recall of yes above 0."""
    said = x @ weight + head_bias > 0
    return float(said[y == 1].mean())


def test_the_threshold_finds_a_rare_yes_that_one_half_misses(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    head = fit_head(x, y, folds)
    assert head.threshold < 0
    assert head.yes == RARE
    before = found(head.bias + head.threshold, head.weight, x, y)
    after = found(head.bias, head.weight, x, y)
    assert before < 0.3 < 0.45 < after
    assert 0.3 < head.f1 < 0.9


def test_open_rows_are_not_trained_on(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    foreign = np.full((100, 5), 50.0)
    more = np.concatenate([x, foreign])
    head = fit_head(x, y, folds)
    same = fit_head(more, np.append(y, np.full(100, -1)), np.append(folds, np.zeros(100, np.int64)))
    np.testing.assert_allclose(same.weight, head.weight, atol=1e-8)
    assert same.bias == pytest.approx(head.bias)


def test_rows_that_stand_for_none_are_trained_on_and_choose_nothing(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    counts = np.ones(len(y))
    counts[: RARE - FEWEST + 1] = 0
    head = fit_head(x, y, folds, counts=counts)
    assert head.yes == RARE
    assert head.threshold == 0
    assert np.isnan(head.f1)


def test_a_draw_that_took_few_of_the_no_rows_moves_no_threshold_down(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    kept = np.concatenate([np.arange(RARE), np.arange(RARE, len(y), 10)])
    drawn = fit_head(x[kept], y[kept], folds[kept])
    counts = np.where(y[kept] == 1, 1.0, 10.0)
    mended = fit_head(x[kept], y[kept], folds[kept], counts=counts)
    assert mended.threshold > drawn.threshold
    assert found(mended.bias, mended.weight, x, 1 - y) < found(drawn.bias, drawn.weight, x, 1 - y)


def test_a_question_without_both_answers_is_refused(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    with pytest.raises(InputError, match="say yes and rows that say no"):
        fit_head(x, np.zeros_like(y), folds)
    with pytest.raises(InputError, match="leave the question out"):
        threshold_for_f1(x[:, 0], np.zeros_like(y), folds)


def test_heads_do_not_depend_on_each_other(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    other = (x[:, 1] > 1).astype(np.int64)
    both = fit_heads(x, {"a": y, "b": other}, folds, strengths=(0.01,))
    alone = fit_head(x, y, folds, strengths=(0.01,))
    assert both["a"].bias == alone.bias
    assert both["b"].f1 > both["a"].f1


@settings(max_examples=20)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.integers(2, 4))
def test_a_message_and_its_translation_share_a_fold(names: list[str], count: int) -> None:
    folds = folds_of(names, count)
    assert set(folds) <= set(range(count))
    assert len({(name, fold) for name, fold in zip(names, folds, strict=True)}) == len(set(names))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_threshold_of_separable_logits_parts_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (np.arange(60) % 4 == 0).astype(np.int64)
    logits = np.where(y == 1, 5.0, -5.0) + rng.normal(size=60) * 0.1
    threshold, f1 = threshold_for_f1(logits, y, folds_of(range(60), 3))
    assert f1 > 0.75
    assert (logits[y == 1] > threshold).mean() > 0.8


def test_rows_of_another_kind_move_the_threshold_and_nothing_else(rare: tuple[np.ndarray, ...]) -> None:
    x, y, folds = rare
    head = fit_head(x, y, folds)
    # nearly all of these say yes, so only a low threshold finds them
    probe = np.random.default_rng(1).normal(size=(100, 5)), (np.arange(100) < 90).astype(np.int64)
    moved = fit_head(x, y, folds, probe=probe)
    np.testing.assert_array_equal(moved.weight, head.weight)
    assert moved.threshold < head.threshold
    silent = fit_head(x, y, folds, probe=(probe[0], np.zeros(100, np.int64)))
    assert (silent.threshold, silent.f1) == (head.threshold, head.f1)


def test_what_stands_beside_chooses_among_thresholds_that_are_nearly_as_good() -> None:
    folds = folds_of(range(600), 3)
    y = (np.arange(600) % 4 == 0).astype(np.int64)
    logits = np.random.default_rng(0).normal(size=600) + 2 * y
    alone, f1 = threshold_for_f1(logits, y, folds)
    # yes wherever the logit is above -5: as low a threshold as may be
    beside = np.linspace(-5, 5, 200), np.ones(200, np.int64)
    both, kept = threshold_for_f1(logits, y, folds, beside=beside)
    assert both < alone
    # what is told is the F1 on the rows themselves; it is smoothed where it is compared
    assert f1 - 2 * SLACK < kept <= f1 + SLACK


@pytest.mark.parametrize(("direction", "strength"), [((1.0, 0.0), 1e-3), ((1.0, -1.0), 10.0)])
def test_of_strengths_that_tie_the_one_that_other_rows_want_is_taken(
    direction: tuple[float, float], strength: float
) -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 4 == 0).astype(np.int64)
    noise = rng.normal(size=400)
    # a weak head reads the first component alone, a strong one takes the shared noise off
    x = np.stack([8 * y + noise, noise], axis=1)
    rows = rng.normal(size=(300, 2))
    answers = (rows @ np.array(direction) > 0).astype(np.int64)
    head = fit_head(x, y, folds_of(range(400), 3), strengths=(1e-3, 10.0), probe=(rows, answers))
    assert head.strength == strength
