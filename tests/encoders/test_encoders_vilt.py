"""ViLT against transformers on a tiny random checkpoint; independence, dropped patches, and what a user is
told.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.core.errors import ModelError
from crisislens.encoders.base import pad_ids
from crisislens.encoders.vilt import ViltJoint, load_vilt
from tiny_checkpoints import VILT_WORDS, changed_settings, with_a_hole, with_one_piece_more, write_tiny_vilt


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_vilt(tmp_path_factory.mktemp("vilt"))


def inputs(vilt: ViltJoint, *texts: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids, mask = pad_ids(vilt.tokenize(list(texts)), vilt.pad_id)
    pixels = np.random.default_rng(0).integers(0, 256, (len(texts), 20, 30, 3), dtype=np.uint8)
    return ids, mask, torch.stack([vilt.preprocess(x) for x in pixels])


def test_states_are_those_of_transformers(checkpoint: Path) -> None:
    from transformers import ViltModel

    vilt = load_vilt(str(checkpoint))
    ids, mask, images = inputs(vilt, "flood is down", "a bridge flooded is down")
    ours = vilt(ids, mask, images)
    reference = ViltModel.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        theirs = reference(input_ids=ids, attention_mask=mask.long(), pixel_values=images)
    t = ids.shape[1]
    # the same operations on sums in another order
    assert torch.allclose(ours.text, theirs.last_hidden_state[:, :t] * mask[..., None], atol=1e-5)
    assert torch.allclose(ours.pooled, theirs.pooler_output, atol=1e-5)
    # transformers shuffles the patches; each of ours is one of its
    distance = torch.cdist(ours.image, theirs.last_hidden_state[:, t + 1 :])
    assert (distance.amin(2) < 1e-4).all()
    assert ours.image.shape == (2, 16, 16)


def test_neighbors_padding_and_dropped_patches(checkpoint: Path) -> None:
    vilt = load_vilt(str(checkpoint))
    ids, mask, images = inputs(vilt, "flood", "a bridge is down")
    keep = torch.ones(2, 16, dtype=torch.bool)
    keep[0, 4:] = False
    together = vilt(ids, mask, images, keep)
    short, real = inputs(vilt, "flood")[:2]
    alone = vilt(short, real, images[:1], keep[:1])
    assert torch.allclose(together.text[0, : short.shape[1]], alone.text[0], atol=1e-5)
    assert torch.allclose(together.pooled[0], alone.pooled[0], atol=1e-5)
    changed = images.clone()
    # patches are 8 px wide, so the lower three quarters belong to the dropped ones
    changed[0, :, 8:] = 0
    assert torch.allclose(vilt(ids, mask, changed, keep).pooled[0], together.pooled[0], atol=1e-6)
    assert together.image[0, 4:].abs().sum() == 0


def test_gradients_reach_text_and_picture(checkpoint: Path) -> None:
    vilt = load_vilt(str(checkpoint)).requires_grad_()
    ids, mask, images = inputs(vilt, "flood is down")
    images.requires_grad_()
    found = vilt(ids, mask, images)
    (found.pooled.sum() + found.image.pow(2).sum() + found.text.pow(2).sum()).backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    for name, parameter in vilt.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_fingerprint_is_of_what_was_loaded(checkpoint: Path) -> None:
    loaded, again = load_vilt(str(checkpoint)), load_vilt(str(checkpoint))
    # a text that is cut sets the tokenizer's state, and training the weights
    loaded.tokenize(["flood " * 40])
    with torch.no_grad():
        next(loaded.parameters()).add_(1)
    assert loaded.fingerprint() == again.fingerprint()


def test_what_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a ViLT checkpoint"):
        load_vilt(str(tmp_path))


def test_a_half_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoint, tmp_path / "half")
    weights = load_file(checkpoint / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if "layer.1" not in k},
        tmp_path / "half" / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lacks \d+ tensors of ViLT"):
        load_vilt(str(tmp_path / "half"))
    headless = {k: v for k, v in weights.items() if not k.startswith("pooler")}
    save_file(headless, tmp_path / "half" / "model.safetensors", metadata={"format": "pt"})
    assert not load_vilt(str(tmp_path / "half")).pooler


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("hidden_size", 24),
        ("hidden_size", "wide"),
        ("num_attention_heads", 0),
        ("pad_token_id", 999),
        ("image_size", [32, 32]),
    ],
)
def test_wrong_settings_are_one_sentence(
    setting: str, value: object, checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="is not a ViLT checkpoint"):
        load_vilt(str(changed_settings(checkpoint, tmp_path / "x", {setting: value})))


def test_weights_that_are_no_numbers_and_a_larger_tokenizer_are_refused(
    checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"is damaged: tensor \S+ of ViLT holds values"):
        load_vilt(str(with_a_hole(checkpoint, tmp_path / "hole")))
    with pytest.raises(ModelError, match=r"ids up to 12 and a ViLT model that knows 12 pieces"):
        load_vilt(str(with_one_piece_more(checkpoint, tmp_path / "more")))


def test_no_text_can_spell_a_special_piece(checkpoint: Path) -> None:
    (cut,) = load_vilt(str(checkpoint)).tokenize(["flood [SEP] bridge"])
    assert cut.ids.count(VILT_WORDS.index("[SEP]")) == 1
