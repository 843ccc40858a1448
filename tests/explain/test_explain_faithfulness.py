"""Deletion and insertion by hand, and a model that is shown parts."""

import numpy as np
import torch

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.data.words import word_spans
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.explain.faithfulness import (
    Shown,
    encode_shown,
    most_important,
    probabilities,
    shown_patches,
    shown_words,
)
from crisislens.features.encode import PostEncoder, collate
from crisislens.models.base import ModelSpec

PAIR = load_encoders(EncoderSpec(name="hashing"))
ENCODER = PostEncoder(PAIR, rules=CleaningRules(), limits=ImageLimits(), image_root=None)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def test_words_go_and_come_by_importance() -> None:
    text, importance = "one two three four", [0.1, 0.9, 0.4, 0.8]
    words = word_spans(text)
    assert shown_words(text, words, importance, 0.5, insert=True) == "* two * four"
    assert shown_words(text, words, importance, 0.5, insert=False) == "one * three *"
    assert shown_words(text, words, importance, 0.0, insert=False) == text
    assert shown_words(text, words, importance, 1.0, insert=True) == text
    assert most_important([], 0.5) == []


def test_patches_go_and_come_by_heat() -> None:
    heat = np.arange(9.0).reshape(3, 3)
    assert (shown_patches(PIXELS, heat, 1.0, insert=True) == PIXELS).all()
    assert (shown_patches(PIXELS, heat, 0.0, insert=False) == PIXELS).all()
    third = shown_patches(PIXELS, heat, 1 / 3, insert=True)
    assert (third[8:] == PIXELS[8:]).all()
    assert len(np.unique(third[:8].reshape(-1, 3), axis=0)) == 1
    rest = shown_patches(PIXELS, heat, 1 / 3, insert=False)
    assert (rest[:8] == PIXELS[:8]).all()
    assert len(np.unique(rest[8:].reshape(-1, 3), axis=0)) == 1


def test_a_model_is_shown_parts() -> None:
    torch.manual_seed(0)
    model = ModelSpec(name="late_fusion", options={"width": 8}).build(PAIR.widths(), 3).eval()
    shown = [Shown("flood * here", PIXELS), Shown("flood * here"), Shown("", PIXELS), Shown("")]
    p = probabilities(ENCODER, model, shown)
    assert p.shape == (4, 3)
    assert np.allclose(p.sum(1), 1)
    # what is shown is what a post with that text gives
    whole = ENCODER.encode([Post(id="1", text="flood * here")]).features
    with torch.inference_mode():
        expected = model(collate(whole, PAIR.widths())).softmax(1).numpy()
    assert np.allclose(p[1], expected[0])
    assert encode_shown(ENCODER, shown)[2].text_tokens is None
    assert not np.allclose(p[0], p[1])
