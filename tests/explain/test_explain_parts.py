"""Heat in words and on pixels, reduction to rationales, Shapley values by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crisislens.data.words import word_spans
from crisislens.explain.contribution import coalition_logits, modality_shapley
from crisislens.explain.heat import describe_heat, keep_patches, soft_blur, upsample
from crisislens.explain.reduce import reduce_pixels, reduce_text
from crisislens.models.base import ModelSpec
from crisislens.models.rationale_transfer import evidence_heat, transport_plan
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.joint import JointStates
from crisislens.nn.widths import FeatureWidths

NOISE = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def test_shapley_values_of_an_unequal_game() -> None:
    # a alone brings 1, c alone 2, b only beside a; the mean over the six orders by hand
    worth = {"": 0.0, "a": 1.0, "b": 0.0, "c": 2.0, "ab": 4.0, "ac": 3.0, "bc": 2.0, "abc": 6.0}
    found = modality_shapley(["a", "b", "c"], lambda s: worth["".join(sorted(s))])
    assert found == pytest.approx({"a": 2.5, "b": 1.5, "c": 2.0})


@given(st.lists(st.floats(-5, 5), min_size=8, max_size=8))
def test_shapley_values_add_up(values: list[float]) -> None:
    keys = [frozenset(s) for s in ("", "a", "b", "c", "ab", "ac", "bc", "abc")]
    worth = dict(zip(keys, values, strict=True))
    found = modality_shapley(["a", "b", "c"], worth.__getitem__)
    assert sum(found.values()) == pytest.approx(worth[frozenset("abc")] - worth[frozenset()], abs=1e-9)


def test_a_modality_that_is_absent_contributes_nothing() -> None:
    widths = FeatureWidths(text=4, text_pooled=4, image=3, image_pooled=3)
    torch.manual_seed(0)
    model = ModelSpec(name="late_fusion").build(widths, 3).eval()
    text = ModalityBatch.collate(
        [torch.randn(2, 4), torch.randn(3, 4)], [torch.randn(4), torch.randn(4)], width=4, pooled_width=4
    )
    image = ModalityBatch.collate([torch.randn(2, 3), None], [torch.randn(3), None], width=3, pooled_width=3)
    logits = coalition_logits(model, FeatureBatch(text=text, image=image))
    assert len(logits) == 4
    # the second post has no picture: hiding it changes nothing
    assert np.allclose(logits[frozenset({"text"})][1], logits[frozenset({"text", "image"})][1])
    assert not np.allclose(logits[frozenset({"text"})][0], logits[frozenset({"text", "image"})][0])
    assert np.allclose(logits[frozenset()].mean(1), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("place", "words"),
    [((0, 0), "upper left"), ((4, 4), "center"), ((8, 4), "lower center"), ((0, 8), "upper right")],
)
def test_heat_in_words(place: tuple[int, int], words: str) -> None:
    heat = np.zeros((9, 9))
    heat[place] = 1
    assert (
        describe_heat(heat)
        == f"most of the evidence lies in the {words}; 1 of 81 parts of the photo is marked"
    )
    assert describe_heat(np.zeros((9, 9))) == "no part of the photo stands out"


def test_hot_pixels_stay_and_cold_ones_blur() -> None:
    assert (soft_blur(NOISE, np.ones((3, 4))) == NOISE).all()
    blurred = soft_blur(NOISE, np.zeros((3, 4)))
    assert blurred.std() < NOISE.std() / 2
    left = np.zeros((3, 4))
    left[:, :2] = 1
    mixed = soft_blur(NOISE, left)
    assert (mixed[:, :5] == NOISE[:, :5]).all()
    assert (mixed[:, -2:] == blurred[:, -2:]).all()
    assert upsample(left, 12, 16).shape == (12, 16)


def test_the_hottest_patches_are_kept() -> None:
    heat = np.arange(12.0).reshape(3, 4)
    kept = keep_patches(NOISE, heat, 0.25)
    mean = np.rint(NOISE.reshape(-1, 3).mean(0))
    assert (kept[8:, 4:] == NOISE[8:, 4:]).all()
    assert (kept[:8] == mean).all()
    assert (kept[8:, :4] == mean).all()


def test_complement_is_what_the_rationale_leaves() -> None:
    heat = np.arange(12.0).reshape(3, 4) / 11
    inside, outside = (
        reduce_pixels(NOISE, heat, switch, hard_share=0.25) for switch in ("both", "complement")
    )
    assert inside is not None
    assert outside is not None
    mean = np.rint(NOISE.reshape(-1, 3).mean(0))
    shown = (inside != mean).any(2), (outside != mean).any(2)
    assert not (shown[0] & shown[1]).any()
    assert (reduce_pixels(NOISE, heat, "none") == NOISE).all()  # type: ignore[union-attr]
    assert reduce_pixels(NOISE, heat, "text") is None
    assert reduce_pixels(NOISE, np.zeros((3, 4)), "both") is None
    text = "Flood 🌊 hits"
    words = word_spans(text)
    assert reduce_text(text, words, [True, False, True], "both") == "Flood * hits"
    assert reduce_text(text, words, [True, False, True], "image") == ""
    assert reduce_text(text, words, [True, False, True], "none") == text


def states() -> JointStates:
    # three words along three axes; patch 0 looks like word 0, patches 1 and 2 like word 1, patch 3 like
    # nothing
    text = torch.eye(4)[None, :3]
    image = torch.tensor([[[1.0, 0.1, 0, 0], [0, 1, 0, 0], [0, 1, 0.1, 0], [0, 0, 0, 1]]])
    return JointStates(
        text, torch.ones(1, 3, dtype=torch.bool), image, torch.ones(1, 4, dtype=torch.bool), text[:, 0]
    )


def test_evidence_in_words_heats_their_patches() -> None:
    heat = evidence_heat(states(), torch.tensor([[True, False, False]]))[0]
    assert int(heat.argmax()) == 0
    assert heat[0] == 1
    assert evidence_heat(states(), torch.tensor([[False, False, False]])).sum() == 0


def test_a_sink_takes_the_patches_that_no_word_wants() -> None:
    everything = torch.ones(1, 3, dtype=torch.bool)
    balanced = transport_plan(states(), beta=0.1, steps=200)
    assert torch.allclose(balanced.sum(2), torch.full((1, 4), 0.25), atol=1e-3)
    plan = transport_plan(states(), beta=0.1, steps=200, sink=0.25)
    assert float(plan[0, 3].sum()) < 0.05
    assert torch.allclose(plan.sum(1), torch.full((1, 3), 0.25), atol=1e-4)
    assert float(evidence_heat(states(), everything, beta=0.1, steps=200, sink=0.25)[0, 3]) < 0.3
