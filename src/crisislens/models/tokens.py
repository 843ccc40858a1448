r"""Attention over all tokens of a post in one sequence: after guided gates (plain), or at once over
[patches; tweet; caption] (differential).

`guided_self`, row "Guided CA + Self Attn" of Munia et al., 2025, https://arxiv.org/abs/2507.05165,
Table 2, with $z$ from `nn.guided.GuidedCrossAttention` and a learned vector of each modality in E:

$$Z = [\alpha_T \odot z_I\,;\ \alpha_I \odot z_T] + E, \qquad Z' = Z + \operatorname{Attn}(\operatorname{LN}
Z), \qquad
  \ell = \operatorname{MLP}\big([\bar Z'_I\,;\ \bar Z'_T]\big).$$

The paper names that row and does not define it; their code applies it to one vector, where it is a
linear map (`nn.published`).

`token_differential` is OURS, no row of the paper: no gates, and differential attention where it can
mean something,

$$Z = [X_I\,;\ X_T\,;\ X_C] + E, \qquad Z \leftarrow Z + \operatorname{DiffAttn}_\ell(\operatorname{LN} Z),
\qquad
  \ell = \operatorname{MLP}\big([\bar Z_I\,;\ \bar Z_T\,;\ \bar Z_C]\big),$$

$X_I$ patches, $X_T$ words of the tweet, $X_C$ words of the caption, each encoded by itself; the
mean over no caption is zero.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.captions import caption_of
from crisislens.models.guided import GuidedTrunk
from crisislens.models.parts import Head, TokenInlets, trimmed
from crisislens.nn.attention import SelfAttentionBlock, masked_mean
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.differential import DifferentialAttention
from crisislens.nn.widths import FeatureWidths

__all__ = ["GuidedSelf", "TokenDifferential"]


@MODELS.register("guided_self")
class GuidedSelf(FusionModel):
    """Self-attention over the guided patches and words of one post.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `heads`.
        heads: Heads of both attentions.
        hidden: Width of the head's hidden layer; 0 for none (the paper's head).
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
        super().__init__()
        self.reads_captions = captions
        self.trunk = GuidedTrunk(
            widths=widths,
            width=width,
            heads=heads,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
            captions=captions,
        )
        self.kind = nn.Parameter(0.02 * torch.randn(2, width))
        self.mix = SelfAttentionBlock(width=width, heads=heads)
        self.head = Head(width=2 * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the mean mixed patch and the mean mixed word."""
        (z_i, mask_i), (z_t, mask_t) = self.trunk(batch)
        z = self.mix(
            torch.cat([z_i + self.kind[0], z_t + self.kind[1]], dim=1), torch.cat([mask_i, mask_t], dim=1)
        )
        p = z_i.shape[1]
        return self.head(torch.cat([masked_mean(z[:, :p], mask_i), masked_mean(z[:, p:], mask_t)], dim=-1))


@MODELS.register("token_differential")
class TokenDifferential(FusionModel):
    """Differential attention over patches, words of the tweet and words of the caption in one
    sequence, without gates.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `2 * heads`.
        heads: Heads of the attention.
        layers: Differential layers, at least 1.
        hidden: Width of the head's hidden layer; 0 for none.
        dropout: Dropout of inlets and head.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
        captions: Whether captions are read as the third part of the sequence.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 4,
        layers: Size = 1,
        hidden: Count = 128,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
        captions: bool = True,
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
        parts = 3 if captions else 2
        self.kind = nn.Parameter(0.02 * torch.randn(parts, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(
            DifferentialAttention(width=width, heads=heads, depth=i) for i in range(layers)
        )
        self.head = Head(width=parts * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the mean patch, the mean word of the tweet and the mean word of the caption."""
        parts = list(self.enter(batch))
        if self.reads_captions:
            caption = trimmed(caption_of(batch.caption, batch.text))
            parts.append((self.enter.text(caption.tokens), caption.mask))
        z = torch.cat([x + kind for (x, _), kind in zip(parts, self.kind, strict=True)], dim=1)
        mask = torch.cat([m for _, m in parts], dim=1)
        for norm, layer in zip(self.norms, self.layers, strict=True):
            z = z + layer(norm(z), mask)
        # each part has a mean of its own, so that a long caption does not drown the tweet
        pieces = torch.split(z, [x.shape[1] for x, _ in parts], dim=1)
        return self.head(
            torch.cat([masked_mean(y, m) for y, (_, m) in zip(pieces, parts, strict=True)], dim=-1)
        )
