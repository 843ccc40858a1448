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

import math
from typing import Literal

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.attention import MultiHeadAttention, masked_mean

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

Gate = Literal["learned", "fixed"]
Elements = Literal["tokens", "components"]


def _normal(x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    return functional.layer_norm(x, x.shape[-1:])


def modality_similarity(
    text: Float[Tensor, "b t d"],
    text_mask: Bool[Tensor, "b t"],
    image: Float[Tensor, "b p d"],
    image_mask: Bool[Tensor, "b p"],
) -> Float[Tensor, "b d"]:
    """$S_m$, one vector a post; zero where a modality has no real token.

    Arguments:
        text: Tokens $F_t$.
        text_mask: True where a token is real.
        image: Patches $F_v$.
        image_mask: True where a patch is real.
    """
    return _normal(masked_mean(text, text_mask)) * _normal(masked_mean(image, image_mask))


def element_context(
    x: Float[Tensor, "b n d"],
    x_mask: Bool[Tensor, "b n"],
    other: Float[Tensor, "b m d"],
    other_mask: Bool[Tensor, "b m"],
    elements: Elements = "tokens",
) -> Float[Tensor, "b k d"]:
    """$c$: what of the other modality is like each element of this one.

    Arguments:
        x: The modality that is guided.
        x_mask: True where its tokens are real; used for `components` only.
        other: The modality that guides.
        other_mask: True where its tokens are real; a post without any gets zeros.
        elements: Whether elements are tokens (k = n rows) or components of the means (k = 1 row).
    """
    if elements == "components":
        mean = masked_mean(other, other_mask)
        scores = einsum(_normal(masked_mean(x, x_mask)), _normal(mean), "b i, b j -> b i j") / math.sqrt(
            x.shape[-1]
        )
        return einsum(scores.softmax(-1), mean, "b i j, b j -> b i")[:, None]
    scores = einsum(_normal(x), _normal(other), "b n d, b m d -> b n m") / math.sqrt(x.shape[-1])
    weights = (
        scores.masked_fill(~other_mask[:, None], torch.finfo(scores.dtype).min).softmax(-1)
        * other_mask[:, None]
    )
    return einsum(weights, other, "b n m, b m d -> b n d")


class FeatureInterpolation(nn.Module):
    """$\\tilde F = g \\odot F + (1 - g) \\odot S_m$, with g learned from both or one fixed number.

    Arguments:
        width: The token width $d$.
        gate: `learned` for $g = \\sigma(W_g [F; S_m])$, `fixed` for $g = \\beta$.
        beta: β in [0, 1], used if the gate is fixed.
    """

    def __init__(self, *, width: int, gate: Gate = "learned", beta: float = 0.5) -> None:
        super().__init__()
        self.beta = beta
        self.map = nn.Linear(2 * width, width) if gate == "learned" else None

    def forward(self, x: Float[Tensor, "b n d"], similarity: Float[Tensor, "b d"]) -> Float[Tensor, "b n d"]:
        """The interpolated tokens.

        Arguments:
            x: Tokens $F$.
            similarity: $S_m$.
        """
        s = similarity[:, None].expand_as(x)
        g = self.beta if self.map is None else torch.sigmoid(self.map(torch.cat([x, s], -1)))
        return g * x + (1 - g) * s


class InterpolationAttention(nn.Module):
    """Attention from the tokens of a modality to themselves and, if guided, to their interpolation
    with $S_m$; with the residual.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: The number of heads.
        guided: Whether the interpolated tokens are looked at too; without, this is self-attention.
        gate: See `FeatureInterpolation`.
        beta: See `FeatureInterpolation`.
        dropout: Of what is added to the tokens, in training.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        guided: bool = True,
        gate: Gate = "learned",
        beta: float = 0.5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.interpolate = FeatureInterpolation(width=width, gate=gate, beta=beta) if guided else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], similarity: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n d"]:
        """The tokens after attention.

        Arguments:
            x: Tokens $F$.
            mask: True where a token is real.
            similarity: $S_m$; not used if not guided.
        """
        z = self.norm(x)
        if self.interpolate is None:
            return x + self.dropout(self.attention(z, z, mask))
        context = torch.cat([z, self.norm(self.interpolate(x, similarity))], 1)
        return x + self.dropout(self.attention(z, context, torch.cat([mask, mask], 1)))


class SimilarityFeedForward(nn.Module):
    """$F + W_2 \\operatorname{GELU}(W_1 \\operatorname{LN}(F) + W_s c)$; without guidance the plain
    feed-forward block.

    Arguments:
        width: The token width $d$.
        hidden: Width between $W_1$ and $W_2$.
        guided: Whether there is $W_s c$.
        dropout: Of what is added to the tokens, in training.
    """

    def __init__(self, *, width: int, hidden: int, guided: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.guide = nn.Linear(width, hidden, bias=False) if guided else None
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b k d"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """The tokens after the block.

        Arguments:
            x: Tokens $F$.
            context: $c$, for each token or one for all (k = n or 1); None if not guided.
        """
        h = self.up(self.norm(x))
        if self.guide is not None and context is not None:
            h = h + self.guide(context)
        return x + self.dropout(self.down(functional.gelu(h)))


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
        s = modality_similarity(text, text_mask, image, image_mask)
        text, image = self.attend_text(text, text_mask, s), self.attend_image(image, image_mask, s)
        if not self.fine:
            return self.feed_text(text), self.feed_image(image)
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
