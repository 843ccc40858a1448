"""The evidence model may answer that there is nothing; and how its gate is fitted."""

from pathlib import Path

import numpy as np
import pytest
import torch
import train_rationale_gate as script

from crisislens.core.assets import asset
from crisislens.explain.rationalizer import Rationalizer
from crisislens.models.rationale_artifact import load_rationalizer
from tiny_rationales import write_rationales

CRISIS = (
    "Bridge destroyed by the flood in Ponce, families trapped",
    "Two people were injured when the roof collapsed on Main Street",
    "Power lines down across the county after the hurricane, 4,000 homes without water",
)
QUIET = (
    "monday meeting moved to 10, please bring the quarterly numbers",
    "My lasagna came out perfect for once, sunday dinner on a friday, no regrets",
    "Happy birthday to my favorite human!! cake for breakfast",
    "New blog post: five ways to organize your garage",
)


@pytest.fixture(scope="module")
def shipped() -> Rationalizer:
    return Rationalizer.load()


def test_a_gate_that_is_open_changes_nothing_and_a_shut_one_marks_nothing(tmp_path: Path) -> None:
    plain = Rationalizer(load_rationalizer(write_rationales(tmp_path / "plain")))
    opened = Rationalizer(load_rationalizer(write_rationales(tmp_path / "open", gate=1.0)))
    shut = Rationalizer(load_rationalizer(write_rationales(tmp_path / "shut", gate=-1.0)))
    assert opened.find(CRISIS) == plain.find(CRISIS)
    assert any(any(r.chosen) for r in plain.find(CRISIS))
    for found, same in zip(shut.find(CRISIS), plain.find(CRISIS), strict=True):
        assert not any(found.chosen)
        assert found.words == same.words
        assert found.probability == same.probability


def test_models_without_a_gate_keep_their_fingerprint_and_one_with_it_has_another(tmp_path: Path) -> None:
    plain = load_rationalizer(write_rationales(tmp_path / "plain"))
    again = load_rationalizer(write_rationales(tmp_path / "again"))
    gated = load_rationalizer(write_rationales(tmp_path / "gated", gate=1.0))
    assert plain.fingerprint == again.fingerprint != gated.fingerprint
    assert plain.text.gate is None
    assert gated.config.gate


def test_a_text_is_gated_alike_alone_and_among_others(shipped: Rationalizer) -> None:
    together = shipped.find([*CRISIS, *QUIET])
    assert [shipped.find([text])[0].chosen for text in (*CRISIS, *QUIET)] == [r.chosen for r in together]


def test_the_shipped_model_marks_crisis_posts_and_not_everyday_ones(shipped: Rationalizer) -> None:
    assert all(any(r.chosen) for r in shipped.find(CRISIS))
    assert sum(any(r.chosen) for r in shipped.find(QUIET)) <= 1
    assert asset("rationales", "crisis-rationales").is_dir()


def test_the_fit_separates_and_the_threshold_keeps_the_share_that_is_asked() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    x = rng.normal(size=(600, 5)) + 2.0 * y[:, None]
    weight, bias = script.fit(x, y, 0.01)
    scores = x @ weight + bias
    assert ((scores > 0) == (y == 1)).mean() > 0.95
    theta = script.threshold(scores, y, 0.9)
    assert (scores[y == 1] >= theta).mean() == pytest.approx(0.9, abs=0.01)


def test_the_penalty_is_chosen_on_development_rows_and_the_threshold_is_in_the_bias() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 800)
    x = rng.normal(size=(800, 5)) + 1.5 * y[:, None]
    weight, bias = script.chosen(x[:400], y[:400], x[400:], y[400:])
    kept = (x[400:][y[400:] == 1] @ weight + bias >= 0).mean()
    assert kept == pytest.approx(script.KEPT, abs=0.01)


def test_parts_of_a_source_share_no_text() -> None:
    texts = [f"text {i % 50}" for i in range(200)]
    parts = [script._parts(texts, split) for split in ("train", "dev", "test")]
    assert sorted(t for part in parts for t in part) == sorted(set(texts))
    assert [len(part) for part in parts] == [30, 10, 10]


@torch.inference_mode()
def test_pooled_vectors_are_in_the_order_of_the_texts(tmp_path: Path) -> None:
    loaded = load_rationalizer(write_rationales(tmp_path / "m"))
    texts = [*CRISIS, "https://a.example", *QUIET]
    some = script.pooled(loaded, texts)
    alone = [script.pooled(loaded, [text]) for text in texts]
    assert np.allclose(some, np.concatenate(alone), atol=1e-5)
