"""An encoder without weights and posts for it."""

from pathlib import Path

import pytest
from feature_cases import make_encoder, make_posts

from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair, EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder


@pytest.fixture(scope="session")
def hashing() -> EncoderPair:
    return load_encoders(EncoderSpec(name="hashing"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


@pytest.fixture
def posts(root: Path) -> list[Post]:
    return make_posts(root)


@pytest.fixture
def encoder(hashing: EncoderPair, root: Path) -> PostEncoder:
    return make_encoder(hashing, root)
