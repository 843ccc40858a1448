"""The parts of scripts/train_fused.py: maps, the bounded nudge, what is chosen by, and thresholds."""

import numpy as np
import pytest
import train_fused as script
from train_default import Row

from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS
from crisislens.evaluation.calibration import softmax
from crisislens.nn.widths import FeatureWidths

QUESTION = script.QUESTIONS[0]


def rows(count: int, *, split: str = "train", prefix: str = "p", weak: bool = False) -> list[Row]:
    """Posts of alternating classes."""
    return [
        Row(Post(id=f"{prefix}{i}_0", text="x"), split, weak, {"informativeness": i % 2})
        for i in range(count)
    ]


def material(rng: np.random.Generator) -> script.Vectors:
    """Posts whose text says the class in its first component, and everyday photos that say nothing."""
    posts = [
        *rows(200),
        *rows(60, split="dev", prefix="d"),
        *rows(80, prefix="everyday/t", weak=True),
        *rows(40, split="dev", prefix="everyday/d", weak=True),
    ]
    y = np.array([row.labels["informativeness"] for row in posts])
    text, image = rng.normal(size=(len(posts), 6)), rng.normal(size=(len(posts), 5))
    text[:, 0] += 3 * (2 * y - 1)
    has_image = np.array([row.weak for row in posts]) | (np.arange(len(posts)) % 7 == 0)
    scales = {
        "text_mean": np.zeros(6),
        "text_scale": np.ones(6),
        "image_mean": np.zeros(5),
        "image_scale": np.ones(5),
    }
    there = np.ones(len(posts), bool)
    return script.Vectors(posts, text, image * has_image[:, None], there, has_image, scales)


@pytest.fixture(scope="module")
def v() -> script.Vectors:
    return material(np.random.default_rng(0))


@pytest.fixture(scope="module")
def apart() -> script.LeftOut:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 300)
    text = rng.normal(size=(300, 6))
    text[:, 0] += 3 * (2 * y - 1)
    return script.LeftOut(text, y, np.array(["outside"] * 150 + ["outside_t26"] * 150))


@pytest.fixture(scope="module")
def asks() -> script.Asking:
    weight = np.zeros(6)
    weight[1] = 1.0
    calls = np.zeros((20, 6))
    calls[:, 0], calls[:, 1] = -2.0, 8.0
    return script.Asking(weight, 0.0, calls)


def test_a_map_of_two_classes_gives_the_probabilities_of_logistic_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = (x[:, 0] + 0.3 * rng.normal(size=200) > 0).astype(np.int64)
    found = script.fit_map(x, y, np.ones(200), 2, 1.0)
    assert found.weight.shape == (2, 3)
    assert np.allclose(found.weight[0], -found.weight[1])
    assert ((softmax(found(x))[:, 1] > 0.5) == y).mean() >= 0.9


def test_a_class_without_rows_is_never_the_best() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3))
    y = np.array([0, 2, 4] * 30)
    found = script.fit_map(x, y, np.ones(90), 5, 1.0)
    assert set(found(x).argmax(1)) <= {0, 2, 4}


def test_rare_classes_count_by_the_root_of_their_rarity() -> None:
    y = np.array([0] * 90 + [1] * 10)
    weights = script.rarity(y, 2, balance=True)
    assert weights[-1] / weights[0] == pytest.approx(3.0)
    assert (script.rarity(y, 2, balance=False) == 1).all()


def test_a_nudge_stays_within_its_bound_and_learns_what_helps() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(size=(400, 4))
    y = (image[:, 0] > 0).astype(np.int64)
    said = np.zeros((400, 2))
    nudge = script.fit_nudge(said, image, y, np.ones(400), 0.5)
    moved = 0.5 * np.tanh(nudge(image) / 0.5)
    assert np.abs(moved).max() <= 0.5
    assert (moved.argmax(1) == y).mean() > 0.9


def test_the_fused_model_is_the_one_that_is_saved(v: script.Vectors) -> None:
    widths = FeatureWidths(text=6, text_pooled=6, image=5, image_pooled=5)

    class Encoders:
        def widths(self) -> FeatureWidths:
            return widths

    text = script.train_text(v, QUESTION, 0.0, 0.01)
    fused = script.train_fused(v, QUESTION, text, 1.0, np.zeros(0, np.int64))
    model = script.as_model(fused, v, Encoders(), 2)  # type: ignore[arg-type]
    assert model.bound == 1.0
    assert np.allclose(model.text.weight.detach().numpy(), text.weight, atol=1e-6)
    assert np.allclose(model.nudge.bias.detach().numpy(), fused.nudge.bias, atol=1e-6)


def test_an_unrelated_photo_costs_little_and_the_bound_that_is_chosen_says_so(
    v: script.Vectors, apart: script.LeftOut, asks: script.Asking
) -> None:
    fused = script.choose_bound(v, QUESTION, script.choose_text(v, QUESTION, apart, asks))
    alone, beside = script.recall_beside(v, QUESTION, fused, "dev")
    assert alone > 0.9
    assert alone - beside <= script.MOST_LOST


def test_calls_that_annotators_would_deny_are_not_denied(
    v: script.Vectors, apart: script.LeftOut, asks: script.Asking
) -> None:
    text = script.choose_text(v, QUESTION, apart, asks)
    assert (softmax(text(asks.calls))[:, 0] >= script.DENIED).mean() <= script.MOST_DENIED
    plain = script.train_text(v, QUESTION, 0.0, 0.01)
    more = script.with_calls(plain, asks, 0.2)
    moved = more(asks.calls) - plain(asks.calls)
    assert np.allclose(moved[:, 1] - moved[:, 0], 0.2 * 8.0)


def test_real_posts_are_judged_out_of_fold_once_each(v: script.Vectors) -> None:
    text = script.train_text(v, QUESTION, 0.0, 0.01)
    found = script.out_of_fold(v, QUESTION, text, 0.5)
    wanted = np.concatenate([v.at(QUESTION.name, split, weak=False) for split in ("train", "dev")])
    assert sorted(found.rows.tolist()) == sorted(wanted[v.has_image[wanted]].tolist())
    assert found.both.shape == found.photo.shape == (len(found.rows), 2)
    assert np.abs(found.both - text(v.text[found.rows])).max() <= 0.5


def test_rows_that_are_judged_later_are_not_trained_on(v: script.Vectors) -> None:
    away = v.at(QUESTION.name, "train", weak=False)[:20]
    text, image, y, weights = script.pairs(v, QUESTION, away, np.random.default_rng(0))
    assert not np.isin(text, away).any()
    assert not np.isin(image, away).any()
    assert len(text) == len(image) == len(y) == len(weights)
    assert v.has_image[image].all()


def test_thresholds_of_informative_have_no_entry_for_a_photo_alone(
    v: script.Vectors, apart: script.LeftOut
) -> None:
    fused = script.train_fused(
        v, QUESTION, script.train_text(v, QUESTION, 0.0, 0.01), 0.5, np.zeros(0, np.int64)
    )
    found = script.calibrate_informative(v, QUESTION, fused, apart)
    assert set(found) == {"text", "both"}
    assert found["both"].abstain_below >= found["text"].abstain_below


def test_the_questions_are_those_of_the_settings_and_ask_for_no_test_row() -> None:
    assert {q.name: q.task.setting for q in script.QUESTIONS} == {
        "informativeness": "A1",
        "damage": "A3",
        "humanitarian": "B2",
    }
    assert all(q.task in TASKS.values() for q in script.QUESTIONS)
    assert all(bound > 0 for q in script.QUESTIONS for bound in q.bounds)


def test_a_hash_is_the_same_in_every_process() -> None:
    assert script.hash_of("917791044158185473") == int.from_bytes(b"185473", "big")
