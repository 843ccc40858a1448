"""What the transformers of `models.sg_mft` have in common: two entrances, layers that change both
sequences, something that joins them, and a head.
"""

from collections.abc import Callable
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.models.base import FusionModel
from crisislens.models.parts import Inlet, trimmed
from crisislens.nn.attention import masked_mean
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.missing import MissingToken, ModalityDropout
from crisislens.nn.widths import FeatureWidths, ModalityWidths

__all__ = ["Entrance", "Only", "Source", "TwoStreams", "entrances_of"]

Source = Literal["tokens", "pooled"]
Only = Literal["both", "text", "image"]


class Entrance(nn.Module):
    """From one modality's features to a sequence of width $d$: its token states, or `pooled_tokens`
    tokens made of its pooled vector.

    Arguments:
        widths: Widths of the modality's features.
        width: The width $d$.
        dropout: See `models.parts.Inlet`.
        source: What is read.
        pooled_tokens: Tokens that a pooled vector becomes.
        input_norm: Whether features are normalized on the way in.
    """

    def __init__(
        self,
        *,
        widths: ModalityWidths,
        width: int,
        dropout: float,
        source: Source,
        pooled_tokens: int,
        input_norm: bool,
    ) -> None:
        super().__init__()
        self.source, self.width = source, width
        width_in, width_out = (
            (widths.tokens, width) if source == "tokens" else (widths.pooled, pooled_tokens * width)
        )
        self.inlet = Inlet(width_in=width_in, width=width_out, dropout=dropout, norm=input_norm)
        self.missing = MissingToken(width=width)

    def forward(self, x: ModalityBatch) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """The sequence and which of it is real; every post has at least one real token."""
        if self.source == "pooled":
            y = rearrange(self.inlet(x.pooled), "b (n d) -> b n d", d=self.width)
            mask = x.present[:, None].expand(y.shape[:2])
        else:
            short = trimmed(x)
            y, mask = self.inlet(short.tokens), short.mask
        return self.missing(y, mask, x.present)


class TwoStreams(FusionModel):
    """Two entrances, layers that change both sequences, something that joins them, and a head: what
    the models here have in common.

    Arguments:
        entrances: Those of text and image.
        layer: Makes one layer.
        layers: How many.
        join: Both sequences into a vector of width 2d; None for the means side by side.
        width: The width $d$.
        classes: The number of classes c.
        dropout: Dropout of the head.
        modality_dropout: Probability that a post with both modalities loses one in training.
        only: The one modality that is read, or both.
    """

    def __init__(
        self,
        *,
        entrances: Callable[[str], Entrance],
        layer: Callable[[], nn.Module],
        layers: int,
        join: nn.Module | None,
        width: int,
        classes: int,
        dropout: float,
        modality_dropout: float,
        only: Only = "both",
    ) -> None:
        super().__init__()
        self.only = only
        # with one modality always hidden, hiding the other would leave nothing
        self.hide = ModalityDropout(rate=modality_dropout if only == "both" else 0.0)
        self.text, self.image = entrances("text"), entrances("image")
        # both entrances read alike, so one of them tells
        self.reads_tokens = self.text.source == "tokens"
        self.layers = nn.ModuleList(layer() for _ in range(layers))
        self.join = join
        self.head = nn.Sequential(
            nn.LayerNorm(2 * width),
            nn.Linear(2 * width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, classes),
        )

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from both modalities."""
        batch = self.hide(batch)
        if self.only != "both":
            hidden = "image" if self.only == "text" else "text"
            batch = batch.map(
                **{hidden: batch.modalities()[hidden].without(torch.ones_like(batch.text.present))}
            )
        text, text_mask = self.text(batch.text)
        image, image_mask = self.image(batch.image)
        for layer in self.layers:
            text, image = layer(text, text_mask, image, image_mask)
        if self.join is None:
            # means over real tokens only; a missing modality has its one learned token
            z = torch.cat([masked_mean(text, text_mask), masked_mean(image, image_mask)], -1)
        else:
            z = self.join(text, text_mask, image, image_mask)
        return self.head(z)  # type: ignore[no-any-return]


def entrances_of(
    widths: FeatureWidths,
    *,
    width: int,
    dropout: float,
    source: Source,
    pooled_tokens: int,
    input_norm: bool,
) -> Callable[[str], Entrance]:
    def make(name: str) -> Entrance:
        return Entrance(
            widths=widths.of_text() if name == "text" else widths.of_image(),
            width=width,
            dropout=dropout,
            source=source,
            pooled_tokens=pooled_tokens,
            input_norm=input_norm,
        )

    return make
