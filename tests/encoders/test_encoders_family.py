"""ELECTRA and SigLIP against transformers' own forward in fp64, CLIP too; timm's backbones through a stand-in
of that package.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from crisislens.core.errors import ConfigError, MissingExtraError, ModelError, NotRegisteredError
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders, pad_ids
from crisislens.encoders.bert_family import LanguageOptions, LanguageText
from crisislens.encoders.lora import LoraState, write_lora
from crisislens.encoders.timm_backbones import VisionImage, VisionOptions
from timm_stand_in import TinyDense, stand_in
from tiny_checkpoints import changed_settings, with_a_hole, with_one_piece_more

TEXTS = ["flood in the old town", "ok", "help"]
# fp64: the same operations on the same numbers, summed in groups of other sizes
TINY = 1e-12


def electra(folder: Path, **options: Any) -> LanguageText:
    return LanguageText(LanguageOptions(checkpoint=str(folder), **options))


@torch.no_grad()
def test_electra_equals_transformers_in_fp64(tiny_electra: Path) -> None:
    from transformers import AutoTokenizer, ElectraModel

    reference = ElectraModel.from_pretrained(tiny_electra).double().eval()
    inputs = AutoTokenizer.from_pretrained(tiny_electra)(TEXTS, padding=True, return_tensors="pt")
    expected = reference(**inputs).last_hidden_state
    encoder = electra(tiny_electra).double()
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    assert torch.equal(ids, inputs["input_ids"])
    states, pooled = encoder(ids, mask)
    torch.testing.assert_close(states[mask], expected[mask], atol=TINY, rtol=0)
    torch.testing.assert_close(pooled, expected[:, 0], atol=TINY, rtol=0)
    assert states[~mask].abs().max() == 0
    mean = electra(tiny_electra, pooled="mean").double()(ids, mask)[1]
    torch.testing.assert_close(mean[1], expected[1][mask[1]].mean(0), atol=TINY, rtol=0)


@torch.no_grad()
def test_clip_equals_transformers_in_fp64(tiny_clip: Path) -> None:
    from transformers import CLIPModel

    reference = CLIPModel.from_pretrained(tiny_clip).double().eval()
    pixels = torch.randn(2, 3, 16, 16).double()
    for pooled in ("projected", "pre_projection"):
        pair = load_encoders(
            EncoderSpec(name="clip", options={"checkpoint": str(tiny_clip), "pooled": pooled})
        )
        image, text = pair.image.double(), pair.text.double()
        patches, z_i = image(pixels)
        seen = reference.vision_model(pixel_values=pixels)
        torch.testing.assert_close(patches, seen.last_hidden_state[:, 1:], atol=TINY, rtol=0)
        torch.testing.assert_close(
            z_i,
            reference.visual_projection(seen.pooler_output) if pooled == "projected" else seen.pooler_output,
            atol=TINY,
            rtol=0,
        )
        ids, mask = pad_ids(text.tokenize(TEXTS), text.pad_id)
        states, z_t = text(ids, mask)
        read = reference.text_model(input_ids=ids, attention_mask=mask)
        torch.testing.assert_close(states[mask], read.last_hidden_state[mask], atol=TINY, rtol=0)
        torch.testing.assert_close(
            z_t,
            reference.text_projection(read.pooler_output) if pooled == "projected" else read.pooler_output,
            atol=TINY,
            rtol=0,
        )


@torch.no_grad()
def test_siglip_equals_transformers_with_its_own_padding(tiny_siglip: Path) -> None:
    from transformers import AutoTokenizer, SiglipModel

    reference = SiglipModel.from_pretrained(tiny_siglip).double().eval()
    pair = load_encoders(EncoderSpec(name="siglip", options={"checkpoint": str(tiny_siglip)}))
    full = AutoTokenizer.from_pretrained(tiny_siglip)(
        TEXTS, padding="max_length", max_length=24, truncation=True, return_tensors="pt"
    )
    expected = reference.text_model(input_ids=full["input_ids"])
    text = pair.text.double()
    ids, mask = pad_ids(text.tokenize(TEXTS), text.pad_id)
    states, z_t = text(ids, mask)
    torch.testing.assert_close(z_t, expected.pooler_output, atol=TINY, rtol=0)
    torch.testing.assert_close(
        states[mask], expected.last_hidden_state[:, : ids.shape[1]][mask], atol=TINY, rtol=0
    )
    pixels = torch.randn(2, 3, 16, 16).double()
    patches, z_i = pair.image.double()(pixels)
    seen = reference.vision_model(pixel_values=pixels)
    torch.testing.assert_close(patches, seen.last_hidden_state, atol=TINY, rtol=0)
    torch.testing.assert_close(z_i, seen.pooler_output, atol=TINY, rtol=0)


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = stand_in()
    monkeypatch.setitem(sys.modules, "timm", module)
    return module


def dense_weights(folder: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    path = folder / "densenet201.safetensors"
    save_file(TinyDense().state_dict(), path)
    return path


def test_a_backbone_of_timm_gives_cells_and_logits_or_their_mean(tmp_path: Path, timm: ModuleType) -> None:
    path = dense_weights(tmp_path)
    logits = VisionImage(VisionOptions(weights=str(path)))
    assert (logits.patches, logits.width, logits.pooled_width, logits.side_px) == (4, 6, 10, 16)
    torch.manual_seed(0)
    reference = TinyDense().eval()
    pixels = torch.randn(2, 3, 16, 16)
    cells, z = logits(pixels)
    grid = reference.forward_features(pixels)
    assert torch.equal(cells[1, 3], grid[1, :, 1, 1])
    assert torch.equal(z, reference(pixels))
    mean = VisionImage(VisionOptions(weights=str(path), pooled="mean"))
    torch.testing.assert_close(mean(pixels)[1], grid.mean((2, 3)))
    assert mean.fingerprint() != logits.fingerprint()


def test_its_preprocessing_is_the_models_own(tmp_path: Path, timm: ModuleType) -> None:
    encoder = VisionImage(VisionOptions(weights=str(dense_weights(tmp_path))))
    gray = encoder.preprocess(np.full((40, 90, 3), 128, np.uint8))
    assert gray.shape == (3, 16, 16)
    expected = (128 / 255 - np.array([0.4, 0.5, 0.6])) / np.array([0.2, 0.3, 0.4])
    torch.testing.assert_close(gray[:, 5, 5], torch.tensor(expected, dtype=torch.float32))
    # shorter side to 16 / 0.875 = 18 pixels, of which the middle 16 stay: the border of a wide picture is cut
    wide = np.zeros((18, 54, 3), np.uint8)
    wide[:, :19] = 255
    assert encoder.preprocess(wide).max() < 0


def test_what_backbones_refuse(tmp_path: Path, timm: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="timm knows no model 'dense'"):
        VisionImage(VisionOptions(model="dense", weights="x"))
    (tmp_path / "bad.safetensors").write_bytes(b"junk")
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        VisionImage(VisionOptions(weights=str(tmp_path / "bad.safetensors")))
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="does not hold the weights of densenet201"):
        VisionImage(VisionOptions(weights=str(tmp_path / "other.safetensors")))
    with pytest.raises(ModelError, match=r"timm/densenet201.tv_in1k cannot be had .* option weights"):
        VisionImage(VisionOptions())
    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.setattr("importlib.import_module", _absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'crisislens\[backbones\]'"):
        VisionImage(VisionOptions())


def _absent(name: str) -> ModuleType:
    raise ModuleNotFoundError(name)


def test_what_was_learned_comes_back_as_an_adapter_norms_included(
    tmp_path: Path, timm: ModuleType, tiny_electra: Path
) -> None:
    options = VisionOptions(weights=str(dense_weights(tmp_path)))
    image, text = VisionImage(options), electra(tiny_electra)
    for n, encoder in enumerate((image, text)):
        with torch.no_grad():
            for p in encoder.parameters():
                p.add_(0.01)
        if encoder is image:
            image.train()
            image(torch.randn(4, 3, 16, 16))
            image.eval()
        whole = {k: v.clone() for k, v in encoder.state_dict().items()}
        write_lora(tmp_path / f"{n}.safetensors", LoraState(whole, 1.0, encoder.adapts))
    again = VisionImage(options.model_copy(update={"adapter": str(tmp_path / "0.safetensors")}))
    pixels = torch.randn(2, 3, 16, 16)
    assert torch.equal(again(pixels)[1], image(pixels)[1])
    ids, mask = pad_ids(text.tokenize(TEXTS), text.pad_id)
    assert torch.equal(
        electra(tiny_electra, adapter=str(tmp_path / "1.safetensors"))(ids, mask)[1], text(ids, mask)[1]
    )
    with pytest.raises(ModelError, match="adapts other weights"):
        electra(tiny_electra, adapter=str(tmp_path / "0.safetensors"))
    with pytest.raises(ModelError, match="adapts other weights"):
        VisionImage(options.model_copy(update={"adapter": str(tmp_path / "1.safetensors")}))


def test_a_pair_takes_sides_of_both_kinds(tiny_clip: Path, tiny_electra: Path) -> None:
    def pair(text: dict[str, Any], image: dict[str, Any]) -> EncoderPair:
        return load_encoders(EncoderSpec(name="pair", options={"text": text, "image": image}))

    found = pair({"name": "hashing"}, {"name": "clip", "options": {"checkpoint": str(tiny_clip)}})
    assert (found.text.name, found.image.name) == ("hashing", "CLIP image")
    with pytest.raises(NotRegisteredError, match="no text encoder named 'timm'; known: language"):
        pair({"name": "timm"}, {"name": "hashing"})
    with pytest.raises(ConfigError, match="pair"):
        load_encoders(EncoderSpec(name="pair", options={"text": {"name": "hashing"}}))


def test_gradients_reach_electra(tiny_electra: Path) -> None:
    encoder = electra(tiny_electra)
    encoder.requires_grad_(True)
    encoder.train()
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    encoder(ids, mask)[1].square().sum().backward()
    silent = {n for n, p in encoder.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    # a bias of the keys shifts all scores of a query alike
    assert all(name.endswith("key.bias") for name in silent)


@pytest.mark.parametrize("kind", ["language", "siglip"])
def test_a_checkpoint_that_cannot_be_had_is_one_sentence(kind: str, tmp_path: Path) -> None:
    def load(name: str) -> None:
        if kind == "siglip":
            load_encoders(EncoderSpec(name="siglip", options={"checkpoint": name}))
        else:
            electra(Path(name))

    with pytest.raises(ModelError, match=r"cannot be had.*hf download"):
        load("somebody/nothing")
    with pytest.raises(ModelError, match=f"{tmp_path} is not a"):
        load(str(tmp_path))


def test_a_checkpoint_that_lacks_tensors_is_refused(tiny_electra: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file

    shutil.copytree(tiny_electra, tmp_path / "e")
    state: dict[str, Tensor] = load_file(tmp_path / "e" / "model.safetensors")
    gone = next(name for name in state if "attention" in name)
    save_file(
        {k: v for k, v in state.items() if k != gone},
        tmp_path / "e" / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(ModelError, match="lacks 1 tensors of electra"):
        electra(tmp_path / "e")


def load(kind: str, folder: Path) -> EncoderPair | LanguageText:
    if kind == "language":
        return electra(folder)
    return load_encoders(EncoderSpec(name=kind, options={"checkpoint": str(folder)}))


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [
        ("language", "hidden_size", 24),
        ("language", "hidden_size", "wide"),
        ("language", "num_attention_heads", 0),
        ("language", "max_position_embeddings", 8),
        ("language", "pad_token_id", 999),
        ("siglip", "text_config.vocab_size", 20),
        ("siglip", "vision_config.patch_size", 4),
        ("siglip", "vision_config.num_attention_heads", 0),
        ("clip", "text_config.hidden_size", 24),
        ("clip", "vision_config.image_size", "x"),
        ("clip", "vision_config.num_attention_heads", 0),
    ],
)
def test_wrong_settings_are_one_sentence(
    kind: str,
    setting: str,
    value: object,
    tiny_electra: Path,
    tiny_siglip: Path,
    tiny_clip: Path,
    tmp_path: Path,
) -> None:
    folder = {"language": tiny_electra, "siglip": tiny_siglip, "clip": tiny_clip}[kind]
    with pytest.raises(ModelError, match=f"{tmp_path}/x is not a .* convert it or name another"):
        load(kind, changed_settings(folder, tmp_path / "x", {setting: value}))


def test_memory_and_our_own_errors_pass_as_they_are(
    tiny_electra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error in (MemoryError(), ConfigError("ours")):

        def fail(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("crisislens.encoders.bert_family.automatic_model", fail)
        with pytest.raises(type(error)):
            electra(tiny_electra)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB."),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_torchs_lack_of_memory_is_not_called_a_fault_of_the_checkpoint(
    error: Exception, tiny_electra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("crisislens.encoders.bert_family.automatic_model", fail)
    with pytest.raises(ModelError, match="needs more memory than is free here; end other programs") as told:
        electra(tiny_electra)
    assert "is not a" not in str(told.value)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_model_of_another_kind_is_no_language_checkpoint(
    kind: str, tiny_clip: Path, tiny_siglip: Path
) -> None:
    with pytest.raises(ModelError, match=r"is not a language checkpoint .* convert it or name another"):
        electra({"clip": tiny_clip, "siglip": tiny_siglip}[kind])


def test_a_model_whose_settings_lack_a_width_is_no_language_checkpoint(
    tiny_electra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisislens.encoders import bert_family

    load_as_it_is = bert_family._load

    def without(options: LanguageOptions) -> tuple[Any, Any]:
        model, tokenizer = load_as_it_is(options)
        model.config.hidden_size = None
        return model, tokenizer

    monkeypatch.setattr(bert_family, "_load", without)
    with pytest.raises(ModelError, match="is not a language checkpoint"):
        electra(tiny_electra)


@pytest.mark.parametrize("kind", ["siglip", "clip"])
def test_one_number_normalizes_all_channels(
    kind: str, tiny_siglip: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    folder = {"siglip": tiny_siglip, "clip": tiny_clip}[kind]
    pixels = np.full((16, 16, 3), 51, np.uint8)
    made = []
    for name, value in (("one", 0.25), ("three", [0.25] * 3)):
        changes = {"image_mean": value, "image_std": value}
        pair = load(kind, changed_settings(folder, tmp_path / name, changes, file=_PICTURES))
        assert isinstance(pair, EncoderPair)
        made.append(pair.image.preprocess(pixels))
    assert torch.equal(*made)


@pytest.mark.parametrize("kind", ["language", "siglip", "clip"])
def test_weights_that_are_no_numbers_and_a_larger_tokenizer_are_refused(
    kind: str, tiny_electra: Path, tiny_siglip: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    folder = {"language": tiny_electra, "siglip": tiny_siglip, "clip": tiny_clip}[kind]
    with pytest.raises(ModelError, match=r"is damaged: tensor \S+ of \w+ holds values that are no finite"):
        load(kind, with_a_hole(folder, tmp_path / "hole"))
    with pytest.raises(
        ModelError, match=r"a tokenizer with ids up to (\d+) and a \w+ model that knows \1 pie"
    ):
        load(kind, with_one_piece_more(folder, tmp_path / "more"))


@pytest.mark.parametrize("kind", ["siglip", "clip"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"image_mean": [0.1, 0.1', "is not a .* checkpoint"),
        ("[]", "preprocessor_config.json holds no settings"),
        ('{"size": "big"}', "is not a .* checkpoint"),
        (
            '{"image_mean": null, "image_std": null}',
            "image_mean None and image_std None, not by three numbers",
        ),
        ('{"image_mean": [0, 0], "image_std": [1, 1]}', "not by three numbers each"),
        ('{"image_std": [0, 0, 0]}', "image_std above 0"),
        ('{"image_mean": [0, NaN, 0]}', "not by three numbers each"),
    ],
)
def test_a_damaged_file_of_preprocessing_is_not_taken_for_a_missing_one(
    kind: str, content: str, reason: str, tiny_siglip: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    folder = {"siglip": tiny_siglip, "clip": tiny_clip}[kind]
    copied = changed_settings(folder, tmp_path / "x", {})
    (copied / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelError, match=reason):
        load(kind, copied)


def test_preprocessing_may_stand_in_the_settings_of_the_whole_processor(
    tiny_siglip: Path, tmp_path: Path
) -> None:
    copied = changed_settings(tiny_siglip, tmp_path / "x", {"image_mean": [0.1] * 3}, file=_PICTURES)
    expected = load("siglip", copied).fingerprint()
    content = (copied / _PICTURES).read_text()
    (copied / _PICTURES).unlink()
    (copied / "processor_config.json").write_text('{"image_processor": ' + content + "}")
    assert load("siglip", copied).fingerprint() == expected != load("siglip", tiny_siglip).fingerprint()
    (copied / "processor_config.json").write_text('{"image_processor": ' + content)
    with pytest.raises(ModelError, match="is not a SigLIP checkpoint"):
        load("siglip", copied)
    # one that says nothing of pictures is as good as none
    (copied / "processor_config.json").write_text("{}")
    assert load("siglip", copied).fingerprint() == load("siglip", tiny_siglip).fingerprint()


_PICTURES = "preprocessor_config.json"


def test_no_text_can_spell_a_special_piece(tiny_electra: Path, tiny_siglip: Path) -> None:
    text = electra(tiny_electra)
    (cut,) = text.tokenize(["a [SEP] b [PAD] [MASK] [CLS]"])
    # [UNK] is what the word pieces are for a character that they do not know
    assert not {0, 2, 3, 4} & set(cut.ids[1:-1])
    pair = load("siglip", tiny_siglip)
    assert isinstance(pair, EncoderPair)
    (cut,) = pair.text.tokenize(["a </s> b"])
    assert cut.ids.count(1) == 1
