"""The joint encoder learns which words and which patches belong together."""

import numpy as np
import pytest
import torch
from PIL import Image

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.training.joint import JointPair, JointTraining, train_joint

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> FeatureCache:
    """Ten pictures of each color, with noise."""
    folder = tmp_path_factory.mktemp("colors")
    random = np.random.default_rng(0)
    posts = []
    for name, color in COLORS.items():
        for k in range(10):
            pixels = np.clip(np.array(color) + random.integers(-25, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{name}{k}.png")
            posts.append(Post(id=f"{name}{k}", image=ImageRef(path=f"{name}{k}.png")))
    encoder = PostEncoder(
        load_encoders(EncoderSpec(name="hashing")),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=folder,
        keep_tokens=("image",),
    )
    return extract(posts, encoder, folder / "cache", source_fingerprint="colors")


def words() -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    return {name: torch.randn(1, 32, generator=random) for name in COLORS}


def pairs() -> list[JointPair]:
    said = words()
    return [JointPair((said[name],), 10 * c + k, c) for c, name in enumerate(COLORS) for k in range(10)]


def test_words_find_their_patches(photos: FeatureCache) -> None:
    config = JointTraining(
        width=16, layers=1, heads=2, dropout=0.0, batch_pairs=10, epochs=25, learning_rate=1e-2
    )
    joint = train_joint(pairs(), photos, config)
    said = words()
    # half of a made-up picture is red, half blue: the word decides which half is warm
    image = photos.batch(np.array([0, 20])).image.tokens
    patches = torch.cat([image[0, :8], image[1, :8]])[None]
    mask = torch.ones(1, 16, dtype=torch.bool)
    joint.requires_grad_(False)
    for name, half in (("red", slice(0, 8)), ("blue", slice(8, 16))):
        states = joint.aligned(said[name][None], torch.ones(1, 1, dtype=torch.bool), patches, mask)
        heat = evidence_heat(states, torch.ones(1, 1, dtype=torch.bool), sink=0.6)[0]
        assert float(heat[half].sum()) > 0.9 * float(heat.sum()), name


def test_seeds_repeat(photos: FeatureCache) -> None:
    config = JointTraining(width=8, layers=1, heads=2, batch_pairs=10, epochs=1)
    one, two = (train_joint(pairs(), photos, config).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
