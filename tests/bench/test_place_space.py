"""One space for texts and photos, learned from drawn pairs with weightless encoders."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from crisislens.bench.place_space import SIDE, SpaceRecipe, _regions, into_space, train_space
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.batch import ModalityBatch

PHOTOS = 10
WORDS = ("ash", "barn", "crab", "dune", "elk", "fern", "gull", "hive", "iris", "jetty")


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureCache, FeatureCache, FeatureCache]:
    """Captions, two of each photo; photos; and both together."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for i in range(PHOTOS):
        Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(root / f"{i}.png")
    encoder = PostEncoder(
        load_encoders(EncoderSpec(name="hashing")),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=root,
        keep_tokens=("text", "image"),
    )
    captions = [Post(id=f"c{i}{k}", text=f"{w} {x}") for i, w in enumerate(WORDS) for k, x in enumerate("xy")]
    photos = [Post(id=f"p{i}", text="", image=ImageRef(path=f"{i}.png")) for i in range(PHOTOS)]
    both = [
        Post(id=f"b{i}", text=f"{w} x" + " and more" * (i % 3), image=ImageRef(path=f"{i}.png"))
        for i, w in enumerate(WORDS)
    ]
    return tuple(
        extract(some, encoder, root / "cache", source_fingerprint=name)
        for name, some in (("captions", captions), ("photos", photos), ("both", both))  # type: ignore[return-value]
    )


@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_a_grid_of_any_size_becomes_nine_regions(side: int) -> None:
    there = torch.tensor([True, False])
    tokens = torch.randn(2, side * side, 4, generator=torch.Generator().manual_seed(0))
    whole = ModalityBatch(tokens, there[:, None].expand(-1, side * side), tokens.mean(1), there)
    found = _regions(whole)
    assert found.tokens.shape == (2, SIDE * SIDE, 4)
    assert found.mask.tolist() == [[True] * SIDE * SIDE, [False] * SIDE * SIDE]


PHOTO_OF = np.repeat(np.arange(PHOTOS), 2)


def test_captions_find_their_photos(caches: tuple[FeatureCache, FeatureCache, FeatureCache]) -> None:
    recipe = SpaceRecipe(width=16, steps=60, batch=12, learning_rate=1e-2)
    maps = train_space(caches[0], caches[1], PHOTO_OF, recipe)
    texts, photos = into_space(caches[2], maps)
    t, v = (functional.normalize(m.pooled, dim=-1) for m in (texts, photos))
    s = t @ v.T
    own, other = s.diagonal().mean(), s[~torch.eye(PHOTOS, dtype=torch.bool)].mean()
    # before training both are 0
    assert float(own - other) > 0.25
    assert not any(p.requires_grad for p in maps.parameters())


def test_the_space_is_a_function_of_its_recipe(
    caches: tuple[FeatureCache, FeatureCache, FeatureCache],
) -> None:
    recipe = SpaceRecipe(width=4, steps=3, batch=8)
    one, again = (train_space(caches[0], caches[1], PHOTO_OF, recipe) for _ in range(2))
    assert torch.equal(one.image.weight, again.image.weight)
    other = train_space(caches[0], caches[1], PHOTO_OF, SpaceRecipe(width=4, steps=4, batch=8))
    assert not torch.equal(one.image.weight, other.image.weight)


def test_means_stay_means_and_padding_stays_nothing(
    caches: tuple[FeatureCache, FeatureCache, FeatureCache],
) -> None:
    maps = train_space(caches[0], caches[1], PHOTO_OF, SpaceRecipe(width=4, steps=1, batch=8))
    texts, photos = into_space(caches[2], maps)
    assert photos.tokens.shape == (PHOTOS, SIDE * SIDE, 4)
    assert not texts.tokens[~texts.mask].any()
    # the map of a mean of length 1, whatever the text's length
    batch = caches[2].batch(range(PHOTOS)).text
    mean = batch.tokens.float().sum(1) / batch.mask.sum(1, keepdim=True)
    expected = maps.text(functional.normalize(mean, dim=-1))
    assert torch.allclose(texts.pooled, expected, atol=1e-5)
