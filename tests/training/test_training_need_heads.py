"""Heads of rare questions: what cross-validation chooses, and what it must not look at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.training.need_heads import FEWEST, fit_head, fit_heads, folds_of, threshold_for_f1

RARE = 40


@pytest.fixture(scope="module")
def rare() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """800 rows of which 40 say yes, a little to one side: at one half a head finds next to nothing."""
    rng = np.random.default_rng(0)
    y = np.zeros(800, np.int64)
    y[:RARE] = 1
    x = rng.normal(size=(800, 5))
    x[:RARE, 0] += 2.0
    return x, y, folds_of(np.arange(800), 3)


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
    folds = folds_of(np.array(names), count)
    assert set(folds) <= set(range(count))
    assert len({(name, fold) for name, fold in zip(names, folds, strict=True)}) == len(set(names))


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_the_threshold_of_separable_logits_parts_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = (np.arange(60) % 4 == 0).astype(np.int64)
    logits = np.where(y == 1, 5.0, -5.0) + rng.normal(size=60) * 0.1
    threshold, f1 = threshold_for_f1(logits, y, folds_of(np.arange(60), 3))
    assert f1 > 0.75
    assert (logits[y == 1] > threshold).mean() > 0.8
