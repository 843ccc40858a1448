"""Zero-shot against the formula on a tiny random CLIP; what has no common space is refused."""

from pathlib import Path

import pytest
import torch

from crisislens.core.errors import ConfigError, ModelError
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.place_types import PLACE_CRISIS
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders, pad_ids
from crisislens.encoders.zero_shot import PromptClassifier
from crisislens.features.encode import PostEncoder
from crisislens.pipeline.zero_shot import ZeroShotPlaces

PROMPTS = {"a": ("a bed", "a sofa"), "b": ("a sea",)}


def test_is_the_formula(tiny_clip: Path) -> None:
    pair = load_encoders(EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip)}))
    classifier = PromptClassifier(pair, PROMPTS, scale=7.0)
    torch.manual_seed(0)
    text, image = torch.randn(12), torch.randn(12)
    expected = []
    for sentences in PROMPTS.values():
        rows = []
        for sentence in sentences:
            with torch.no_grad():
                z = pair.text(*pad_ids(pair.text.tokenize([sentence]), pair.text.pad_id))[1][0]
            rows.append(z / z.norm())
        w = sum(rows) / len(rows)
        w = w / w.norm()
        expected.append(7.0 * (text @ w / text.norm() + image @ w / image.norm()) / 2)
    # fp32 sums of 12 terms in another order
    torch.testing.assert_close(classifier.logits(text, image), torch.stack(expected), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        classifier.logits(3 * text, None), classifier.logits(text, None), atol=1e-5, rtol=1e-5
    )
    assert classifier.logits(None, None).tolist() == [0.0, 0.0]


def test_posts_are_judged_each_by_itself(tiny_clip: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (20, 30), (200, 30, 30)).save(tmp_path / "red.png")
    pair = load_encoders(EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip)}))
    encoder = PostEncoder(
        pair, rules=CleaningRules(), limits=ImageLimits(), image_root=tmp_path, keep_tokens=()
    )
    places = ZeroShotPlaces(encoder)
    posts = [Post(id="1", text="on the beach"), Post(id="2", image=ImageRef(path="red.png")), Post(id="3")]
    together = places.assess(posts)
    assert [places.assess([post])[0] for post in posts] == together
    assert all(set(a.probabilities) == set(PLACE_CRISIS.classes) for a in together)
    assert together[2].abstained
    assert together[2].reason == "The post has no readable text or photo."


def test_says_what_is_wrong(tiny_clip: Path) -> None:
    with pytest.raises(
        ModelError, match=r"one space for texts and pictures; 'clip' gives vectors of 16 and 20 components"
    ):
        PromptClassifier(
            load_encoders(
                EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip), "pooled": "pre_projection"})
            ),
            PROMPTS,
        )
    pair = load_encoders(EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip)}))
    with pytest.raises(ConfigError, match="without one: b"):
        PromptClassifier(pair, {"a": ("x",), "b": ()})
    with pytest.raises(ConfigError, match="two classes or more"):
        PromptClassifier(pair, {"a": ("x",)})
