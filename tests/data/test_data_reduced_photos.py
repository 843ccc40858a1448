"""Large JPEGs are scaled inside their own transform: how far that may be from decoding them whole."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crisislens.data.images import ImageLimits, decode_image

_SIDE = 260


def photo_like(width: int, height: int) -> Image.Image:
    """Detail at every scale, as photos have: layers of noise, each finer one half as strong."""
    random = np.random.default_rng(0)
    levels = np.full((height, width, 3), 128.0)
    for step in range(8):
        cells = random.normal(0, 48 / 2 ** (step / 2), (4 * 2**step, 4 * 2**step, 3)).clip(-120, 120)
        layer = Image.fromarray((cells + 128).astype(np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        levels += np.asarray(layer, float) - 128
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def large() -> Image.Image:
    return photo_like(980, 672)


@pytest.mark.parametrize(
    ("quality", "subsampling", "progressive"), [(95, 0, False), (85, 2, False), (85, 2, True), (40, 2, False)]
)
def test_reduced_decoding_stays_within_its_bound(
    large: Image.Image, tmp_path: Path, quality: int, subsampling: int, progressive: bool
) -> None:
    path = tmp_path / "large.jpg"
    large.save(path, quality=quality, subsampling=subsampling, progressive=progressive)
    reduced = decode_image(path).pixels
    assert reduced.shape == (320, 467, 3)
    with Image.open(path) as opened:
        whole = opened.convert("RGB").resize((467, 320), Image.Resampling.BICUBIC)
    apart = np.abs(as_encoded(reduced) - as_encoded(np.asarray(whole)))
    # levels of 255, at the size that encoders see; docs/performance.md states this bound
    assert apart.mean() < 2.0
    assert np.quantile(apart, 0.999) < 16.0


@pytest.mark.parametrize("side", [320, 400, 639])
def test_a_picture_of_less_than_twice_the_size_is_decoded_whole(side: int, tmp_path: Path) -> None:
    path = tmp_path / "small.jpg"
    data = BytesIO()
    photo_like(side, side).save(data, "JPEG", quality=85)
    path.write_bytes(data.getvalue())
    with Image.open(path) as opened:
        whole = opened.convert("RGB").resize((320, 320), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(decode_image(path, ImageLimits()).pixels, np.asarray(whole))


def as_encoded(pixels: np.ndarray) -> np.ndarray:
    """At the encoder's size, as floats."""
    return np.asarray(Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC), float)
