"""Two systems on the same posts: scikit-learn's values, pairs that stay pairs, what could have been seen."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from crisislens.core.errors import InputError
from crisislens.evaluation.compare import Answers, compare_answers

CLASSES = ("food", "medical", "water")


def answers(name: str, truth: np.ndarray, *said: np.ndarray, events: int = 1) -> Answers:
    """Answers of one label each; posts belong to events in turn."""
    return Answers(
        name=name,
        ids=tuple(f"p{i}" for i in range(len(truth))),
        truth=tuple(frozenset([CLASSES[k]]) for k in truth),
        said=tuple(tuple(frozenset([CLASSES[k]]) for k in one) for one in said),
        events=tuple(f"event {i % events}" for i in range(len(truth))),
        clusters=tuple(f"p{i}" for i in range(len(truth))),
    )


def made(posts: int, right: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(3, size=posts)
    wrong = (truth + random.integers(1, 3, size=posts)) % 3
    return truth, np.where(random.random(posts) < right, truth, wrong)


def test_values_are_those_of_scikit_learn() -> None:
    truth, first = made(90, 0.8)
    _, second = made(90, 0.6)
    found = compare_answers(answers("a", truth, first), answers("b", truth, second), resamples=50)
    for which, said in (("a", first), ("b", second)):
        overall = {d.what: getattr(d, which) for d in found.overall}
        assert overall == pytest.approx(
            {
                "accuracy": accuracy_score(truth, said),
                "macro_f1": f1_score(truth, said, average="macro"),
                "weighted_f1": f1_score(truth, said, average="weighted"),
            }
        )
        of_class = [getattr(d, which) for d in found.classes]
        assert of_class == pytest.approx(f1_score(truth, said, average=None).tolist())
    assert [d.what for d in found.classes] == list(CLASSES)


def test_identical_systems_differ_by_nothing() -> None:
    truth, said = made(60, 0.7)
    found = compare_answers(answers("a", truth, said), answers("a", truth, said), resamples=100)
    for d in (*found.overall, *found.classes):
        assert (d.difference, d.low, d.high, d.p_value, d.detectable) == (0, 0, 0, 1, 0)
    assert found.mcnemar_p == 1
    assert (found.a, found.b) == ("a (first)", "a (second)")


def test_the_sides_are_paired_and_a_clear_difference_is_found() -> None:
    truth, good = made(200, 0.9)
    worse = good.copy()
    worse[:20] = (truth[:20] + 1) % 3
    found = compare_answers(answers("a", truth, good), answers("b", truth, worse), resamples=1000)
    accuracy = found.overall[0]
    assert accuracy.low > 0
    assert accuracy.p_value < 0.01
    # the same difference the other way round
    back = compare_answers(answers("b", truth, worse), answers("a", truth, good), resamples=1000).overall[0]
    assert (back.difference, back.low) == pytest.approx((-accuracy.difference, -accuracy.high))


def test_more_posts_can_show_smaller_differences() -> None:
    shown = []
    for posts in (50, 200, 800):
        truth, first = made(posts, 0.8, seed=1)
        _, second = made(posts, 0.8, seed=2)
        found = compare_answers(answers("a", truth, first), answers("b", truth, second), resamples=400)
        shown.append(found.overall[0].detectable)
    assert shown[0] > shown[1] > shown[2] > 0


def test_seeds_are_averaged() -> None:
    truth, first = made(60, 0.9)
    _, second = made(60, 0.5)
    both = compare_answers(answers("a", truth, first, second), answers("b", truth, first), resamples=50)
    mean = (accuracy_score(truth, first) + accuracy_score(truth, second)) / 2
    assert both.overall[0].a == pytest.approx(mean)
    assert both.seeds == (2, 1)


def test_several_labels_count_as_sets() -> None:
    truth = (frozenset({"food", "water"}), frozenset({"water"}), frozenset[str](), frozenset({"food"}))
    said = (frozenset({"water"}), frozenset({"water"}), frozenset[str](), frozenset({"water"}))
    ids = tuple("abcd")
    one = Answers("one", ids, truth, (truth,), ("e",) * 4, ids)
    two = Answers("two", ids, truth, (said,), ("e",) * 4, ids)
    found = compare_answers(one, two, resamples=50)
    y = np.array([[1, 1], [0, 1], [0, 0], [1, 0]])
    z = np.array([[0, 1], [0, 1], [0, 0], [0, 1]])
    assert [d.b for d in found.overall] == pytest.approx(
        [
            accuracy_score(y, z),
            f1_score(y, z, average="macro", zero_division=0),
            f1_score(y, z, average="weighted", zero_division=0),
        ]
    )
    assert [d.a for d in found.overall] == [1, 1, 1]


def test_posts_that_belong_together_are_drawn_together() -> None:
    truth, first = made(120, 0.8)
    second = first.copy()
    second[:30] = (first[:30] + 1) % 3
    a, b = answers("a", truth, first), answers("b", truth, second)
    blocks = tuple(f"tweet {i // 30}" for i in range(120))
    together = [Answers(x.name, x.ids, x.truth, x.said, x.events, blocks) for x in (a, b)]
    alone = compare_answers(a, b, resamples=400).overall[0].detectable
    assert compare_answers(together[0], together[1], resamples=400).overall[0].detectable > 2 * alone


def test_events_are_compared_where_there_are_several() -> None:
    truth, first = made(60, 0.9)
    _, second = made(60, 0.5)
    found = compare_answers(
        answers("a", truth, first, events=2), answers("b", truth, second, events=2), resamples=50
    )
    assert [d.what for d in found.events] == ["event 0", "event 1"]
    assert found.events[0].a == pytest.approx(accuracy_score(truth[::2], first[::2]))
    assert "Accuracy by event" in found.markdown()
    assert "| macro-F1 | " in found.markdown()


def test_nothing_shown_and_shown_to_be_nothing_are_told_apart() -> None:
    truth, first = made(900, 0.8)
    second = first.copy()
    # six posts each way: no difference, on a few posts or on many
    at = np.flatnonzero(first == truth)[:6]
    second[at] = (truth[at] + 1) % 3
    back = np.flatnonzero(first != truth)[:6]
    second[back] = truth[back]
    few = np.concatenate([at, back, np.arange(40)])
    many = compare_answers(answers("a", truth, first), answers("b", truth, second), resamples=400)
    small = compare_answers(
        answers("a", truth[few], first[few]), answers("b", truth[few], second[few]), resamples=400
    )
    assert many.overall[0].verdict == "shown to be smaller than 1 point"
    assert small.overall[0].verdict == "not shown"
    assert "| shown to be smaller than 1 point |" in many.markdown()
    wide = compare_answers(
        answers("a", truth, first), answers("b", truth, second), resamples=400, margin=0.05
    )
    assert wide.overall[0].verdict == "shown to be smaller than 5 points"
    assert wide.overall[0].equivalence_p <= many.overall[0].equivalence_p


def test_only_posts_that_both_answered_count_and_labels_must_agree() -> None:
    truth, said = made(30, 0.7)
    a = answers("a", truth, said)
    fewer = answers("b", truth[:10], said[:10])
    assert compare_answers(a, fewer, resamples=20).posts == 10
    with pytest.raises(InputError, match=r"post 'p0' is labeled .* for a and .* for b; compare runs with"):
        compare_answers(a, answers("b", (truth + 1) % 3, said), resamples=20)
    strangers = Answers("c", tuple("xyz"), a.truth[:3], (a.said[0][:3],), a.events[:3], tuple("xyz"))
    with pytest.raises(InputError, match="a and c answered no post in common"):
        compare_answers(a, strangers, resamples=20)
