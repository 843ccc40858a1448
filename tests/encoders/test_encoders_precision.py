"""Encoders in bfloat16: asked for, named in the fingerprint, known to models, and the same in any company."""

import dataclasses

import pytest
import torch

from crisislens.core.errors import ConfigError
from crisislens.domain.post import Post
from crisislens.encoders import precision
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders, pad_ids
from crisislens.encoders.efficientnet import EfficientNetLite
from crisislens.encoders.precision import ASKED, asked_precision, choose
from crisislens.pipeline.analyst import Analyst

BF16, PLAIN = "flags : fma avx512f avx512_bf16", "flags : fma avx2"


@pytest.fixture(scope="module")
def halved() -> tuple[EncoderPair, EncoderPair]:
    """The compact pair as it was loaded, and another one in bfloat16."""
    single, other = (load_encoders(EncoderSpec(name="compact")) for _ in range(2))
    return single, other.computing_in("bf16")


@pytest.mark.parametrize(
    ("said", "processor", "expected"),
    [
        (None, BF16, None),
        ("", BF16, None),
        ("auto", BF16, "bf16"),
        ("auto", PLAIN, None),
        ("auto", "", None),
        ("bf16", PLAIN, "bf16"),
        (" FP32 ", BF16, "fp32"),
    ],
)
def test_what_is_asked_for(
    said: str | None, processor: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_processor", lambda: processor)
    monkeypatch.delenv(ASKED, raising=False)
    if said is not None:
        monkeypatch.setenv(ASKED, said)
    assert asked_precision() == expected
    assert choose("auto") == ("bf16" if processor == BF16 else "fp32")


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ASKED, "fp16")
    with pytest.raises(ConfigError, match="auto, bf16 or fp32"):
        asked_precision()


def test_the_fingerprint_says_it_and_models_still_know_the_features(
    halved: tuple[EncoderPair, EncoderPair],
) -> None:
    single, half = halved
    for side in ("text", "image"):
        assert getattr(single, side).fingerprint() != getattr(half, side).fingerprint()
    assert half.known_as() == single.fingerprint() == single.known_as() != half.fingerprint()
    # asked for what it does already, nothing changes
    assert single.computing_in("fp32").known_as() == single.computing_in(None).fingerprint()
    assert half.computing_in("bf16").known_as() == single.fingerprint()
    with pytest.raises(ConfigError, match="bf16 already"):
        half.computing_in("fp32")


def test_an_encoder_that_cannot_is_refused() -> None:
    hashing = load_encoders(EncoderSpec(name="hashing"))
    assert hashing.computing_in("fp32") == dataclasses.replace(hashing)
    with pytest.raises(ConfigError, match=ASKED):
        hashing.computing_in("bf16")


@torch.inference_mode()
def test_texts_are_the_same_bits_alone_in_a_batch_and_with_two_threads(
    halved: tuple[EncoderPair, EncoderPair],
) -> None:
    single, half = halved
    texts = ["Bridge is down", "Homes are gone", "We need water"]
    tokens = half.text.tokenize(texts)
    assert len({len(x.ids) for x in tokens}) == 1
    states, pooled = half.text(*pad_ids(tokens, half.text.pad_id))
    assert states.dtype == pooled.dtype == torch.float32
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for i, one in enumerate(tokens):
                alone, z = half.text(*pad_ids([one], half.text.pad_id))
                assert torch.equal(alone[0], states[i])
                assert torch.equal(z[0], pooled[i])
    finally:
        torch.set_num_threads(threads)
    exact = single.text(*pad_ids(tokens, single.text.pad_id))[1]
    assert torch.nn.functional.cosine_similarity(pooled, exact).min() > 0.999
    assert not torch.equal(pooled, exact)


@torch.inference_mode()
def test_pictures_are_the_same_bits_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    # small, because bfloat16 is slow where it is emulated
    network = (
        EfficientNetLite(width=0.25, depth=0.5).eval().to(torch.bfloat16, memory_format=torch.channels_last)
    )
    pictures = torch.rand(3, 3, 64, 64).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    together = network(pictures)
    for i in range(3):
        assert torch.equal(network(pictures[i : i + 1])[0], together[i])


def test_an_analyst_takes_what_is_asked_for_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    post = Post(id="1", text="Bridge destroyed in Ponce, families need water")
    [plain] = Analyst.load("crisis-compact").assess([post])
    monkeypatch.setenv(ASKED, "bf16")
    analyst = Analyst.load("crisis-compact")
    [half] = analyst.assess([post])
    assert half.provenance.encoder_fingerprint != plain.provenance.encoder_fingerprint
    assert half.provenance.encoder_fingerprint == analyst.encoder.encoders.fingerprint()
    for name, task in plain.tasks.items():
        assert half.tasks[name].label == task.label
        assert abs(half.tasks[name].confidence - task.confidence) < 0.05
