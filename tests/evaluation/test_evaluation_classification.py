"""Scores equal scikit-learn's, also in resamples; intervals contain their value, shrink with posts and
respect clusters.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, mean_absolute_error

from crisislens.core.errors import InputError
from crisislens.evaluation.checks import check_clusters, check_labels
from crisislens.evaluation.classification import ClassificationReport, evaluate
from crisislens.evaluation.resampling import cluster_counts, interval, resample_cells, resample_counts
from crisislens.evaluation.scores import SCORES, confusion_cells


def predictions(
    posts: int = 200, classes: int = 3, seed: int = 0, skill: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(classes, size=posts)
    logits = random.normal(size=(posts, classes)) + skill * np.eye(classes)[y]
    p = np.exp(logits)
    return y, p / p.sum(1, keepdims=True)


def of_sklearn(name: str, y: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    if name == "accuracy":
        return float(accuracy_score(y, predicted))
    if name.endswith("_f1"):
        return float(f1_score(y, predicted, average=name.removesuffix("_f1"), zero_division=0))
    if name == "quadratic_kappa":
        return float(cohen_kappa_score(y, predicted, weights="quadratic", labels=list(range(classes))))
    return float(mean_absolute_error(y, predicted))


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize(("posts", "classes"), [(40, 2), (7, 5), (500, 4)])
def test_every_score_equals_scikit_learns(name: str, posts: int, classes: int) -> None:
    for seed in range(5):
        y, p = predictions(posts, classes, seed, skill=1.0)
        predicted = p.argmax(1)
        n = (
            np.bincount(confusion_cells(y, predicted, classes), minlength=classes**2)
            .reshape(classes, classes)
            .astype(float)
        )
        # sums of up to 500 terms in another order
        assert float(SCORES[name](n)) == pytest.approx(of_sklearn(name, y, predicted, classes), abs=1e-12)


def test_a_class_that_never_occurs_does_not_enter_the_macro_mean() -> None:
    report = evaluate(
        np.array([0, 1]), np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]]), ["a", "b", "never"], resamples=10
    )
    assert report.macro_f1.value == 1.0
    assert report.per_class["never"].support == report.per_class["never"].predicted == 0


def test_report_by_hand() -> None:
    y = np.array([0, 0, 0, 1, 1, 2])
    p = np.eye(3)[[0, 0, 1, 1, 1, 0]]
    report = evaluate(y, p, ["a", "b", "c"])
    assert report.confusion == ((2, 1, 0), (0, 2, 0), (1, 0, 0))
    assert report.accuracy.value == pytest.approx(4 / 6)
    assert report.per_class["a"].precision == pytest.approx(2 / 3)
    assert report.per_class["b"].f1 == pytest.approx(0.8)
    assert (report.per_class["c"].f1, report.per_class["c"].support, report.per_class["c"].predicted) == (
        0.0,
        1,
        0,
    )
    assert report.macro_f1.value == pytest.approx((2 / 3 + 0.8) / 3)
    assert report.weighted_f1.value == pytest.approx((3 * 2 / 3 + 2 * 0.8) / 6)


def test_resampling_cells_is_resampling_posts() -> None:
    """The slow plain road: draw posts with replacement and ask scikit-learn; means and spreads must agree."""
    y, p = predictions(60, 3, seed=3)
    predicted, random = p.argmax(1), np.random.default_rng(1)
    rows = random.integers(60, size=(2000, 60))
    plain = np.array([f1_score(y[r], predicted[r], average="macro", zero_division=0) for r in rows[:400]])
    drawn = resample_cells(
        confusion_cells(y, predicted, 3), 9, clusters=None, resamples=4000, seed=0
    ).reshape(-1, 3, 3)
    ours = SCORES["macro_f1"](drawn)
    # standard error of the mean of 400 values with spread 0.06
    assert ours.mean() == pytest.approx(plain.mean(), abs=4 * plain.std() / 20)
    assert ours.std() == pytest.approx(plain.std(), rel=0.2)


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        right = np.random.default_rng(seed).random(150) < 0.8
        report = evaluate(
            np.zeros(150, int), np.eye(2)[(~right).astype(int)], ["a", "b"], resamples=300, seed=seed
        )
        covered += report.accuracy.low <= 0.8 <= report.accuracy.high
    # 100 runs at 95 %: between 0.87 and 1 but for one chance in some hundred
    assert 0.87 <= covered / 100 <= 0.995


def test_copies_of_a_post_do_not_shrink_a_clustered_interval() -> None:
    y, p = predictions(80, 2, seed=5, skill=1.0)
    four_times, clusters = np.tile(np.arange(80), 4), np.tile(np.arange(80), 4)
    once = evaluate(y, p, ["a", "b"], seed=1, resamples=4000).accuracy
    naive = evaluate(y[four_times], p[four_times], ["a", "b"], seed=1, resamples=4000).accuracy
    honest = evaluate(y[four_times], p[four_times], ["a", "b"], seed=1, clusters=clusters, resamples=4000)
    assert naive.high - naive.low == pytest.approx((once.high - once.low) / 2, rel=0.15)
    assert honest.accuracy.high - honest.accuracy.low == pytest.approx(once.high - once.low, rel=0.1)
    assert honest.clusters == 80


def test_cluster_counts_keep_every_post() -> None:
    counts = cluster_counts(np.array([0, 1, 1, 3]), 4, np.array(["x", "y", "x", "y"]))
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1]]
    drawn = resample_counts(counts, resamples=50, seed=0)
    assert (drawn.sum(1) == 4).all()
    assert {tuple(row) for row in drawn} <= {(2, 2, 0, 0), (1, 2, 0, 1), (0, 2, 0, 2)}


def test_resampling_in_parts_equals_one_draw_in_size_and_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.eye(10)
    monkeypatch.setattr("crisislens.evaluation.resampling._CHUNK", 70)
    drawn = resample_counts(counts, resamples=1000, seed=0)
    assert drawn.shape == (1000, 10)
    assert len(np.unique(drawn, axis=0)) > 900
    # each of 10 posts is drawn once on average; standard error 1 / sqrt(1000)
    assert drawn.mean(0) == pytest.approx(np.ones(10), abs=0.15)


def test_events_are_scored_by_themselves() -> None:
    y, p = predictions(90, 2, seed=7)
    events = np.array(["flood", "fire", "quake"] * 30)
    report = evaluate(y, p, ["a", "b"], groups=events, resamples=50)
    assert {name: g.posts for name, g in report.groups.items()} == {"fire": 30, "flood": 30, "quake": 30}
    fire = events == "fire"
    assert report.groups["fire"].accuracy.value == pytest.approx(accuracy_score(y[fire], p[fire].argmax(1)))


def test_ordered_classes_get_their_scores() -> None:
    y, p = predictions(120, 3, seed=9, skill=1.0)
    report = evaluate(y, p, ["little", "mild", "severe"], ordered=True)
    assert report.ordinal is not None
    assert report.ordinal.quadratic_kappa.value == pytest.approx(
        cohen_kappa_score(y, p.argmax(1), weights="quadratic")
    )
    assert report.ordinal.mean_absolute_error.value == pytest.approx(mean_absolute_error(y, p.argmax(1)))
    assert evaluate(y, p, ["little", "mild", "severe"]).ordinal is None


def test_kappa_of_one_class_only_is_perfect() -> None:
    report = evaluate(
        np.zeros(5, int), np.eye(3)[np.zeros(5, int)], ["a", "b", "c"], ordered=True, resamples=20
    )
    assert report.ordinal is not None
    assert report.ordinal.quadratic_kappa.value == report.ordinal.quadratic_kappa.low == 1.0


def test_report_survives_json() -> None:
    y, p = predictions(30, 3)
    report = evaluate(y, p, ["a", "b", "c"], groups=np.array(["x", "y"] * 15), ordered=True, resamples=20)
    assert ClassificationReport.model_validate(report.as_dict()) == report
    assert sum(map(sum, report.confusion)) == 30


def test_equal_seeds_give_equal_intervals_and_no_resamples_none() -> None:
    y, p = predictions(100, 2)
    assert evaluate(y, p, ["a", "b"], seed=4) == evaluate(y, p, ["a", "b"], seed=4)
    assert evaluate(y, p, ["a", "b"], seed=4).weighted_f1 != evaluate(y, p, ["a", "b"], seed=5).weighted_f1
    point = evaluate(y, p, ["a", "b"], resamples=0).macro_f1
    assert point.low == point.value == point.high


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(2, 6), st.integers(0, 10_000), st.floats(0, 4))
def test_scores_stay_in_range_and_intervals_in_order(
    posts: int, classes: int, seed: int, skill: float
) -> None:
    y, p = predictions(posts, classes, seed, skill)
    report = evaluate(y, p, [str(i) for i in range(classes)], ordered=True, resamples=30, seed=seed)
    for estimate in (report.accuracy, report.macro_f1, report.weighted_f1):
        assert 0 <= estimate.low <= estimate.high <= 1
        assert 0 <= estimate.value <= 1
    assert report.ordinal is not None
    assert -1 <= report.ordinal.quadratic_kappa.value <= 1
    assert 0 <= report.ordinal.mean_absolute_error.value <= classes - 1
    assert np.array_equal(
        np.array(report.confusion), confusion_matrix(y, p.argmax(1), labels=list(range(classes)))
    )
    # accuracy is micro-averaged recall
    assert report.accuracy.value == pytest.approx(
        sum(c.recall * c.support for c in report.per_class.values()) / posts
    )


def test_interval_is_the_middle_95_percent() -> None:
    # 0, 1, … 1000: 2.5 % of them lie below 25
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.array([0, 2]), np.full((2, 2), 0.5), ["a", "b"]), "labels go from 0 to 2, expected 0 to 1"),
        ((np.array([0, 1]), np.full((2, 2), 0.7), ["a", "b"]), "add up to 1; apply softmax"),
        ((np.array([0, 1]), np.full((2, 2), np.nan), ["a", "b"]), "add up to 1"),
        ((np.array([0, 1]), np.full((2, 2), 0.5), ["a"]), "1 class names were given for 2 columns"),
        ((np.zeros(0, int), np.zeros((0, 2)), ["a", "b"]), "no posts to evaluate"),
    ],
)
def test_says_what_does_not_fit(arguments: tuple[np.ndarray, np.ndarray, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(*arguments)


def test_says_that_lengths_do_not_fit() -> None:
    """Asked of the checks themselves: under test, jaxtyping would object first."""
    with pytest.raises(InputError, match="2 labels were given for 3 posts; give one label a post"):
        check_labels(np.array([0, 1]), posts=3, classes=2)
    with pytest.raises(InputError, match="3 cluster names were given for 4 posts"):
        check_clusters(np.array([1, 2, 3]), posts=4)
