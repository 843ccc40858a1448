r"""Guided cross attention followed by differential attention, as designed and as published.

Designed: the gated patches and words of one post stand in one sequence, on which differential
attention runs, with a residual,

$$Z = [\alpha_T \odot z_I\,;\ \alpha_I \odot z_T] + E, \qquad Z' = Z +
\operatorname{DiffAttn}(\operatorname{LN}(Z)), \qquad
  \ell = \operatorname{MLP}\big([\bar Z'_I\,;\ \bar Z'_T]\big),$$

with a learned vector of each modality in E, so that a head can tell patch from word. Source: Munia
et al., 2025, https://arxiv.org/abs/2507.05165, Eq. 8-9, rows "Guided CA + Diff Attn" of Table 2.

Where we differ. The paper's z is a single vector and its code attends over a sequence of length 1,
where differential attention is void (`nn.differential`). A sequence of real tokens is our
reconstruction of what was meant; so are the residual, the norm and E.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size, require_published_flag
from crisislens.models.guided import GuidedTrunk, published_head
from crisislens.models.parts import Head
from crisislens.nn.attention import masked_mean
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.differential import DifferentialAttention, PublishedDifferentialAttention
from crisislens.nn.guided import PublishedGuidedFusion
from crisislens.nn.widths import FeatureWidths

__all__ = ["GuidedDifferential", "GuidedDifferentialPublished"]


@MODELS.register("guided_differential")
class GuidedDifferential(FusionModel):
    """Differential attention over the guided patches and words of one post.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside; a multiple of `2 * heads`.
        heads: Heads of both attentions.
        layers: Differential layers, at least 1.
        hidden: Width of the head's hidden layer; 0 for none (the paper's head).
        dropout: Dropout of inlets and head.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
        captions: Whether captions are read beside the tweet, see `GuidedTrunk`.
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
        captions: bool = False,
    ) -> None:
        super().__init__()
        self.reads_captions = captions
        if layers < 1:
            raise ValueError(
                f"layers must be at least 1, got {layers}; without differential layers take the model "
                f"'guided'"
            )
        self.trunk = GuidedTrunk(
            widths=widths,
            width=width,
            heads=heads,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
            captions=captions,
        )
        # small, as embeddings start: at first the tokens themselves decide
        self.kind = nn.Parameter(0.02 * torch.randn(2, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(
            DifferentialAttention(width=width, heads=heads, depth=i) for i in range(layers)
        )
        self.head = Head(width=2 * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the mean attended patch and the mean attended word."""
        (z_i, mask_i), (z_t, mask_t) = self.trunk(batch)
        z, mask = (
            torch.cat([z_i + self.kind[0], z_t + self.kind[1]], dim=1),
            torch.cat([mask_i, mask_t], dim=1),
        )

        def means(y: Float[Tensor, "b n d"]) -> Float[Tensor, "b 2 d"]:
            p = z_i.shape[1]
            return torch.stack([masked_mean(y[:, :p], mask_i), masked_mean(y[:, p:], mask_t)], dim=1)

        for norm, layer in zip(self.norms[:-1], self.layers[:-1], strict=True):
            z = z + layer(norm(z), mask)
        # the last layer's map `out` is linear, so it may follow the mean: once a modality instead of once a
        # token
        last = self.layers[-1]
        assert isinstance(last, DifferentialAttention)
        z_mean = means(z) + last.out(means(last.attend(self.norms[-1](z), mask)))
        return self.head(rearrange(z_mean, "b two d -> b (two d)"))  # type: ignore[no-any-return]


@MODELS.register("guided_differential_published")
class GuidedDifferentialPublished(FusionModel):
    """The authors' code of guided cross attention with "differential attention" over one vector,
    for reproduction only.

    With CLIP ViT-B/32's widths and 6 outputs it has the 2,167,750 trainable parameters of the
    original. Queries and keys of the attention get no gradient, and a result depends on the batch.
    Arguments and errors as of `GuidedPublished`.
    """

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__()
        require_published_flag("guided_differential_published", as_published)
        self.fuse = PublishedGuidedFusion(
            image_pooled_width=widths.image_pooled, text_pooled_width=widths.text_pooled
        )
        self.attend = PublishedDifferentialAttention(width=256, heads=4)
        self.head = published_head(classes)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the pooled vectors."""
        return self.head(self.attend(self.fuse(batch.image.pooled, batch.text.pooled)))
