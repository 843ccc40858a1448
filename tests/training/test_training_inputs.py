"""Inputs in memory are the cache's batches, and each epoch sees every post once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crisislens.data.images import ImageLimits
from crisislens.data.labeled import LabeledData
from crisislens.data.text import CleaningRules
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch
from crisislens.training.batches import epoch_batches
from crisislens.training.inputs import CachedInputs, TokenInputs, TunedNetwork


@pytest.mark.parametrize("keep", [(), ("text", "image")])
def test_batches_equal_the_caches(crisis: LabeledData, features: Path, keep: tuple[str, ...]) -> None:
    encoder = PostEncoder(
        load_encoders(EncoderSpec(name="hashing")),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=crisis.image_root,
        keep_tokens=keep,  # type: ignore[arg-type]
    )
    cache = extract([p.post for p in crisis.splits["train"]], encoder, features, source_fingerprint="x")
    inputs = CachedInputs(cache)
    everything = cache.batch(range(len(cache)))
    assert np.array_equal(inputs.lengths, everything.text.mask.sum(1) + everything.image.mask.sum(1)), (
        "tokens of both modalities"
    )
    for rows in (np.array([3, 0, 7, 1]), np.array([5]), np.arange(len(cache))):
        ours, theirs = inputs.batch(rows), cache.batch(rows)
        for name, m in theirs.modalities().items():
            mine = ours.modalities()[name]
            # stored in the same precision and only moved: equal bit for bit
            assert torch.equal(mine.present, m.present), name
            assert torch.equal(mine.pooled, m.pooled), name
            assert torch.equal(mine.mask, m.mask), name
            assert torch.equal(mine.tokens, m.tokens), name


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 100), st.integers(0, 5))
def test_an_epoch_holds_every_post_once(posts: int, size: int, seed: int, epoch: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, size=posts)
    batches = epoch_batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(posts))
    assert all(len(b) <= size + 1 for b in batches)
    # BatchNorm cannot learn from a single post
    assert posts == 1 or size == 1 or all(len(b) > 1 for b in batches)
    again = epoch_batches(lengths, size, seed=seed, epoch=epoch)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_epochs_and_seeds_differ_and_batches_pad_little() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, size=1000)
    first = epoch_batches(lengths, 32, seed=0, epoch=0)
    for other in (epoch_batches(lengths, 32, seed=0, epoch=1), epoch_batches(lengths, 32, seed=1, epoch=0)):
        assert [sorted(b) for b in first] != [sorted(b) for b in other]
    padding = sum(lengths[b].max() * len(b) - lengths[b].sum() for b in first)
    # random batches would pad about as much again as there is
    assert padding < 0.1 * lengths.sum()


def test_a_post_without_words_has_no_text_in_the_tuned_network(crisis: LabeledData, features: Path) -> None:
    """What the encoder makes of special tokens alone never reaches the model, as on the cached road."""
    encoders = load_encoders(EncoderSpec(name="hashing"))
    posts = [p.post for p in crisis.splits["train"][:4]]
    encoder = PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=None)
    photos = CachedInputs(extract(posts, encoder, features, source_fingerprint="y"))
    inputs = TokenInputs(
        encoders.text.tokenize(["flood water", "", "help", "  "]), encoders.text.pad_id, photos
    )
    seen: list[FeatureBatch] = []

    class Spy(FusionModel):
        def forward(self, batch: FeatureBatch) -> torch.Tensor:
            seen.append(batch)
            return torch.zeros(4, 2)

    network = TunedNetwork(encoders.text, Spy())
    network(inputs.batch(np.arange(4)))
    text = seen[0].text
    assert text.present.tolist() == [True, False, True, False]
    assert text.mask.sum(1).tolist() == [3, 0, 2, 0]
    assert text.tokens[1].abs().max() == text.pooled[3].abs().max() == 0
