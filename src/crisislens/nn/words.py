"""Words of b posts with the word pieces that they are made of: what an encoder inside the graph
reads, and what marks a span.

Beside the axes of `nn.batch`: w words, t word pieces of the text, n word pieces of the context.
Rules: masks are false on padding, which stands at the end; every post has at least one word;
`context_mask` and `image_mask` are all false where a post has neither.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["SHAPES", "WordBatch"]

SHAPES = 12
"""Kinds of spelling that a word piece may carry from its word; 0 is a special token."""


@dataclass(frozen=True)
class WordBatch:
    """b posts on their way into an encoder.

    Attributes:
        ids: Word pieces of the text, special ones included, and of the context where both are read
            as one sequence.
        mask: True where one is real.
        text_mask: True where a piece is real and belongs to the text; the others are a context that
            stands behind it.
        shapes: How the word of each piece is spelled, 0 to `SHAPES` − 1.
        starts: For each word the place of its first piece.
        word_mask: True where a word is real.
        context_ids: Word pieces of the context where it is read by itself.
        context_mask: True where one is real.
        image: Patches of the picture, zeros on padding.
        image_mask: True where a patch is real.
        ends: The places of the markers that open the head and the tail; 0 columns where no pair is
            asked for.
        pixels: The picture itself, for an image encoder inside the graph; None where `image` holds
            patches already.
        context_states: The states of the context's pieces, made before by an encoder that does not
            learn, zeros on padding; None where the encoder inside the graph makes them.
    """

    ids: Int[Tensor, "b t"]
    mask: Bool[Tensor, "b t"]
    text_mask: Bool[Tensor, "b t"]
    shapes: Int[Tensor, "b t"]
    starts: Int[Tensor, "b w"]
    word_mask: Bool[Tensor, "b w"]
    context_ids: Int[Tensor, "b n"]
    context_mask: Bool[Tensor, "b n"]
    image: Float[Tensor, "b p e"]
    image_mask: Bool[Tensor, "b p"]
    ends: Int[Tensor, "b q"]
    pixels: Float[Tensor, "b 3 s s"] | None = None
    context_states: Float[Tensor, "b n d"] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def to(self, device: torch.device | str) -> "WordBatch":
        """A copy on a device."""
        return self._map(lambda x: x.to(device))

    def select(self, index: Tensor) -> "WordBatch":
        """The posts at `index`."""
        return self._map(lambda x: x[index])

    def replace(self, **changes: Tensor) -> "WordBatch":
        """The same posts with some fields replaced."""
        return replace(self, **changes)

    def _map(self, change: Callable[[Tensor], Tensor]) -> "WordBatch":
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: change(x) for name, x in given.items() if x is not None})
