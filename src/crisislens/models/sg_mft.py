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

from typing import Literal

from crisislens.models.base import MODELS, Count, Rate, Size
from crisislens.models.two_streams import Only, Source, TwoStreams, entrances_of
from crisislens.nn.correlation import CorrelationLayer, CrossAttentionLayer
from crisislens.nn.similarity import Elements, Gate, SimilarityFusion, SimilarityInteraction
from crisislens.nn.widths import FeatureWidths

__all__ = ["CorrelationFusion", "CrossTransformer", "SgMft"]


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
        source: Source = "tokens",
        pooled_tokens: Size = 4,
        only: Only = "both",
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
    ) -> None:
        one_token = source == "pooled" and pooled_tokens == 1
        compared: Elements = ("components" if one_token else "tokens") if elements == "auto" else elements
        super().__init__(
            entrances=entrances_of(
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
        source: Source = "tokens",
        pooled_tokens: Size = 4,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
    ) -> None:
        super().__init__(
            entrances=entrances_of(
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
