"""CLIP against transformers' own forward on a small random checkpoint."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crisislens.core.errors import ConfigError, ModelError
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders, pad_ids

TEXTS = ["flood 🌊 here", "ok", "שלום"]


def load(folder: Path, **options: str) -> EncoderPair:
    return load_encoders(EncoderSpec(name="clip", options={"checkpoint": str(folder), **options}))


def reference(folder: Path) -> tuple[object, dict[str, Tensor], Tensor]:
    """transformers' model and the inputs that transformers makes itself."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    inputs = CLIPTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=pictures(), return_tensors="pt")[
        "pixel_values"
    ]
    return model, dict(inputs), pixels


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [
        random.integers(0, 256, (20, 30, 3), dtype=np.uint8),
        random.integers(0, 256, (50, 16, 3), dtype=np.uint8),
    ]


@torch.no_grad()
def test_text_equals_transformers(tiny_clip: Path) -> None:
    model, inputs, _ = reference(tiny_clip)
    for pooled, expected in (
        ("projected", model.get_text_features(**inputs).pooler_output),
        ("pre_projection", model.text_model(**inputs).pooler_output),
    ):
        encoder = load(tiny_clip, pooled=pooled).text
        ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
        assert torch.equal(mask, inputs["attention_mask"].bool())
        assert torch.equal(ids, inputs["input_ids"])
        states, z = encoder(ids, mask)
        # the same operations on the same numbers
        torch.testing.assert_close(z, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(
            states[mask], model.text_model(**inputs).last_hidden_state[mask], atol=1e-6, rtol=0
        )


@torch.no_grad()
def test_image_equals_transformers(tiny_clip: Path) -> None:
    model, _, pixels = reference(tiny_clip)
    for pooled, expected in (
        ("projected", model.get_image_features(pixel_values=pixels).pooler_output),
        ("pre_projection", model.vision_model(pixel_values=pixels).pooler_output),
    ):
        encoder = load(tiny_clip, pooled=pooled).image
        made = torch.stack([encoder.preprocess(x) for x in pictures()])
        torch.testing.assert_close(made, pixels, atol=0, rtol=0)
        patches, z = encoder(made)
        torch.testing.assert_close(z, expected, atol=1e-6, rtol=0)
        torch.testing.assert_close(
            patches, model.vision_model(pixel_values=pixels).last_hidden_state[:, 1:], atol=1e-6, rtol=0
        )


def test_pooled_is_the_state_at_the_end_of_the_text(tiny_clip: Path) -> None:
    encoder = load(tiny_clip, pooled="pre_projection").text
    tokenized = encoder.tokenize(TEXTS)
    states, z = encoder(*pad_ids(tokenized, encoder.pad_id))
    for i, x in enumerate(tokenized):
        assert torch.equal(z[i], states[i, len(x.ids) - 1])


def test_the_fingerprint_follows_the_weights_not_the_place(tiny_clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    assert load(copied).fingerprint() == load(tiny_clip).fingerprint()
    weights = load_file(copied / "model.safetensors")
    weights["visual_projection.weight"][0, 0] += 1
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    assert load(copied).image.fingerprint() != load(tiny_clip).image.fingerprint()
    assert load(copied).text.fingerprint() == load(tiny_clip).text.fingerprint()


@torch.no_grad()
def test_in_bfloat16_it_says_so_and_posts_stay_what_they_are_alone(tiny_clip: Path) -> None:
    single, half = load(tiny_clip), load(tiny_clip).computing_in("bf16")
    for side in ("text", "image"):
        assert getattr(single, side).fingerprint() != getattr(half, side).fingerprint()
    # models know the features by the precision that they were trained in
    assert half.known_as() == single.fingerprint() == load(tiny_clip).computing_in("fp32").fingerprint()
    with pytest.raises(ConfigError, match="bf16 already"):
        half.computing_in("fp32")
    tokens = half.text.tokenize(["flood here", "flood here"])
    photos = torch.stack([half.image.preprocess(picture) for picture in pictures()])
    together = (*half.text(*pad_ids(tokens, half.text.pad_id)), *half.image(photos))
    first = (*half.text(*pad_ids(tokens[:1], half.text.pad_id)), *half.image(photos[:1]))
    exact = (*single.text(*pad_ids(tokens, single.text.pad_id)), *single.image(photos))
    for made, alone, true in zip(together, first, exact, strict=True):
        assert made.dtype == torch.float32
        assert torch.equal(made[:1], alone)
        assert not torch.equal(made, true)
        assert torch.nn.functional.cosine_similarity(made, true, dim=-1).min() > 0.99


def test_the_fingerprint_follows_the_preprocessing(tiny_clip: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    path = copied / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "image_mean": [0.5, 0.5, 0.5]}))
    assert load(copied).image.fingerprint() != load(tiny_clip).image.fingerprint()


def test_without_a_preprocessor_file_clips_own_values_are_taken(tiny_clip: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    (copied / "preprocessor_config.json").unlink()
    assert load(copied).fingerprint() == load(tiny_clip).fingerprint()


def test_preprocessing_of_another_size_is_refused(tiny_clip: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    path = copied / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "crop_size": {"height": 12, "width": 12}}))
    with pytest.raises(
        ModelError, match=r"of shape \(3, 12, 12\), its weights take side 16; correct size and crop_size"
    ):
        load(copied)


def test_offline_it_says_what_to_do() -> None:
    with pytest.raises(
        ModelError,
        match=r"nobody/no-clip cannot be had .*HF_HUB_OFFLINE.*hf download nobody/no-clip.*option checkpoint",
    ):
        load_encoders(EncoderSpec(name="clip", options={"checkpoint": "nobody/no-clip"}))


def test_pickled_weights_are_not_read(tiny_clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"is not a CLIP checkpoint with model.safetensors"):
        load(copied)


def test_a_checkpoint_with_missing_weights_is_refused(tiny_clip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copied = shutil.copytree(tiny_clip, tmp_path / "copy")
    weights = load_file(copied / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 tensors of CLIP, such as text_projection.weight"):
        load(copied)


@torch.no_grad()
def test_an_end_that_somebody_writes_hides_nothing(tiny_clip: Path) -> None:
    encoder = load(tiny_clip).text
    end = encoder.tokenize(["help"])[0].ids[-1]
    texts = ["help <|endoftext|> a", "help <|endoftext|> b"]
    tokenized = encoder.tokenize(texts)
    assert all(x.ids.count(end) == 1 and x.ids[-1] == end for x in tokenized)
    _, z = encoder(*pad_ids(tokenized, encoder.pad_id))
    assert not torch.allclose(z[0], z[1], atol=1e-3)
