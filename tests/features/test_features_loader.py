"""Batches for training: every post once, the same for the same seed and epoch, similar lengths together."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crisislens.core.errors import InputError
from crisislens.domain.post import Post
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.features.loader import FeatureLoader


@pytest.fixture
def cache(encoder: PostEncoder, tmp_path: Path) -> FeatureCache:
    posts = [Post(id=str(i), text="word " * (i % 23)) for i in range(230)]
    return extract(posts, encoder, tmp_path / "caches", source_fingerprint="s", shard_posts=50)


def rows(loader: FeatureLoader) -> list[list[int]]:
    return [labels.tolist() for _, labels in loader]


def test_in_order_without_shuffling(cache: FeatureCache) -> None:
    loader = FeatureLoader(cache, np.arange(230), batch_posts=100)
    assert len(loader) == 3
    assert rows(loader) == [list(range(100)), list(range(100, 200)), list(range(200, 230))]


def test_features_and_labels_belong_together(cache: FeatureCache) -> None:
    for batch, labels in FeatureLoader(cache, range(230), batch_posts=16, shuffle=True, seed=3):
        expected = cache.batch(labels.tolist())
        assert torch.equal(batch.text.tokens, expected.text.tokens)
        assert torch.equal(batch.text.present, expected.text.present)


def test_every_post_once_an_epoch_and_the_order_follows_seed_and_epoch(cache: FeatureCache) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return rows(
            FeatureLoader(cache, torch.arange(230), batch_posts=16, shuffle=True, seed=seed, epoch=epoch)
        )

    first = order(0, 0)
    assert sorted(i for batch in first for i in batch) == list(range(230))
    assert first == order(0, 0)
    assert len({str(order(*pair)) for pair in ((0, 0), (0, 1), (1, 0), (1, 1))}) == 4
    loader = FeatureLoader(cache, torch.arange(230), batch_posts=16, shuffle=True)
    assert rows(loader) == rows(loader) == first
    assert rows(loader.at_epoch(1)) == order(0, 1)


def test_similar_lengths_share_a_batch(cache: FeatureCache) -> None:
    loader = FeatureLoader(cache, torch.arange(230), batch_posts=16, shuffle=True)
    spreads = [np.ptp(cache.lengths[batch]) for batch in rows(loader)]
    # 230 posts of 23 lengths: a batch of 16 sorted posts spans three lengths at most (0 and 2 are neighbors:
    # no text has no start token)
    assert max(spreads) <= 3
    # and neither the batches nor the posts within equal lengths are in order
    flat = [i for batch in rows(loader) for i in batch]
    assert np.abs(np.corrcoef(flat, np.arange(230))[0, 1]) < 0.3


def test_a_part_of_the_posts(cache: FeatureCache) -> None:
    wanted = [5, 200, 7, 7]
    loader = FeatureLoader(
        cache, torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [2.0, 2.0]]), batch_posts=3, indices=wanted
    )
    batches = list(loader)
    assert [len(b) for b, _ in batches] == [3, 1]
    assert torch.equal(batches[0][0].text.pooled, cache.batch(wanted[:3]).text.pooled)
    assert batches[1][1].tolist() == [[2.0, 2.0]]
    assert len(FeatureLoader(cache, [], indices=[], shuffle=True)) == 0
    assert rows(FeatureLoader(cache, [], indices=[], shuffle=True)) == []


def test_labels_must_fit(cache: FeatureCache) -> None:
    with pytest.raises(InputError, match="3 labels were given for 230 posts"):
        FeatureLoader(cache, [1, 2, 3])
