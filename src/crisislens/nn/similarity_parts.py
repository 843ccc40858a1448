"""The parts of similarity guidance: how alike two modalities are, and what is done with it. The
formulas, and what of them is ours, stand in `nn.similarity`.
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
        own = _normal(masked_mean(x, x_mask))
        scores = einsum(own, _normal(mean), "b i, b j -> b i j") / math.sqrt(x.shape[-1])
        return einsum(scores.softmax(-1), mean, "b i j, b j -> b i")[:, None]
    scores = einsum(_normal(x), _normal(other), "b n d, b m d -> b n m") / math.sqrt(x.shape[-1])
    # the least number and not -inf: a row without a real token would become NaN, the product makes it zero
    hidden = scores.masked_fill(~other_mask[:, None], torch.finfo(scores.dtype).min)
    weights = hidden.softmax(-1) * other_mask[:, None]
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
        # beside the tokens and not in their place: a similarity that misleads can be looked away
        # from
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
