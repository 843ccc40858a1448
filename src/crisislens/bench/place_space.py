r"""Texts and photos in one space.

Two linear maps over frozen encoders, $A$ of the text's states and $B$ of the photo's regions, are
trained by InfoNCE (`nn.alignment`) on captioned photos that no study trains or tests on. Then

$$T = A X_t / \lVert z_t \rVert, \qquad V = B X_v / \lVert z_v \rVert$$

for token states X and their mean z, so that the mean of T and the mean of V are what was trained to be
alike: the product of the two means something there, as it does of CLIP's features. With MiniLM,
EfficientNet-lite2 and 751 photos it is far from CLIP. OURS.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from crisislens.features.cache import FeatureCache
from crisislens.nn.alignment import Alignment
from crisislens.nn.batch import FeatureBatch, ModalityBatch

__all__ = ["SpaceRecipe", "into_space", "train_space"]

SIDE = 3
"""Regions along a side of a photo."""
_GROUP = 128


@dataclass(frozen=True)
class SpaceRecipe:
    """How the maps into the common space are trained."""

    width: int = 64
    steps: int = 400
    batch: int = 64
    learning_rate: float = 2e-3
    temperature: float = 0.1
    fold_count: int = 3
    """One fold of so many is the test."""
    fewest: int = 20
    """Posts of a kind of place, below which it is left out."""


def train_space(
    captions: FeatureCache, photos: FeatureCache, photo_of: Int[np.ndarray, " c"], recipe: SpaceRecipe
) -> Alignment:
    """Maps of text and photo into one space, by InfoNCE."""
    text, image = _means(captions, "text"), _means(photos, "image")
    photo = torch.from_numpy(photo_of)
    torch.manual_seed(0)
    maps = Alignment(
        text_width=text.shape[1],
        image_width=image.shape[1],
        width=recipe.width,
        kind="info_nce",
        temperature=recipe.temperature,
    )
    optimizer = torch.optim.AdamW(maps.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    random, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    whole = torch.ones(min(recipe.batch, len(text)), dtype=torch.bool)
    for _ in range(recipe.steps):
        at = torch.from_numpy(random.choice(len(text), size=len(whole), replace=False))
        s = maps.similarities(maps.text(text[at]), maps.image(image[photo[at]]))
        # captions of one photo are no negatives of each other
        same = photo[at][:, None] == photo[at][None, :]
        loss = maps.direction(s, whole, generator, same) + maps.direction(s.T, whole, generator, same)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    return maps.eval().requires_grad_(False)


def _means(cache: FeatureCache, modality: str) -> Float[Tensor, "n d"]:
    """Mean states of all posts, of length 1."""
    parts = [_mean(batch.modalities()[modality]) for batch in _in_groups(cache)]
    return functional.normalize(torch.cat(parts), dim=-1)


def _in_groups(cache: FeatureCache) -> Iterator[FeatureBatch]:
    for start in range(0, len(cache), _GROUP):
        yield cache.batch(range(start, min(start + _GROUP, len(cache))))


def _mean(x: ModalityBatch) -> Float[Tensor, "b d"]:
    # not the pooled vector: some encoders pool otherwise, and tokens must lie where the means do
    return x.tokens.float().sum(1) / x.mask.sum(1, keepdim=True).clamp(min=1)


def into_space(whole: FeatureCache, maps: Alignment) -> tuple[ModalityBatch, ModalityBatch]:
    """Texts' tokens and photos' regions in the space."""
    longest = max(whole.batch(range(i, i + 1)).text.tokens.shape[1] for i in range(len(whole)))
    texts, photos = [], []
    for batch in _in_groups(whole):
        texts.append(_in_space(batch.text, maps.text, longest))
        photos.append(_in_space(_regions(batch.image), maps.image, SIDE * SIDE))
    return _joined(texts), _joined(photos)


def _in_space(x: ModalityBatch, linear: torch.nn.Linear, n: int) -> ModalityBatch:
    # by the length of the mean, which the maps were trained on: so means stay means
    scale = _mean(x).norm(dim=-1).clamp(min=1e-6)
    tokens = linear(x.tokens.float()) / scale[:, None, None] * x.mask[..., None]
    more = n - tokens.shape[1]
    tokens, mask = functional.pad(tokens, (0, 0, 0, more)), functional.pad(x.mask, (0, more))
    pooled = tokens.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return ModalityBatch(tokens, mask, pooled, x.present)


def _regions(x: ModalityBatch) -> ModalityBatch:
    """The encoder's grid as 3 × 3 means."""
    side = round(x.tokens.shape[1] ** 0.5)
    grid = rearrange(x.tokens.float(), "b (h w) d -> b d h w", h=side)
    means = functional.adaptive_avg_pool2d(grid, SIDE)
    tokens = rearrange(means, "b d h w -> b (h w) d")
    # a photo is there whole or not at all, and an encoder may have fewer patches than there are regions
    mask = x.mask.any(1, keepdim=True).expand(-1, SIDE * SIDE)
    return ModalityBatch(tokens, mask, x.pooled, x.present)


def _joined(parts: Sequence[ModalityBatch]) -> ModalityBatch:
    names = ("tokens", "mask", "pooled", "present")
    return ModalityBatch(*(torch.cat([getattr(p, name) for p in parts]) for name in names))
