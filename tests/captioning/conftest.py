"""Posts with small photos, some of them alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crisislens.domain.post import ImageRef, Post


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six different photos, `p0.png` to `p5.png`, and a copy of the first."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{i}.png")
    (folder / "copy.png").write_bytes((folder / "p0.png").read_bytes())
    return folder


@pytest.fixture
def posts() -> list[Post]:
    """A post a photo."""
    return [Post(id=str(i), text=f"tweet {i}", image=ImageRef(path=f"p{i}.png")) for i in range(6)]
