"""What a network trains on, held in memory: features from the cache, or token ids for an encoder
that is trained along.

Batches of pooled features are one indexing operation; token states are kept flat (posts one after
the other, in the cache's precision) and padded when a batch is made, so memory holds no padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crisislens.encoders.base import TextEncoder, TokenizedText, pad_ids
from crisislens.features.cache import FeatureCache
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch, ModalityBatch

__all__ = [
    "Batch",
    "CachedInputs",
    "GraphBatch",
    "Inputs",
    "Labeled",
    "TokenBatch",
    "TokenInputs",
    "TunedNetwork",
    "hide_modalities",
]

_CHUNK = 256


@dataclass(frozen=True)
class TokenBatch:
    """Posts whose text is still token ids.

    Attributes:
        ids: Token ids, padded at the end.
        mask: True where a token is real.
        present: Whether a post has any word.
        image: Features of the photos.
    """

    ids: Int[Tensor, "b t"]
    mask: Bool[Tensor, "b t"]
    present: Bool[Tensor, " b"]
    image: ModalityBatch

    def to(self, device: torch.device | str) -> "TokenBatch":
        """A copy on a device."""
        return TokenBatch(
            self.ids.to(device), self.mask.to(device), self.present.to(device), self.image.to(device)
        )


@dataclass(frozen=True)
class GraphBatch:
    """Posts whose photo is still pixels, and whose text is token ids or features.

    Attributes:
        pixels: Prepared photos; zeros where there is none.
        seen: Whether a post has a photo.
        text: Features of the texts; not used where there are ids.
        ids: Token ids, padded at the end; None where texts come as features.
        mask: True where a token is real.
        worded: Whether a post has any word.
    """

    pixels: Float[Tensor, "b 3 s s"]
    seen: Bool[Tensor, " b"]
    text: ModalityBatch
    ids: Int[Tensor, "b t"] | None = None
    mask: Bool[Tensor, "b t"] | None = None
    worded: Bool[Tensor, " b"] | None = None

    def to(self, device: torch.device | str) -> "GraphBatch":
        """A copy on a device."""
        moved = [None if x is None else x.to(device) for x in (self.ids, self.mask, self.worded)]
        return GraphBatch(self.pixels.to(device), self.seen.to(device), self.text.to(device), *moved)


Batch = FeatureBatch | TokenBatch | GraphBatch


@runtime_checkable
class Inputs(Protocol):
    """Posts that batches are made of."""

    lengths: Int[np.ndarray, " s"]
    """Tokens of each post, by which batches are made of alike posts: text tokens, and patches where
    they are in work.
    """

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """The posts at these positions, in this order."""
        ...


class CachedInputs:
    """All features of a cache in memory.

    Arguments:
        cache: The features.
        captions: The features of the same posts' captions, as texts; None where no model reads
            them.
    """

    def __init__(self, cache: FeatureCache, captions: FeatureCache | None = None) -> None:
        # in parts: one batch of everything would pad each post to the longest
        parts = [cache.batch(range(i, min(i + _CHUNK, len(cache)))) for i in range(0, len(cache), _CHUNK)]
        dtype = torch.float16 if cache.manifest.identity.token_dtype == "float16" else torch.float32
        self.text = _Modality([p.text for p in parts], dtype)
        self.image = _Modality([p.image for p in parts], dtype)
        # with patches counted, posts with a photo stand together: one of them makes a whole batch as long as
        # itself
        self.lengths = (self.text.lengths + self.image.lengths).numpy()
        self.caption: _Modality | None = None
        if captions is not None:
            self.caption = _Modality(
                [
                    captions.batch(range(i, min(i + _CHUNK, len(cache)))).text
                    for i in range(0, len(cache), _CHUNK)
                ],
                dtype,
            )
            # the sum, not one part after the other: captions of one event are alike, and batches of one event
            # made training worse
            self.lengths = self.lengths + self.caption.lengths.numpy()

    def batch(self, rows: Int[np.ndarray, " b"]) -> FeatureBatch:
        """Features, padded, in float32."""
        index = torch.from_numpy(rows)
        caption = None if self.caption is None else self.caption.batch(index)
        return FeatureBatch(text=self.text.batch(index), image=self.image.batch(index), caption=caption)


class _Modality:
    """One modality of all posts: tokens flat, the rest by row."""

    def __init__(self, parts: Sequence[ModalityBatch], dtype: torch.dtype) -> None:
        self.present = torch.cat([p.present for p in parts])
        self.pooled = torch.cat([p.pooled for p in parts])
        self.lengths = torch.cat([p.mask.sum(1) for p in parts])
        # a last row of zeros stands for padding
        width = parts[0].tokens.shape[-1]
        self.tokens = torch.cat(
            [*(p.tokens[p.mask].to(dtype) for p in parts), torch.zeros(1, width, dtype=dtype)]
        )
        self.starts = self.lengths.cumsum(0) - self.lengths
        self.longest = int(self.lengths.max())

    def batch(self, index: Int[Tensor, " b"]) -> ModalityBatch:
        lengths = self.lengths[index]
        n = int(lengths.max()) if self.longest else 0
        if n == 0:
            tokens, mask = (
                torch.zeros(len(index), 1, self.tokens.shape[-1]),
                torch.zeros(len(index), 1, dtype=torch.bool),
            )
        else:
            place = torch.arange(n)
            mask = place < lengths[:, None]
            # positions in the flat tokens, padding all at the row of zeros
            flat = torch.where(mask, self.starts[index][:, None] + place, len(self.tokens) - 1)
            tokens = rearrange(self.tokens[rearrange(flat, "b n -> (b n)")].float(), "(b n) d -> b n d", n=n)
        return ModalityBatch(tokens, mask, self.pooled[index], self.present[index])


@dataclass(frozen=True)
class Labeled:
    """Inputs with their labels, as batches are made of them.

    Attributes:
        inputs: The posts.
        y: Their classes, or a row of 0/1 labels for each.
    """

    inputs: Inputs
    y: Int[Tensor, " s"] | Float[Tensor, "s c"]

    def __call__(self, rows: Int[np.ndarray, " b"]) -> tuple[Batch, Tensor]:
        """The posts at these positions with their labels."""
        return self.inputs.batch(rows), self.y[torch.from_numpy(rows)]


class TokenInputs:
    """Token ids of texts beside cached features of photos.

    Arguments:
        tokens: The texts, tokenized.
        pad_id: What batches are padded with.
        photos: The photos' features, of the same posts.
    """

    def __init__(self, tokens: Sequence[TokenizedText], pad_id: int, photos: CachedInputs) -> None:
        self.tokens, self.pad_id, self.photos = list(tokens), pad_id, photos
        self.lengths = np.array([len(x.ids) for x in tokens], np.int64)
        self.present = torch.tensor([x.has_words for x in tokens], dtype=torch.bool)

    def batch(self, rows: Int[np.ndarray, " b"]) -> TokenBatch:
        """Ids, padded, and features of photos."""
        index = torch.from_numpy(rows)
        ids, mask = pad_ids([self.tokens[i] for i in rows.tolist()], self.pad_id)
        return TokenBatch(ids, mask, self.present[index], self.photos.image.batch(index))


class TunedNetwork(nn.Module):
    """A text encoder in the graph, then a model: what mode `finetune` trains.

    Arguments:
        encoder: The text encoder.
        model: The model, which sees a `FeatureBatch` as always.
    """

    def __init__(self, encoder: TextEncoder, model: FusionModel) -> None:
        super().__init__()
        self.encoder, self.model = encoder, model

    def forward(self, batch: TokenBatch) -> Float[Tensor, "b c"]:
        """Logits."""
        states, pooled = self.encoder(batch.ids, batch.mask)
        everyone = torch.ones_like(batch.present)
        # the encoder gives states to special tokens too, so posts without words are taken away
        # behind it
        text = ModalityBatch(states, batch.mask, pooled, everyone)
        if not bool(batch.present.all()):
            text = text.without(~batch.present)
        return self.model(FeatureBatch(text=text, image=batch.image))  # type: ignore[no-any-return]


def hide_modalities(batch: Batch, rate: float) -> Batch:
    """Hides one modality of some posts that have both, text or image with equal chance; see
    `nn.missing`.

    Arguments:
        batch: The posts.
        rate: Probability that a post with both loses one.

    Returns:
        The batch, in which they are as if the modality had never been there.
    """
    if isinstance(batch, FeatureBatch):
        text, image = _hidden(batch.text.present, batch.image.present, rate)
        return batch.map(text=batch.text.without(text), image=batch.image.without(image))
    if isinstance(batch, TokenBatch):
        text, image = _hidden(batch.present, batch.image.present, rate)
        return replace(batch, present=batch.present & ~text, image=batch.image.without(image))
    worded = batch.text.present if batch.worded is None else batch.worded
    text, image = _hidden(worded, batch.seen, rate)
    return replace(
        batch,
        seen=batch.seen & ~image,
        text=batch.text.without(text),
        worded=None if batch.worded is None else batch.worded & ~text,
    )


def _hidden(
    text: Bool[Tensor, " b"], image: Bool[Tensor, " b"], rate: float
) -> tuple[Bool[Tensor, " b"], Bool[Tensor, " b"]]:
    """Whose text and whose image is hidden, from who has which."""
    chance = torch.rand(len(text), device=text.device)
    both = text & image
    return both & (chance < rate / 2), both & (chance >= rate / 2) & (chance < rate)
