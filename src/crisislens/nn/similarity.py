r"""Similarity guidance: two modalities of one post change each other as far as they are alike, and
are then joined.

For tokens $F_t \in \mathbb{R}^{t \times d}$ and patches $F_v \in \mathbb{R}^{p \times d}$ of one
post, bars for means over real tokens, $n$ the normalization to mean 0 and variance 1 over
components (no weights), the modality-wise and the element-wise similarity are

$$S_m = n(\bar F_t) \odot n(\bar F_v) \in \mathbb{R}^d, \qquad S_e = n(F_t)\, n(F_v)^\top / \sqrt d \in
\mathbb{R}^{t \times p}.$$

A layer of the interaction module (SIM) does, for each modality $m$ with
$c_t = \operatorname{softmax}(S_e) F_v$ (over patches) and
$c_v = \operatorname{softmax}(S_e^\top) F_t$ (over tokens),

$$\tilde F_m = g \odot F_m + (1 - g) \odot S_m, \quad g = \sigma(W_g [F_m; S_m]), \qquad
  F_m \leftarrow F_m + \operatorname{Attn}\big(\operatorname{LN}(F_m), \operatorname{LN}([F_m; \tilde
  F_m])\big),$$

$$F_m \leftarrow F_m + W_2 \operatorname{GELU}\big(W_1 \operatorname{LN}(F_m) + W_s c_m\big).$$

The fusion module (SFM), with $\rho = \sigma(w \cdot S_m + b)$ and $C_t, C_v$ the attention of each
modality over the other, gives

$$z = \big[\,\overline{\rho\, C_t + F_t}\,;\ \overline{(1 - \rho)\, C_v + F_v}\,\big] \in \mathbb{R}^{2d}.$$

Source: Zhang et al., 2024, SG-MFT, https://arxiv.org/abs/2405.05760. Of the paper only the abstract
could be read, and a review that gives $F_{text} \odot F_{image}$ as the modality-wise and
$F_{text} F_{image}^\top$ as the element-wise similarity. What they are used for (a
feature-interpolation attention, a feed-forward block, a fusion by cross-attention) is the
abstract's; **every formula above is our reconstruction**, not the paper's. The feed-forward block
has the form of MKGformer's (Chen et al. 2022, https://arxiv.org/abs/2205.02357).

For vectors, the review's $F_{text} F_{image}^\top$ is $d \times d$: components against components.
`elements="components"` computes that from the means, one vector for all tokens of a post:

$$c_{t,i} = \sum_j \operatorname{softmax}_j\big(n(\bar F_t)_i\, n(\bar F_v)_j / \sqrt d\big)\, \bar F_{v,j}.$$
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.attention import MultiHeadAttention, masked_mean
from crisislens.nn.similarity_parts import (
    Elements,
    FeatureInterpolation,
    Gate,
    InterpolationAttention,
    SimilarityFeedForward,
    element_context,
    modality_similarity,
)

__all__ = [
    "Elements",
    "FeatureInterpolation",
    "Gate",
    "InterpolationAttention",
    "SimilarityFeedForward",
    "SimilarityFusion",
    "SimilarityInteraction",
    "element_context",
    "modality_similarity",
]


class SimilarityInteraction(nn.Module):
    """One layer of SIM over both modalities, which are treated alike with weights of their own.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: Heads of the attention.
        expansion: Width of the feed-forward block in multiples of $d$.
        coarse: Whether the modality-wise similarity guides the attention.
        fine: Whether the element-wise similarity guides the feed-forward block.
        gate: See `FeatureInterpolation`.
        beta: See `FeatureInterpolation`.
        elements: See `element_context`.
        dropout: Of what is added to the tokens, in training.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int = 8,
        expansion: int = 4,
        coarse: bool = True,
        fine: bool = True,
        gate: Gate = "learned",
        beta: float = 0.5,
        elements: Elements = "tokens",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.fine, self.elements = fine, elements
        self.attend_text, self.attend_image = (
            InterpolationAttention(
                width=width, heads=heads, guided=coarse, gate=gate, beta=beta, dropout=dropout
            )
            for _ in range(2)
        )
        self.feed_text, self.feed_image = (
            SimilarityFeedForward(width=width, hidden=expansion * width, guided=fine, dropout=dropout)
            for _ in range(2)
        )

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p d"],
        image_mask: Bool[Tensor, "b p"],
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b p d"]]:
        """Tokens and patches after the layer; what comes out on padding means nothing.

        Arguments:
            text: Tokens $F_t$.
            text_mask: True where a token is real.
            image: Patches $F_v$.
            image_mask: True where a patch is real.
        """
        # of the tokens as they came: both modalities are guided by the same similarity, whichever
        # goes first
        s = modality_similarity(text, text_mask, image, image_mask)
        text, image = self.attend_text(text, text_mask, s), self.attend_image(image, image_mask, s)
        if not self.fine:
            return self.feed_text(text), self.feed_image(image)
        # after attention, as the block comes after it
        for_text = element_context(text, text_mask, image, image_mask, self.elements)
        for_image = element_context(image, image_mask, text, text_mask, self.elements)
        return self.feed_text(text, for_text), self.feed_image(image, for_image)


class SimilarityFusion(nn.Module):
    """SFM: each modality attends over the other, weighed by how alike they are; both means side by
    side come out.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: Heads of the cross-attention.
    """

    def __init__(self, *, width: int, heads: int = 8) -> None:
        super().__init__()
        self.norm_text, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cross_text, self.cross_image = (MultiHeadAttention(width=width, heads=heads) for _ in range(2))
        self.weigh = nn.Linear(width, 1)

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p d"],
        image_mask: Bool[Tensor, "b p"],
    ) -> Float[Tensor, "b e"]:
        """$z$, of width $e = 2d$.

        Arguments:
            text: Tokens $F_t$.
            text_mask: True where a token is real.
            image: Patches $F_v$.
            image_mask: True where a patch is real.
        """
        rho = torch.sigmoid(self.weigh(modality_similarity(text, text_mask, image, image_mask)))
        n_t, n_v = self.norm_text(text), self.norm_image(image)
        c_t, c_v = self.cross_text(n_t, n_v, image_mask), self.cross_image(n_v, n_t, text_mask)
        z_t, z_v = rho[:, None] * c_t + text, (1 - rho)[:, None] * c_v + image
        return torch.cat([masked_mean(z_t, text_mask), masked_mean(z_v, image_mask)], -1)
