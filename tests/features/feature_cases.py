"""Posts with pictures on disk, for the tests of this folder and the processes that they start."""

from pathlib import Path

import numpy as np
from PIL import Image

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderPair
from crisislens.features.encode import PostEncoder

TEXTS = [
    "Bridge is down https://t.co/x",
    "RT @ann: Flood 🌊 destroyed homes in Ponce, families need water",
    "",
    "https://t.co/only",
    "ok",
    "Fire near the school, please evacuate now",
    "bridge is down",
]


def write_picture(path: Path, seed: int) -> None:
    """A picture with low frequencies, so that it has a perceptual hash."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    small.resize((80, 60), Image.Resampling.BICUBIC).save(path)


def make_posts(root: Path, count: int = 40) -> list[Post]:
    """Posts with text, picture, both or neither; pictures 0 and 5 have the same bytes, one is broken and one
    is missing.
    """
    for seed in range(5):
        write_picture(root / f"{seed}.png", seed)
    (root / "5.png").write_bytes((root / "0.png").read_bytes())
    (root / "broken.png").write_bytes((root / "1.png").read_bytes()[:200])
    names = [
        "0.png",
        None,
        "1.png",
        "5.png",
        "broken.png",
        "2.png",
        "missing.png",
        None,
        "3.png",
        "0.png",
        "4.png",
    ]
    return [
        Post(
            id=str(i),
            text=f"{TEXTS[i % 7]} {'again ' * (i % 5)}".strip(),
            image=ImageRef(path=name) if name else None,
        )
        for i in range(count)
        for name in [names[i % 11]]
    ]


def make_encoder(pair: EncoderPair, root: Path | None, **options: object) -> PostEncoder:
    return PostEncoder(pair, rules=CleaningRules(), limits=ImageLimits(), image_root=root, **options)  # type: ignore[arg-type]
