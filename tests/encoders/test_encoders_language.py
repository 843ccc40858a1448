"""Language and vision checkpoints: tiny random ones from disk, what may be added, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from crisislens.core.errors import ModelError
from crisislens.encoders.base import pad_ids
from crisislens.encoders.language import LanguageEncoder, LanguageSpec, load_language
from crisislens.encoders.vision import VisionSpec, load_vision
from crisislens.features.words import WordReader, collate_words
from crisislens.models.extraction import Extractor, ExtractorSpec
from tiny_checkpoints import (
    changed_settings,
    with_a_hole,
    with_one_piece_more,
    write_tiny_clip,
    write_tiny_electra,
)
from tiny_language import write_tiny_bert


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def encoder(folder: Path) -> LanguageEncoder:
    return load_language(LanguageSpec(checkpoint=str(folder), max_tokens=32))


TEXTS = ["Flood in Paris", "anna visits the bridge today", "x"]


def test_a_checkpoint_is_what_transformers_makes_of_it(folder: Path, encoder: LanguageEncoder) -> None:
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.eval()
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    out = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert torch.equal(ids, out["input_ids"])
    with torch.no_grad():
        states, pooled = encoder(ids, mask)
        theirs = model(input_ids=out["input_ids"], attention_mask=out["attention_mask"]).last_hidden_state
    # the same arithmetic in the same order but for the look-up of the embeddings
    assert torch.allclose(states[mask], theirs[mask], atol=1e-6)
    assert (states[~mask] == 0).all()
    assert torch.allclose(pooled[2], states[2, : mask[2].sum()].mean(0), atol=1e-6)


def test_padding_and_neighbors_change_nothing(encoder: LanguageEncoder) -> None:
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    with torch.no_grad():
        together, _ = encoder(ids, mask)
        for i, n in enumerate(mask.sum(1).tolist()):
            alone, _ = encoder(ids[i : i + 1, :n], mask[i : i + 1, :n])
            assert torch.allclose(alone[0], together[i, :n], atol=1e-6)


def test_what_is_added_is_added_to_the_embeddings_and_learns(encoder: LanguageEncoder) -> None:
    ids, mask = pad_ids(encoder.tokenize(TEXTS[:1]), encoder.pad_id)
    added = torch.zeros(1, ids.shape[1], encoder.width, requires_grad=True)
    states, _ = encoder(ids, mask, added)
    with torch.no_grad():
        assert torch.equal(states, encoder(ids, mask)[0])
        assert not torch.allclose(states, encoder(ids, mask, torch.randn_like(added))[0], atol=1e-3)
    states.square().sum().backward()
    assert added.grad is not None
    assert added.grad.abs().sum() > 0


def test_minilm_from_its_package_is_the_compact_encoder() -> None:
    from crisislens.encoders.compact import MiniLMText

    encoder, compact = load_language(LanguageSpec()), MiniLMText()
    ids, mask = pad_ids(encoder.tokenize(TEXTS), encoder.pad_id)
    with torch.no_grad():
        # two ways to the same look-up
        assert torch.allclose(encoder(ids, mask)[0], compact(ids, mask)[0], atol=1e-5)
    assert encoder.width == 384


def test_fingerprint_follows_weights_and_length(
    folder: Path, encoder: LanguageEncoder, tmp_path: Path
) -> None:
    other = load_language(LanguageSpec(checkpoint=str(write_tiny_bert(tmp_path, seed=1)), max_tokens=32))
    longer = load_language(LanguageSpec(checkpoint=str(folder), max_tokens=33))
    again = load_language(LanguageSpec(checkpoint=str(folder), max_tokens=32))
    assert len({x.fingerprint() for x in (encoder, other, longer)}) == 3
    assert again.fingerprint() == encoder.fingerprint()


def test_what_cannot_be_had_is_told(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ModelError, match="minilm"):
        load_language(LanguageSpec(checkpoint="nobody/nothing"))
    # pickled weights are never read
    torch.save({}, tmp_path / "pytorch_model.bin")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelError, match="safetensors"):
        load_language(LanguageSpec(checkpoint=str(tmp_path)))


def test_embeddings_may_be_narrower_than_states(tmp_path: Path) -> None:
    encoder = load_language(LanguageSpec(checkpoint=str(write_tiny_electra(tmp_path)), max_tokens=32))
    assert (encoder.embedding_width, encoder.width) == (12, 16)
    extractor = Extractor(
        ExtractorSpec(types=("LOC",), encoder=LanguageSpec(checkpoint=str(tmp_path), max_tokens=32))
    )
    reader = WordReader(extractor.encoder)
    assert extractor.predict(
        collate_words([reader.read(["Flood", "in", "Paris"])], pad_id=extractor.encoder.pad_id)
    )


def test_a_checkpoint_in_parts_is_refused_and_so_is_what_marks_no_ends(folder: Path, tmp_path: Path) -> None:
    for name in ("bare", "part", "other"):
        shutil.copytree(folder, tmp_path / name)
    rules = json.loads((folder / "tokenizer.json").read_text())
    (tmp_path / "bare" / "tokenizer.json").write_text(json.dumps(rules | {"post_processor": None}))
    with pytest.raises(ModelError, match="puts no special pieces around a text"):
        load_language(LanguageSpec(checkpoint=str(tmp_path / "bare")))
    tensors = load_file(folder / "model.safetensors")
    one = next(name for name in tensors if name.endswith("layer.1.output.dense.weight"))
    save_file(
        {name: x for name, x in tensors.items() if name != one},
        tmp_path / "part" / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(
        ModelError, match=r"lacks 1 tensors of bert, such as encoder\.layer\.1\.output\.dense\.weight"
    ):
        load_language(LanguageSpec(checkpoint=str(tmp_path / "part")))
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps(config | {"intermediate_size": 40}))
    with pytest.raises(ModelError, match="other"):
        load_language(LanguageSpec(checkpoint=str(tmp_path / "other")))
    vision = write_vision(tmp_path / "vit", "vit")
    tensors = load_file(vision / "model.safetensors")
    save_file(
        {name: x for name, x in tensors.items() if "layernorm" not in name},
        vision / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(ModelError, match=r"lacks \d+ tensors of vit"):
        load_vision(VisionSpec(checkpoint=str(vision)))


def write_vision(folder: Path, kind: str) -> Path:
    from transformers import ResNetConfig, ResNetModel, ViTConfig, ViTModel

    torch.manual_seed(0)
    if kind == "vit":
        model = ViTModel(
            ViTConfig(
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                image_size=32,
                patch_size=8,
            )
        )
    else:
        model = ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 8, 12], depths=[1, 1, 1, 1]))
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.2, 0.2]})
    )
    return folder


@pytest.mark.parametrize(("kind", "patches", "width"), [("vit", 16, 16), ("resnet", 49, 12)])
def test_vision_checkpoints(tmp_path: Path, kind: str, patches: int, width: int) -> None:
    image = load_vision(VisionSpec(checkpoint=str(write_vision(tmp_path, kind))))
    draw = np.random.default_rng(0)
    pixels = [draw.integers(0, 255, (40, 60, 3), dtype=np.uint8) for _ in range(2)]
    batch = torch.stack([image.preprocess(x) for x in pixels])
    with torch.no_grad():
        tokens, pooled = image(batch)
        alone, _ = image(batch[:1])
    assert tokens.shape == (2, patches, width) == (2, image.patches, image.width)
    assert pooled.shape == (2, image.pooled_width)
    assert torch.allclose(alone[0], tokens[0], atol=1e-5)
    flat = image.preprocess(np.full((8, 8, 3), 51, np.uint8))
    assert flat[:, 0, 0].tolist() == pytest.approx([(0.2 - m) / 0.2 for m in (0.4, 0.5, 0.6)], abs=1e-5)


def test_vision_refuses_other_models(folder: Path) -> None:
    with pytest.raises(ModelError, match="bert"):
        load_vision(VisionSpec(checkpoint=str(folder)))
    with pytest.raises(ModelError, match="efficientnet-lite2"):
        load_vision(VisionSpec(checkpoint="nobody/nothing"))
    assert load_vision(VisionSpec()).patches == 81


@pytest.mark.parametrize(
    ("setting", "value"),
    [("hidden_size", 24), ("hidden_size", "wide"), ("num_attention_heads", 0), ("pad_token_id", 999)],
)
def test_wrong_settings_are_one_sentence_that_speaks_of_no_hub(
    setting: str, value: object, folder: Path, tmp_path: Path
) -> None:
    changed = changed_settings(folder, tmp_path / "x", {setting: value})
    with pytest.raises(ModelError, match=r"is not a language checkpoint .* or take minilm") as told:
        load_language(LanguageSpec(checkpoint=str(changed)))
    assert "hub" not in str(told.value).removeprefix(str(changed))


def test_weights_that_are_no_numbers_and_a_larger_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds values that are no finite numbers"):
        load_language(LanguageSpec(checkpoint=str(with_a_hole(folder, tmp_path / "hole"))))
    with pytest.raises(ModelError, match="a tokenizer with ids up to 123 and a bert model that knows 123"):
        load_language(LanguageSpec(checkpoint=str(with_one_piece_more(folder, tmp_path / "more"))))
    hole = with_a_hole(write_vision(tmp_path / "vit", "vit"), tmp_path / "dark")
    with pytest.raises(ModelError, match="of vit holds values that are no finite numbers"):
        load_vision(VisionSpec(checkpoint=str(hole)))


def test_a_text_is_cut_where_the_model_ends(folder: Path) -> None:
    long = load_language(LanguageSpec(checkpoint=str(folder), max_tokens=128))
    [cut] = long.tokenize(["water " * 100])
    # the checkpoint has 64 positions
    assert (long.max_tokens, len(cut.ids), cut.truncated) == (64, 64, True)
    ids, mask = pad_ids([cut], long.pad_id)
    assert long(ids, mask)[0].shape[1] == 64


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"image_mean": [0.4, 0.5', "is not a ViT or ResNet checkpoint .* or take efficientnet-lite2"),
        ("[]", "preprocessor_config.json holds no settings"),
        ('{"image_mean": null, "image_std": null}', "image_mean None and image_std None, not by three"),
        ('{"image_mean": [0.5, 0.5], "image_std": [0.5, 0.5]}', "not by three numbers each"),
        ('{"image_std": [0, 0, 0]}', "image_std above 0"),
    ],
)
def test_a_damaged_file_of_preprocessing_is_not_taken_for_a_missing_one(
    content: str, reason: str, tmp_path: Path
) -> None:
    vision = write_vision(tmp_path, "vit")
    (vision / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelError, match=reason):
        load_vision(VisionSpec(checkpoint=str(vision)))
    (vision / "preprocessor_config.json").unlink()
    gray = load_vision(VisionSpec(checkpoint=str(vision))).preprocess(np.full((8, 8, 3), 51, np.uint8))
    assert float(gray.mean()) == pytest.approx((0.2 - 0.5) / 0.5, abs=1e-5)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("image_size", [32, 32], r"pictures of size \[32, 32\] into patches of size 8"),
        ("num_attention_heads", 0, "is not a ViT or ResNet checkpoint"),
        ("patch_size", 4, "is not a ViT or ResNet checkpoint"),
    ],
)
def test_wrong_settings_of_a_vit_are_one_sentence(
    setting: str, value: object, reason: str, tmp_path: Path
) -> None:
    vision = changed_settings(write_vision(tmp_path / "vit", "vit"), tmp_path / "x", {setting: value})
    with pytest.raises(ModelError, match=reason):
        load_vision(VisionSpec(checkpoint=str(vision)))


@pytest.mark.parametrize(
    ("settings", "mean", "std"),
    [
        ({"image_mean": 0.4, "image_std": 0.25}, 0.4, 0.25),
        ({"image_mean": 0, "image_std": [0.25] * 3}, 0.0, 0.25),
        ({"do_normalize": False, "image_mean": None, "image_std": None}, 0.0, 1.0),
        ({"do_normalize": False, "image_mean": [0.4] * 3, "image_std": [0.2] * 3}, 0.0, 1.0),
    ],
)
def test_a_vit_normalizes_as_its_settings_allow(
    settings: dict[str, object], mean: float, std: float, tmp_path: Path
) -> None:
    vision = write_vision(tmp_path, "vit")
    (vision / "preprocessor_config.json").write_text(json.dumps(settings))
    flat = load_vision(VisionSpec(checkpoint=str(vision))).preprocess(np.full((8, 8, 3), 51, np.uint8))
    assert flat.flatten().tolist() == pytest.approx([(0.2 - mean) / std] * flat.numel(), abs=1e-5)


@pytest.mark.parametrize("kind", ["clip", "vit"])
def test_a_model_of_another_kind_is_one_sentence(kind: str, folder: Path, tmp_path: Path) -> None:
    if kind == "clip":
        write_tiny_clip(tmp_path)
    else:
        write_vision(tmp_path, "vit")
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(folder / name, tmp_path / name)
    with pytest.raises(ModelError, match=r"is not a language checkpoint .* or take minilm"):
        load_language(LanguageSpec(checkpoint=str(tmp_path)))
