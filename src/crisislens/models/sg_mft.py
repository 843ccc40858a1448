r"""SG-MFT: similarity-guided fusion of text and photo for semantic location, and the two fusion
transformers it is compared with.

With the layers of `nn.similarity`, after maps from the encoder's widths to $d$,

$$(F_t, F_v) = \operatorname{SIM}_N \circ \dots \circ \operatorname{SIM}_1 (T, V), \qquad
  \ell = \operatorname{MLP}\big(\operatorname{LN}(\operatorname{SFM}(F_t, F_v))\big).$$

Source: Zhang et al., 2024, https://arxiv.org/abs/2405.05760. **A reconstruction of ours** from the
abstract and a review (see `nn.similarity`): layer count, heads, widths, gates, the head and the
recipe are not the paper's. Each part can be switched off.

On pooled features each modality is one vector. Attention over one key does nothing (its softmax is
1, queries and keys learn nothing), so the vector is mapped to `pooled_tokens` tokens, also ours; 1
is the literal reading.

A missing modality is one learned token, so the other one still has something to be compared with.
"""

from collections.abc import Callable
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.parts import Inlet, trimmed
from crisislens.nn.attention import masked_mean
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.correlation import CorrelationLayer, CrossAttentionLayer
from crisislens.nn.missing import MissingToken, ModalityDropout
from crisislens.nn.similarity import Elements, Gate, SimilarityFusion, SimilarityInteraction
from crisislens.nn.widths import FeatureWidths, ModalityWidths

__all__ = ["CorrelationFusion", "CrossTransformer", "Entrance", "SgMft", "TwoStreams"]

Sequence = Literal["tokens", "pooled"]
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
        source: Sequence,
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
        self.hide = ModalityDropout(rate=modality_dropout if only == "both" else 0.0)
        self.text, self.image = entrances("text"), entrances("image")
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
            z = torch.cat([masked_mean(text, text_mask), masked_mean(image, image_mask)], -1)
        else:
            z = self.join(text, text_mask, image, image_mask)
        return self.head(z)  # type: ignore[no-any-return]


def _entrances(
    widths: FeatureWidths,
    *,
    width: int,
    dropout: float,
    source: Sequence,
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


@MODELS.register("sg_mft")
class SgMft(TwoStreams):
    """Similarity-guided multimodal fusion; every part a switch, for ablations.

    Arguments:
        widths: Widths of the features.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `heads`.
        heads: Heads of all attentions.
        layers: Layers N of SIM; 0 is "without SIM".
        expansion: Width of the feed-forward blocks in multiples of $d$.
        coarse: Whether the modality-wise similarity guides the attention.
        fine: Whether the element-wise similarity guides the feed-forward blocks.
        fusion: `sfm`, or `concat` for the means side by side.
        gate: How features are interpolated, see `nn.similarity.FeatureInterpolation`.
        beta: The share of a token's own features if the gate is fixed.
        elements: What the element-wise similarity compares; `auto` is tokens, and components where
            there is one token a modality.
        source: `tokens` reads token and patch states, `pooled` pooled vectors.
        pooled_tokens: Tokens that a pooled vector becomes.
        only: `text` or `image` hides the other modality always.
        dropout: Dropout of all parts.
        modality_dropout: Probability that a post with both loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 8,
        layers: Count = 2,
        expansion: Size = 4,
        coarse: bool = True,
        fine: bool = True,
        fusion: Literal["sfm", "concat"] = "sfm",
        gate: Gate = "learned",
        beta: Rate = 0.5,
        elements: Literal["auto", "tokens", "components"] = "auto",
        source: Sequence = "tokens",
        pooled_tokens: Size = 4,
        only: Only = "both",
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
    ) -> None:
        one_token = source == "pooled" and pooled_tokens == 1
        compared: Elements = ("components" if one_token else "tokens") if elements == "auto" else elements
        super().__init__(
            entrances=_entrances(
                widths,
                width=width,
                dropout=dropout,
                source=source,
                pooled_tokens=pooled_tokens,
                input_norm=input_norm,
            ),
            layer=lambda: SimilarityInteraction(
                width=width,
                heads=heads,
                expansion=expansion,
                coarse=coarse,
                fine=fine,
                gate=gate,
                beta=beta,
                elements=compared,
                dropout=dropout,
            ),
            layers=layers,
            join=SimilarityFusion(width=width, heads=heads) if fusion == "sfm" else None,
            width=width,
            classes=classes,
            dropout=dropout,
            modality_dropout=modality_dropout,
            only=only,
        )


@MODELS.register("correlation_fusion")
class CorrelationFusion(TwoStreams):
    """MKGformer-style fusion (`nn.correlation.CorrelationLayer`) and the means side by side.

    Arguments:
        widths: Widths of the features.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `heads`.
        heads: Heads of all attentions.
        layers: Number of layers.
        expansion: Width of the feed-forward blocks in multiples of $d$.
        source: `tokens` reads token and patch states, `pooled` pooled vectors.
        pooled_tokens: Tokens that a pooled vector becomes.
        dropout: Dropout of all parts.
        modality_dropout: Probability that a post with both loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
    """

    _layer: type[CorrelationLayer] | type[CrossAttentionLayer] = CorrelationLayer

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 8,
        layers: Size = 2,
        expansion: Size = 4,
        source: Sequence = "tokens",
        pooled_tokens: Size = 4,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
    ) -> None:
        super().__init__(
            entrances=_entrances(
                widths,
                width=width,
                dropout=dropout,
                source=source,
                pooled_tokens=pooled_tokens,
                input_norm=input_norm,
            ),
            layer=lambda: self._layer(width=width, heads=heads, expansion=expansion, dropout=dropout),
            layers=layers,
            join=None,
            width=width,
            classes=classes,
            dropout=dropout,
            modality_dropout=modality_dropout,
        )


@MODELS.register("cross_transformer")
class CrossTransformer(CorrelationFusion):
    """A plain cross-attention transformer (`nn.correlation.CrossAttentionLayer`). Arguments as of
    `CorrelationFusion`.
    """

    _layer = CrossAttentionLayer
