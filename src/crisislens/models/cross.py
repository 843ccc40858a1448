r"""Attention between the two modalities of a post instead of gates: plain and differential
cross-attention over words and patches.

With $X_I, X_T$ the patches and words in the model's width, one layer each way with residuals,

$$X'_I = X_I + \operatorname{Attn}(\operatorname{LN} X_I, \operatorname{LN} X_T), \qquad
  X'_T = X_T + \operatorname{Attn}(\operatorname{LN} X_T, \operatorname{LN} X_I), \qquad
  \ell = \operatorname{MLP}\big([\bar X'_I\,;\ \bar X'_T]\big),$$

Attn being `nn.attention` (`cross_attention`) or `nn.differential_cross` (`cross_differential`).
Rows "Cross Attention" and "Cross Diff Attn" of Munia et al., 2025,
https://arxiv.org/abs/2507.05165, Table 2, which the paper names and does not define; their code
runs both over single vectors, where a softmax over one key is 1 (`nn.published`). Token sequences,
both directions, norms and residuals are OURS. In `cross_differential` the words ask and the patches
answer and the other way round; the code has the text ask only.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.captions import CaptionWords
from crisislens.models.parts import Head, TokenInlets
from crisislens.nn.attention import MultiHeadAttention, masked_mean
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.differential_cross import DifferentialCrossAttention
from crisislens.nn.widths import FeatureWidths

__all__ = ["CrossAttention", "CrossDifferential"]


class _Cross(FusionModel):
    """What both models share: everything but the kind of attention."""

    def __init__(
        self,
        attend: tuple[nn.Module, nn.Module],
        *,
        widths: FeatureWidths,
        classes: int,
        width: int,
        hidden: int,
        dropout: float,
        modality_dropout: float,
        input_norm: bool,
        captions: bool,
    ) -> None:
        super().__init__()
        self.reads_captions = captions
        self.enter = TokenInlets(
            widths=widths,
            width=width,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
        )
        self.caption = CaptionWords(width=width) if captions else None
        self.norm_image, self.norm_text = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_text, self.to_image = attend
        self.head = Head(width=2 * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the mean patch and the mean word after each has looked at the other modality."""
        (x_i, mask_i), (x_t, mask_t) = self.enter(batch)
        if self.caption is not None:
            x_t, mask_t = self.caption(x_t, mask_t, batch.caption, self.enter.text)
        n_i, n_t = self.norm_image(x_i), self.norm_text(x_t)
        y_i, y_t = x_i + self.to_text(n_i, n_t, mask_t), x_t + self.to_image(n_t, n_i, mask_i)
        return self.head(torch.cat([masked_mean(y_i, mask_i), masked_mean(y_t, mask_t)], dim=-1))


@MODELS.register("cross_attention")
class CrossAttention(_Cross):
    """Words look at patches and patches at words.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `heads`.
        heads: Heads of the attention.
        hidden: Width of the head's hidden layer; 0 for none.
        dropout: Dropout of inlets and head.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
        captions: Whether captions are read beside the tweet, see `models.captions`.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 4,
        hidden: Count = 128,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
        captions: bool = False,
    ) -> None:
        super().__init__(
            (MultiHeadAttention(width=width, heads=heads), MultiHeadAttention(width=width, heads=heads)),
            widths=widths,
            classes=classes,
            width=width,
            hidden=hidden,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
            captions=captions,
        )


@MODELS.register("cross_differential")
class CrossDifferential(_Cross):
    """Words look at patches and patches at words by differential attention. Arguments as of
    `CrossAttention`; `width` is a multiple of `2 * heads`."""

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 4,
        hidden: Count = 128,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
        captions: bool = False,
    ) -> None:
        super().__init__(
            (
                DifferentialCrossAttention(width=width, heads=heads),
                DifferentialCrossAttention(width=width, heads=heads),
            ),
            widths=widths,
            classes=classes,
            width=width,
            hidden=hidden,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
            captions=captions,
        )
