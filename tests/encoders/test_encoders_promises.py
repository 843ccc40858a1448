"""What every registered encoder promises, one test a promise."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crisislens.core.errors import ConfigError, NotRegisteredError
from crisislens.encoders.base import ENCODERS, EncoderPair, EncoderSpec, TokenizedText, load_encoders, pad_ids

TEXTS = ["Bridge down", "Flood 🌊 destroyed homes in Ponce, families need water!", "ok", "שלום rescue سلام"]


def pictures(count: int = 3) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (40 + 10 * i, 60, 3), dtype=np.uint8) for i in range(count)]


def images(pair: EncoderPair, count: int = 3) -> Tensor:
    return torch.stack([pair.image.preprocess(x) for x in pictures(count)])


def tokens(pair: EncoderPair) -> list[TokenizedText]:
    return pair.text.tokenize(TEXTS)


def test_every_registered_encoder_has_a_case(loaded: dict[str, EncoderPair]) -> None:
    assert set(ENCODERS) == set(loaded)


def test_shapes_are_those_announced(pair: EncoderPair) -> None:
    ids, mask = pad_ids(tokens(pair), pair.text.pad_id)
    states, pooled = pair.text(ids, mask)
    assert states.shape == (4, ids.shape[1], pair.text.width)
    assert pooled.shape == (4, pair.text.pooled_width)
    patches, whole = pair.image(images(pair))
    assert patches.shape == (3, pair.image.patches, pair.image.width)
    assert whole.shape == (3, pair.image.pooled_width)
    widths = pair.widths()
    assert (widths.text, widths.text_pooled) == (pair.text.width, pair.text.pooled_width)
    assert (widths.image, widths.image_pooled) == (pair.image.width, pair.image.pooled_width)


def test_a_text_does_not_depend_on_its_neighbors(pair: EncoderPair) -> None:
    ids, mask = pad_ids(tokens(pair), pair.text.pad_id)
    states, pooled = pair.text(ids, mask)
    for i, alone in enumerate(tokens(pair)):
        own_states, own_pooled = pair.text(*pad_ids([alone], pair.text.pad_id))
        # padded sums are made in another order: a few units in the last place of values up to 10
        torch.testing.assert_close(states[i, : len(alone.ids)], own_states[0], atol=1e-5, rtol=0)
        torch.testing.assert_close(pooled[i], own_pooled[0], atol=1e-5, rtol=0)


def test_what_the_padding_holds_changes_nothing_and_comes_back_as_zeros(pair: EncoderPair) -> None:
    ids, mask = pad_ids(tokens(pair), pair.text.pad_id)
    states, pooled = pair.text(ids, mask)
    other, other_pooled = pair.text(torch.where(mask, ids, 7), mask)
    assert not mask.all()
    assert torch.equal(states, other)
    assert torch.equal(pooled, other_pooled)
    assert states[~mask].abs().max() == 0


def test_a_picture_does_not_depend_on_its_neighbors(pair: EncoderPair) -> None:
    batch = images(pair)
    patches, pooled = pair.image(batch)
    for i in range(len(batch)):
        own_patches, own_pooled = pair.image(batch[i : i + 1])
        # with several threads a convolution's sums are split by size: up to 2e-5 on values up to 6
        torch.testing.assert_close(patches[i], own_patches[0], atol=5e-5, rtol=0)
        torch.testing.assert_close(pooled[i], own_pooled[0], atol=1e-5, rtol=0)


def test_different_inputs_differ(pair: EncoderPair) -> None:
    _, pooled = pair.text(*pad_ids(tokens(pair), pair.text.pad_id))
    _, whole = pair.image(images(pair))
    assert torch.cdist(pooled, pooled).fill_diagonal_(9).min() > 1e-2
    assert torch.cdist(whole, whole).fill_diagonal_(9).min() > 1e-3


def test_a_second_load_is_the_same_encoder(
    case: str, pair: EncoderPair, specs: dict[str, EncoderSpec]
) -> None:
    again = load_encoders(specs[case])
    assert again.fingerprint() == pair.fingerprint()
    ids, mask = pad_ids(tokens(pair), pair.text.pad_id)
    assert torch.equal(again.text(ids, mask)[0], pair.text(ids, mask)[0])
    assert torch.equal(again.image(images(pair))[0], pair.image(images(pair))[0])


def test_comes_frozen_and_evaluating(pair: EncoderPair) -> None:
    for encoder in (pair.text, pair.image):
        assert not encoder.training
        assert not any(p.requires_grad for p in encoder.parameters())


def _vanishes(name: str) -> bool:
    # a constant added to every key shifts all scores of a query alike, and softmax does not see it
    return name.endswith(("key.bias", "k_proj.bias"))


def _check_gradients(module: nn.Module) -> None:
    for name, p in module.named_parameters():
        assert p.grad is not None, name
        assert p.grad.isfinite().all(), name
        assert _vanishes(name) or p.grad.abs().max() > 0, name


def test_every_parameter_can_learn(pair: EncoderPair) -> None:
    text, image = copy.deepcopy(pair.text).requires_grad_(), copy.deepcopy(pair.image).requires_grad_()
    torch.manual_seed(0)
    for module, out in ((text, text(*pad_ids(tokens(pair), text.pad_id))), (image, image(images(pair)))):
        sum((torch.randn_like(x) * x).sum() for x in out).backward()
        _check_gradients(module)


def test_no_text_is_no_tokens(pair: EncoderPair) -> None:
    assert pair.text.tokenize([]) == []
    for text in ("", "  "):
        [nothing] = pair.text.tokenize([text])
        assert nothing.ids
        assert not nothing.has_words


WORDS = ["Flood", "🌊", "destroyed", "👩‍🚒", "café", "שלום", "السلام", "naïve", "中", "water", "!"]


def test_offsets_name_the_characters_of_each_word(pair: EncoderPair) -> None:
    text = " ".join(WORDS[:6])
    for words in (WORDS[:3], WORDS[3:5], WORDS[5:7], WORDS[7:]):
        text = " ".join(words)
        [found] = pair.text.tokenize([text])
        covered = np.zeros(len(text), bool)
        for start, end in found.offsets:
            assert " " not in text[start:end]
            covered[start:end] = True
        # the joiner inside an emoji is dropped by some tokenizers; every other character belongs to a token
        assert [c for c, there in zip(text, covered, strict=True) if not there and c not in " \u200d"] == []


def test_offsets_are_in_order_and_special_tokens_have_none(pair: EncoderPair) -> None:
    [found] = pair.text.tokenize(["Road to שלום 🌊🌊 is gone"])
    real = [span for span in found.offsets if span != (0, 0)]
    # SigLIP marks the end alone
    assert (0, 0) in (found.offsets[0], found.offsets[-1])
    assert real == sorted(real)
    assert len(found.ids) == len(found.offsets)


def test_half_a_surrogate_pair_keeps_the_offsets(pair: EncoderPair) -> None:
    [found] = pair.text.tokenize(["a \ud83c b"])
    # e5 reads a prefix first, which has no place in the text
    assert next(span for span in found.offsets if span != (0, 0)) == (0, 1)
    assert max(end for _, end in found.offsets) == 5


def test_long_texts_are_cut_and_say_so(pair: EncoderPair) -> None:
    short, long = pair.text.tokenize(["one two", "one two " * 400])
    assert not short.truncated
    assert long.truncated
    assert len(long.ids) == pair.text.max_tokens
    assert pair.text(*pad_ids([long], pair.text.pad_id))[1].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 1), (8, 3000), (320, 320)])
def test_any_picture_size_is_prepared(pair: EncoderPair, shape: tuple[int, int]) -> None:
    made = pair.image.preprocess(np.full((*shape, 3), 200, np.uint8))
    assert made.shape == pair.image.preprocess(pictures()[0]).shape
    assert made.dtype == torch.float32
    assert made.isfinite().all()


@pytest.mark.parametrize(
    ("name", "options", "which"),
    [
        ("compact", {"max_tokens": 64}, "text"),
        ("compact", {"fit": "crop"}, "image"),
        ("hashing", {"seed": 1}, "both"),
        ("hashing", {"max_tokens": 9}, "text"),
        ("clip", {"pooled": "pre_projection"}, "both"),
    ],
)
def test_an_option_changes_the_fingerprint(
    name: str,
    options: dict[str, object],
    which: str,
    loaded: dict[str, EncoderPair],
    specs: dict[str, EncoderSpec],
) -> None:
    changed = load_encoders(
        EncoderSpec.model_validate({"name": name, "options": {**specs[name].options, **options}})
    )
    assert (changed.text.fingerprint() != loaded[name].text.fingerprint()) is (which in ("text", "both"))
    assert (changed.image.fingerprint() != loaded[name].image.fingerprint()) is (which in ("image", "both"))
    assert changed.fingerprint() != loaded[name].fingerprint()


def test_an_unknown_option_is_named(case: str) -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        load_encoders(EncoderSpec(name=case, options={"nonsense": 1}))


def test_an_unknown_encoder_lists_the_known() -> None:
    with pytest.raises(NotRegisteredError, match=r"known: .*compact"):
        load_encoders(EncoderSpec(name="compct"))
