"""Importance of words, on an encoder whose arithmetic is known and on the one that ships."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from crisislens.core.errors import ModelError
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.explain.word_importance import TextAnswers, shown_window
from crisislens.features.word_owners import WordCutter, WordWindow

WINDOW = WordWindow((1, 10, 11, 12, 13, 2), (-1, 0, 0, 1, 2, -1), ((0, 4), (5, 6), (7, 8)))
STAR = (99, 98)


@pytest.mark.parametrize(
    ("keep", "filler", "ids", "owner"),
    [
        ([True, True, True], STAR, WINDOW.ids, WINDOW.owner),
        ([False, True, True], (), (1, 12, 13, 2), (-1, 1, 2, -1)),
        ([False, True, True], STAR, (1, 99, 98, 12, 13, 2), (-1, 0, 0, 1, 2, -1)),
        ([True, False, False], (99,), (1, 10, 11, 99, 99, 2), (-1, 0, 0, 1, 2, -1)),
        ([False, False, False], (), (1, 2), (-1, -1)),
    ],
)
def test_words_go_whole(
    keep: list[bool], filler: tuple[int, ...], ids: tuple[int, ...], owner: tuple[int, ...]
) -> None:
    shown = shown_window(WINDOW, keep, filler)
    assert (shown.ids, shown.owner, shown.spans) == (ids, owner, WINDOW.spans)


@pytest.fixture(scope="module")
def shipped() -> TextAnswers:
    """The encoder of the default without an adapter and a linear head with drawn weights."""
    return TextAnswers(load_encoders(EncoderSpec()).text, linear(384))


def linear(width: int) -> Callable[[Tensor], Tensor]:
    weight = torch.randn(width, 3, generator=torch.Generator().manual_seed(0))
    return lambda pooled: pooled @ weight + torch.tensor([0.3, -0.2, 0.1])


def test_own_shares_add_up_to_the_logit(shipped: TextAnswers) -> None:
    [window] = WordCutter(shipped.encoder).cut("Unbelievable flooding downtown, send boats")
    own = shipped.own(window, 1)
    assert own.shape == (5,)
    ids = torch.tensor([window.ids])
    states, pooled = shipped.encoder(ids, torch.ones_like(ids, dtype=torch.bool))
    logits = shipped.head(pooled)[0]
    bias = shipped.head(torch.zeros_like(pooled))[0]
    whole = float(logits[1] - logits.mean() - (bias[1] - bias.mean()))
    # the two special tokens hold the rest
    edges = shipped.head(states[0, [0, -1]]) - bias
    rest = float((edges[:, 1] - edges.mean(1)).sum()) / len(window.ids)
    # single precision over 384 components
    assert own.sum() + rest == pytest.approx(whole, abs=1e-4)


def test_gradient_times_input_is_the_slope_of_growing_embeddings(shipped: TextAnswers) -> None:
    [window] = WordCutter(shipped.encoder).cut("bridge down")
    found = shipped.gradient_times_input(window, 0)
    assert found.shape == (2,)
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
    # nothing stays switched on the encoder: asked again it says the same
    assert (shipped.gradient_times_input(window, 0) == found).all()


def test_attention_is_shared_out(shipped: TextAnswers) -> None:
    [window] = WordCutter(shipped.encoder).cut("families trapped on roofs")
    found = shipped.attention(window)
    assert (found > 0).all()
    # what is left goes to the special tokens
    assert found.sum() < 1


def test_left_out_is_the_fall_of_the_answer(shipped: TextAnswers) -> None:
    [window] = WordCutter(shipped.encoder).cut("families trapped on roofs")
    star = shipped.star()
    assert len(star) == 1
    p = shipped.probabilities([window])[0]
    found = shipped.left_out(window, 2, star)
    by_hand = shipped.probabilities([shown_window(window, [True, False, True, True], star)])[0]
    # another batch may change the last bits
    assert found[1] == pytest.approx(p[2] - by_hand[2], abs=1e-5)


def test_neighbors_change_nothing(shipped: TextAnswers) -> None:
    cutter = WordCutter(shipped.encoder)
    windows = [cutter.cut(text)[0] for text in ("flood", "the long road to the clinic is blocked", "help us")]
    together = shipped.probabilities(windows)
    assert together == pytest.approx(np.concatenate([shipped.probabilities([w]) for w in windows]), abs=1e-5)
    assert shipped.probabilities([]).shape == (0, 0)


def test_an_encoder_without_attention_says_so() -> None:
    encoder = load_encoders(EncoderSpec(name="hashing")).text
    answers = TextAnswers(encoder, linear(encoder.pooled_width))
    [window] = WordCutter(encoder).cut("help us")
    with pytest.raises(ModelError, match="no attention"):
        answers.attention(window)
