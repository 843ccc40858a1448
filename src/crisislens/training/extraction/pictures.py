"""Pictures of posts for training: patches of a frozen encoder, read once, or pixels for an encoder
inside the graph.

Frozen patches are means over a grid of `GRID` × `GRID` cells, so that a data set's pictures fit
into memory (nine vectors of 1280 numbers, 46 kB a post); pixels are decoded anew in every epoch. A
picture that is missing or cannot be decoded is an absent one.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from crisislens.core.errors import ImageError
from crisislens.data.images import decode_image, resolve_image
from crisislens.domain.extraction import AnnotatedPost
from crisislens.domain.post import ImageRef
from crisislens.encoders.base import ImageEncoder

__all__ = ["GRID", "frozen_patches", "photo_of", "pixel_batch"]

GRID = 3
_GROUP = 16
_GRAY = np.full((8, 8, 3), 127, np.uint8)


def photo_of(post: AnnotatedPost, root: Path) -> Path | None:
    """The file of a post's picture in a folder, by its file name or its id; None where there is
    none.
    """
    try:
        return resolve_image(ImageRef(path=post.image), root) if post.image else None
    except ImageError:
        return None


def _pixels(path: Path | None, encoder: ImageEncoder) -> Float[Tensor, "3 s s"] | None:
    if path is None:
        return None
    try:
        return encoder.preprocess(decode_image(path).pixels)
    except ImageError:
        return None


@torch.inference_mode()
def frozen_patches(paths: Sequence[Path | None], encoder: ImageEncoder) -> list[Float[Tensor, "p e"] | None]:
    """Patches of each picture on a coarse grid, None where it cannot be had.

    Arguments:
        paths: The files.
        encoder: Frozen; its patches form a square.
    """
    found: list[Tensor | None] = [None] * len(paths)
    side = round(encoder.patches**0.5)
    for start in range(0, len(paths), _GROUP):
        rows = [
            (i, x)
            for i, path in enumerate(paths[start : start + _GROUP], start)
            if (x := _pixels(path, encoder)) is not None
        ]
        if not rows:
            continue
        patches, _ = encoder(torch.stack([x for _, x in rows]))
        coarse = functional.adaptive_avg_pool2d(
            rearrange(patches, "b (y x) e -> b e y x", y=side), min(GRID, side)
        )
        for (i, _), one in zip(rows, rearrange(coarse, "b e y x -> b (y x) e"), strict=True):
            found[i] = one.clone()
    return found


def pixel_batch(
    paths: Sequence[Path | None], encoder: ImageEncoder
) -> tuple[Float[Tensor, "b 3 s s"], list[bool]]:
    """Pixels of a batch, zeros where a picture cannot be had, and where it can."""
    pixels = [_pixels(path, encoder) for path in paths]
    have = [x for x in pixels if x is not None]
    blank = torch.zeros_like(have[0]) if have else torch.zeros_like(encoder.preprocess(_GRAY))
    return torch.stack([blank if x is None else x for x in pixels]), [x is not None for x in pixels]
