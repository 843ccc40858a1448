"""Posts for the tests of runs."""

from pathlib import Path

import pytest
from run_cases import Shout

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post


@pytest.fixture
def step() -> Shout:
    return Shout()


@pytest.fixture
def rows() -> list[Post | FailedPost]:
    texts = ["flood", "poison", "fire", "\u2028road", "unwritable", "bridge", "school"]
    posts: list[Post | FailedPost] = [Post(id=str(i), text=text) for i, text in enumerate(texts)]
    posts.insert(3, FailedPost(row=3, id=None, reason="the line is not JSON"))
    return posts


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "work" / "0123456789abcdef"
