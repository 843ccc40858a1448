"""Grids of heat: in words, and on the pixels of a picture."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageFilter

__all__ = ["describe_heat", "keep_patches", "soft_blur", "upsample"]

_BLUR_SHARE = 1 / 16  # of the shorter side: faces and words are gone, the scene's colors stay
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "center", "right")


def describe_heat(heat: Float[np.ndarray, "h w"]) -> str:
    """Where the heat lies, for those who do not see it.

    >>> describe_heat(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.2, 0.0]]))
    'most of the evidence lies in the lower left; 1 of 9 parts of the photo is marked'
    """
    if not heat.any():
        return "no part of the photo stands out"
    height, width = heat.shape
    # a third of the photo need not end between two patches: one on the border counts for both, by its shares
    mass = _thirds(height) @ heat @ _thirds(width).T
    row, column = divmod(int(mass.argmax()), 3)
    place = f"{_ROWS[row]} {_COLUMNS[column]}" if (row, column) != (1, 1) else "center"
    marked = int((heat >= 0.5).sum())
    much = "most" if mass.max() > 0.5 * mass.sum() else "the largest share"
    verb = "is" if marked == 1 else "are"
    return (
        f"{much} of the evidence lies in the {place}; {marked} of {heat.size} parts of the photo {verb} "
        f"marked"
    )


def _thirds(n: int) -> Float[np.ndarray, "3 n"]:
    """Which part of each of n equal intervals lies in each third."""
    left, third = np.arange(n) / n, np.arange(3) / 3
    low = np.maximum(left[None], third[:, None])
    high = np.minimum((left + 1 / n)[None], (third + 1 / 3)[:, None])
    return np.asarray(np.maximum(0.0, high - low) * n)


def upsample(
    heat: Float[np.ndarray, "h w"], height: int, width: int, *, smooth: bool = True
) -> Float[np.ndarray, "y x"]:
    """The heat of every pixel, bilinear between the middles of patches, or constant on each."""
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    grid = Image.fromarray(heat.astype(np.float32)).resize((width, height), how)
    # resampling in single precision may leave [0, 1] by a rounding
    return np.asarray(np.clip(np.asarray(grid, dtype=np.float64), 0, 1))


def soft_blur(
    pixels: UInt8[np.ndarray, "h w 3"], heat: Float[np.ndarray, "r c"]
) -> UInt8[np.ndarray, "h w 3"]:
    """Blurs what is no evidence, $x' = h\\,x + (1 - h)\\,(G * x)$ with a Gaussian G.

    Arguments:
        pixels: RGB.
        heat: Heat of the patches in [0, 1].
    """
    h, w = pixels.shape[:2]
    radius_px = max(1.0, min(h, w) * _BLUR_SHARE)
    picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius_px))
    blurred = np.asarray(picture, dtype=np.float64)
    weight = upsample(heat, h, w)[..., None]
    return np.asarray(np.rint(weight * pixels + (1 - weight) * blurred), dtype=np.uint8)


def keep_patches(
    pixels: UInt8[np.ndarray, "h w 3"], heat: Float[np.ndarray, "r c"], share: float
) -> UInt8[np.ndarray, "h w 3"]:
    """Keeps the hottest patches and paints the others in the picture's mean color; of equal ones
    the first are kept.

    Arguments:
        pixels: RGB.
        heat: Heat of the patches.
        share: Which share of the patches is kept, in [0, 1]; rounded up.
    """
    # the small number takes back what rounding adds to a share that means a whole number of patches
    count = int(np.ceil(share * heat.size - 1e-9))
    chosen = np.zeros(heat.size)
    chosen[np.argsort(-heat.ravel(), kind="stable")[:count]] = 1
    mask = upsample(chosen.reshape(heat.shape), *pixels.shape[:2], smooth=False)[..., None] > 0.5
    mean = np.rint(pixels.reshape(-1, 3).mean(0)).astype(np.uint8)
    return np.asarray(np.where(mask, pixels, mean))
