"""Scores of counts: scikit-learn's values on any answers, resamples that keep what belongs together, and one
record for every paired test.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score, mean_absolute_error

from crisislens.core.errors import InputError, NotRegisteredError
from crisislens.evaluation.checks import check_clusters, check_labels, check_logits, check_probabilities
from crisislens.evaluation.extraction import paired_f1
from crisislens.evaluation.resampling import (
    cluster_counts,
    gather_counts,
    interval,
    resample_cells,
    resample_counts,
)
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.evaluation.significance import (
    PairedDifference,
    holm,
    mcnemar,
    mean_interval,
    paired_bootstrap,
    paired_difference,
)

CLASSES = 4
Answered = tuple[np.ndarray, np.ndarray]


@st.composite
def answered(draw: st.DrawFn) -> Answered:
    """Labels and answers of some posts; classes may be missing on either side."""
    posts = draw(st.integers(1, 40))
    classes = st.lists(st.integers(0, CLASSES - 1), min_size=posts, max_size=posts)
    return np.array(draw(classes)), np.array(draw(classes))


def matrix(y: np.ndarray, said: np.ndarray) -> np.ndarray:
    cells = confusion_cells(y, said, CLASSES)
    counts = np.bincount(cells, minlength=CLASSES**2).astype(np.float64)
    return counts.reshape(CLASSES, CLASSES)


@given(answered())
@settings(deadline=None)
def test_scores_of_any_answers_are_those_of_scikit_learn(both: Answered) -> None:
    y, said = both
    n = matrix(y, said)
    expected = {
        "accuracy": accuracy_score(y, said),
        "macro_f1": f1_score(y, said, average="macro", zero_division=0),
        "weighted_f1": f1_score(y, said, average="weighted", zero_division=0),
        "mean_absolute_error": mean_absolute_error(y, said),
    }
    assert {name: float(SCORES[name](n)) for name in expected} == pytest.approx(expected)


@given(answered())
@settings(deadline=None)
def test_quadratic_kappa_is_that_of_scikit_learn_and_one_where_all_agree_on_one_class(both: Answered) -> None:
    y, said = both
    found = float(SCORES["quadratic_kappa"](matrix(y, said)))
    if len({*y.tolist(), *said.tolist()}) == 1:
        assert found == 1
    else:
        labels = list(range(CLASSES))
        assert found == pytest.approx(cohen_kappa_score(y, said, labels=labels, weights="quadratic"))


@given(st.lists(answered(), min_size=2, max_size=4))
@settings(deadline=None)
def test_many_matrices_are_scored_as_one_by_one(several: list[Answered]) -> None:
    stack = np.stack([matrix(y, said) for y, said in several])
    for name in SCORES:
        alone = [float(SCORES[name](one)) for one in stack]
        assert SCORES[name](stack) == pytest.approx(alone)


def test_an_unknown_score_is_told_with_those_that_there_are() -> None:
    y, p = np.array([0, 1]), np.eye(2)
    with pytest.raises(NotRegisteredError, match=r"f2.*accuracy"):
        paired_bootstrap(y, p, p, "f2")


# what is refused


@pytest.mark.parametrize(
    ("y", "posts", "sentence"),
    [
        ([0, 1], 3, "2 labels were given for 3 posts; give one label a post"),
        ([], 0, "there are no posts to evaluate; give at least one"),
        ([0, 3], 2, "labels go from 0 to 3, expected 0 to 2; map them by the label space"),
        ([-1, 1], 2, "labels go from -1 to 1, expected 0 to 2"),
    ],
)
def test_labels_that_do_not_belong_to_the_predictions(y: list[int], posts: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_labels(np.array(y, np.int64), posts=posts, classes=3)
    check_labels(np.array([0, 2]), posts=2, classes=3)


@pytest.mark.parametrize(
    "row",
    [[0.5, 0.6], [-0.1, 1.1], [np.nan, 1.0], [np.inf, 0.0], [2.0, -1.0], [0.0, 0.0]],
)
def test_rows_that_are_no_probabilities(row: list[float]) -> None:
    with pytest.raises(InputError, match="probabilities that add up to 1; apply softmax to logits first"):
        check_probabilities(np.array([[0.5, 0.5], row]))


def test_probabilities_of_a_rounded_file_are_taken() -> None:
    check_probabilities(np.array([[0.333, 0.333, 0.333]]))
    with pytest.raises(InputError):
        check_probabilities(np.array([[0.33, 0.33, 0.33]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_of_a_model_that_diverged_are_counted(bad: float) -> None:
    with pytest.raises(InputError, match="2 logits are not finite; the model diverged"):
        check_logits(np.array([[bad, 1.0], [0.0, bad]]))


def test_clusters_are_one_a_post() -> None:
    check_clusters(None, posts=3)
    check_clusters(np.array(["a", "b"]), posts=2)
    with pytest.raises(InputError, match="2 cluster names were given for 3 posts"):
        check_clusters(np.array(["a", "b"]), posts=3)


# resamples

Clustered = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 8)), min_size=1, max_size=30)


@given(Clustered)
def test_gathering_loses_no_post(rows: list[tuple[str, int]]) -> None:
    clusters = np.array([name for name, _ in rows])
    counts = np.array([[n, 1.0] for _, n in rows])
    gathered = gather_counts(counts, clusters)
    assert gathered.sum(0) == pytest.approx(counts.sum(0))
    for name, row in zip(sorted(set(clusters)), gathered, strict=True):
        assert row == pytest.approx(counts[clusters == name].sum(0))


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc")), min_size=1, max_size=30))
def test_cells_of_clusters_are_gathered_indicators(rows: list[tuple[int, str]]) -> None:
    cells, clusters = np.array([c for c, _ in rows]), np.array([k for _, k in rows])
    assert (cluster_counts(cells, 5, clusters) == gather_counts(np.eye(5)[cells], clusters)).all()


@given(st.integers(1, 12), st.integers(1, 20), st.integers(0, 3))
def test_a_resample_draws_as_many_clusters_as_there_are(clusters: int, resamples: int, seed: int) -> None:
    drawn = resample_counts(np.ones((clusters, 1)), resamples=resamples, seed=seed)
    assert drawn.shape == (resamples, 1)
    assert (drawn == clusters).all()
    # cells of single posts: as many posts as before
    cells = np.arange(clusters) % 3
    alone = resample_cells(cells, 3, clusters=None, resamples=resamples, seed=seed)
    assert (alone.sum(1) == clusters).all()


def test_equal_seeds_draw_the_same_clusters_whatever_is_counted() -> None:
    first = np.arange(24.0).reshape(12, 2)
    drawn = resample_counts(first, resamples=30, seed=4)
    assert (resample_counts(10 * first, resamples=30, seed=4) == 10 * drawn).all()
    assert not (resample_counts(first, resamples=30, seed=5) == drawn).all()
    # each system by itself, or side by side in one table
    wide = resample_counts(np.concatenate([first, first[:, :1]], axis=1), resamples=30, seed=4)
    assert (wide[:, :2] == drawn).all()


def test_resamples_that_do_not_fit_into_memory_at_once_are_all_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisislens.evaluation.resampling._CHUNK", 7)
    drawn = resample_counts(np.ones((5, 1)), resamples=11, seed=0)
    assert drawn.shape == (11, 1)
    # fewer than one row would be none
    assert resample_counts(np.ones((50, 1)), resamples=3, seed=0).shape == (3, 1)


def test_resamples_scatter_around_what_was_seen() -> None:
    cells = np.repeat([0, 1, 2], [50, 30, 20])
    clusters = np.arange(100)
    for which in (None, clusters):
        drawn = resample_cells(cells, 3, clusters=which, resamples=4000, seed=0)
        assert drawn.mean(0) == pytest.approx([50, 30, 20], abs=0.5)
        # the variance of a multinomial, n p (1 - p)
        assert drawn.var(0) == pytest.approx([25, 21, 16], rel=0.1)


def test_an_interval_is_of_percentiles() -> None:
    values = np.arange(101.0)
    assert interval(values) == pytest.approx((2.5, 97.5))
    assert interval(values, level=0.5) == pytest.approx((25, 75))


# paired tests

Draws = st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=40)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), Draws)
def test_a_difference_the_other_way_round_is_its_mirror(a: float, b: float, noise: list[float]) -> None:
    drawn_a, drawn_b = a + np.array(noise), np.full(len(noise), b)
    there = paired_difference("accuracy", (a, drawn_a), (b, drawn_b))
    back = paired_difference("accuracy", (b, drawn_b), (a, drawn_a))
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low), abs=1e-12
    )
    assert back.p_value == there.p_value
    assert back.detectable == pytest.approx(there.detectable)
    assert 1 / (1 + len(noise)) <= there.p_value <= 1
    assert there.detectable >= 0


def test_a_shift_of_every_resample_changes_no_p_value() -> None:
    """It looks at how far resamples lie from what was seen, so a bias of the score cannot fake a finding."""
    noise = np.random.default_rng(0).normal(0, 0.02, 500)
    zero = (0.0, np.zeros(500))
    found = paired_difference("x", (0.05, 0.05 + noise), zero)
    assert found.p_value == (1 + int((abs(noise) >= 0.05).sum())) / 501


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "weighted_f1"])
def test_paired_bootstraps_of_probabilities_and_of_counts_are_one_record(metric: str) -> None:
    y = np.array([0, 1] * 30)
    right, wrong = np.eye(2)[y], np.eye(2)[1 - y]
    found = paired_bootstrap(y, right, wrong, metric, resamples=50)
    assert type(found) is PairedDifference
    assert (found.what, found.a, found.b) == (metric, 1, 0)
    assert found.p_value == pytest.approx(1 / 51)
    counts = np.array([[1, 1, 1]] * 60)
    other = paired_f1([counts], [counts * [0, 1, 1]], resamples=50)
    assert type(other) is PairedDifference
    assert (other.what, other.a, other.b, other.p_value) == ("micro_f1", 1, 0, found.p_value)
    assert set(other.model_dump()) == set(found.model_dump())


@pytest.mark.parametrize(
    ("p_a", "resamples", "sentence"),
    [
        (np.eye(2), 0, "0 resamples were asked for; a bootstrap needs at least 1"),
        ([], 10, "a system has no probabilities; give one array for each of its seeds"),
    ],
)
def test_a_bootstrap_of_what_does_not_fit_is_refused(p_a: object, resamples: int, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        paired_bootstrap(np.array([0, 1]), p_a, np.eye(2), resamples=resamples)  # type: ignore[arg-type]


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_order_and_never_makes_a_test_clearer(p_values: dict[str, float]) -> None:
    corrected = holm(p_values)
    assert list(corrected) == list(p_values)
    ranked = sorted(p_values, key=p_values.__getitem__)
    for name in ranked:
        assert p_values[name] <= corrected[name] <= 1
    assert [corrected[name] for name in ranked] == sorted(corrected.values())
    # the clearest pays for all tests, never more
    assert corrected[ranked[0]] == pytest.approx(min(1, len(p_values) * p_values[ranked[0]]))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
@settings(deadline=None)
def test_mcnemar_counts_where_one_alone_is_right(rows: list[tuple[bool, bool]]) -> None:
    a, b = np.array([x for x, _ in rows]), np.array([y for _, y in rows])
    found, back = mcnemar(a, b), mcnemar(b, a)
    assert (found.only_a, found.only_b) == (back.only_b, back.only_a)
    assert found.p_value == pytest.approx(back.p_value)
    assert found.only_a - found.only_b == int(a.sum()) - int(b.sum())
    if (a == b).all():
        assert found.p_value == 1


def test_a_mean_over_seeds_is_wider_at_a_higher_level_and_none_of_one_seed() -> None:
    assert mean_interval([0.8]).half_width is None
    assert mean_interval([0.8]).percent() == "80.00 (1 seed)"
    usual, wide = (mean_interval([0.8, 0.9, 0.7], level).half_width for level in (0.95, 0.99))
    assert usual is not None
    assert wide is not None
    assert wide > usual
    assert mean_interval([0.8, 0.8]).half_width == 0
    with pytest.raises(InputError, match="no values to take the mean of"):
        mean_interval([])
