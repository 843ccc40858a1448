"""The embedded default against numbers made by the libraries that its weights come from, and its adapter."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.core.errors import ModelError
from crisislens.encoders.base import EncoderSpec, load_encoders, pad_ids
from crisislens.encoders.compact import MINILM_WEIGHTS, EfficientNetImage, MiniLMText, find_adapter
from crisislens.encoders.lora import LoraState, add_lora, lora_state, write_lora

TEXTS = ["The bridge is down and the road to the hospital is flooded", "Flood 🌊 in Ponce!"]


@pytest.fixture(scope="module")
def text() -> MiniLMText:
    return MiniLMText()


def test_text_equals_sentence_transformers(text: MiniLMText) -> None:
    # sentence-transformers 6.2 on the same weights in double precision, scaled to length 1
    expected = torch.tensor(
        [
            [
                -0.040026874278198774,
                0.06502793728578729,
                0.055042436564679935,
                -0.029421557440172896,
                -0.04008695970274883,
            ],
            [
                -0.018404344901338344,
                0.048578582289697504,
                -0.0009624349062798278,
                0.055759376833541784,
                -0.018863935792533267,
            ],
        ]
    )
    _, z = text(*pad_ids(text.tokenize(TEXTS), text.pad_id))
    unit = torch.nn.functional.normalize(z, dim=1)
    # single against double precision through six layers
    torch.testing.assert_close(unit[:, :5], expected, atol=1e-6, rtol=0)
    assert float(unit[0] @ unit[1]) == pytest.approx(0.2861049992, abs=1e-6)


def test_pooled_is_the_mean_of_all_states_and_not_normalized(text: MiniLMText) -> None:
    ids, mask = pad_ids(text.tokenize(TEXTS), text.pad_id)
    states, z = text(ids, mask)
    for i, n in enumerate(mask.sum(1)):
        torch.testing.assert_close(z[i], states[i, :n].mean(0), atol=1e-6, rtol=0)
    assert (z.norm(dim=1) - 1).abs().min() > 0.5


def test_picture_equals_the_original_implementation() -> None:
    y, x = np.mgrid[0:260, 0:260]
    pixels = np.stack([x * 255 // 259, y * 255 // 259, (x * y) % 256], -1).astype(np.uint8)
    encoder = EfficientNetImage()
    tokens, z = encoder(encoder.preprocess(pixels)[None])
    # efficientnet_lite_pytorch 0.1.0 on the same weights in double precision; folding rounds each weight
    # once: 2e-5 on values up to 6
    expected = torch.tensor(
        [
            0.0,
            0.0037148060079853296,
            0.019555957047305807,
            0.04546088410505135,
            0.07494244487600316,
            2.4906500453619014,
        ]
    )
    torch.testing.assert_close(z[0, :6], expected, atol=2e-5, rtol=0)
    assert float(z.norm()) == pytest.approx(15.416963409, abs=1e-4)
    # the middle cell of 9 × 9
    assert float(tokens[0, 40, 5]) == pytest.approx(2.91131820794958, abs=1e-4)


def test_fit_crops_the_middle_or_squeezes_the_whole() -> None:
    pixels = np.zeros((260, 780, 3), np.uint8)
    pixels[:, 260:520] = 255
    squeezed, cropped = (EfficientNetImage(fit=fit).preprocess(pixels) for fit in ("squeeze", "crop"))
    assert cropped.min() == 1.0  # (255 − 127) / 128: only the white middle
    assert squeezed[0, 130, 0] == pytest.approx(-127 / 128)
    assert squeezed[0, 130, 130] == 1.0


def write_adapter(
    folder: Path, *, name: str = "adapter.safetensors", seed: int = 0, base: str = MINILM_WEIGHTS.sha256
) -> Path:
    trained = MiniLMText()
    torch.manual_seed(seed)
    add_lora(trained, rank=4, alpha=8, targets=["bert.encoder.*"])
    for parameter_name, p in trained.named_parameters():
        if parameter_name.endswith(".b"):
            torch.nn.init.normal_(p, std=0.05)
        if "LayerNorm.bias" in parameter_name:
            p.requires_grad_().data += 0.1
    write_lora(folder / name, lora_state(trained, base=base))
    return folder / name


def test_an_adapter_changes_texts_and_the_fingerprint_but_not_pictures(
    tmp_path: Path, text: MiniLMText
) -> None:
    path = write_adapter(tmp_path)
    adapted = load_encoders(EncoderSpec(options={"adapter": str(path)}))
    plain = load_encoders(EncoderSpec())
    inputs = pad_ids(text.tokenize(TEXTS), text.pad_id)
    assert (adapted.text(*inputs)[1] - text(*inputs)[1]).abs().max() > 0.05
    assert adapted.text.fingerprint() != plain.text.fingerprint()
    assert adapted.image.fingerprint() == plain.image.fingerprint()
    assert not any(p.requires_grad for p in adapted.text.parameters())


def test_the_fingerprint_follows_the_adapters_bytes_not_its_place(tmp_path: Path) -> None:
    path = write_adapter(tmp_path)
    copied = tmp_path / "elsewhere.safetensors"
    copied.write_bytes(path.read_bytes())
    other = write_adapter(tmp_path, name="other.safetensors", seed=1)
    one, same, different = (MiniLMText(adapter=str(p)).fingerprint() for p in (path, copied, other))
    assert one == same != different


def test_an_adapter_of_other_weights_is_refused(tmp_path: Path) -> None:
    path = write_adapter(tmp_path, base="0" * 64)
    with pytest.raises(
        ModelError, match=r"adapts other weights \(0000.*use the encoder that it was trained on"
    ):
        MiniLMText(adapter=str(path))


def test_an_adapter_that_does_not_exist_is_named() -> None:
    with pytest.raises(ModelError, match=r"no adapter file at nowhere .* adapters that ship"):
        MiniLMText(adapter="nowhere")


def test_a_name_longer_than_a_files_may_be_is_no_adapter() -> None:
    with pytest.raises(ModelError, match="adapters that ship"):
        find_adapter("a" * 400)


def test_an_adapter_for_another_module_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "strange.safetensors"
    write_lora(
        path, LoraState({"vit.layer.lora_a": torch.zeros(2, 3), "vit.layer.lora_b": torch.zeros(3, 2)}, 1.0)
    )
    with pytest.raises(ModelError, match=r"changes vit.layer.weight, which this encoder does not have"):
        MiniLMText(adapter=str(path))
