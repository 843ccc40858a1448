r"""Correlation-aware fusion and plain cross-attention: the layers that similarity guidance is
compared with.

Correlation-aware, for patches $F_v$ and tokens $F_t$ of one post (Chen et al. 2022, MKGformer,
https://arxiv.org/abs/2205.02357, its prefix-guided interaction and correlation-aware fusion):

$$F_v \leftarrow F_v + \operatorname{Attn}(F_v, [F_v; F_t]), \qquad F_t \leftarrow F_t +
\operatorname{Attn}(F_t, F_t),$$

$$S = F_t F_v^\top, \quad \operatorname{Agg} = \operatorname{softmax}(S)\, F_v, \qquad
  F_t \leftarrow F_t + W_2\, a\big(W_1 F_t + W_3 \operatorname{Agg}\big), \qquad F_v \leftarrow F_v +
  \operatorname{FFN}(F_v).$$

MKGformer puts these into the upper layers of BERT and ViT; here they stand on frozen features, with
norms before each block, scores scaled by $1/\sqrt d$ over normalized features and GELU for $a$, so
that only the fusion differs from its rivals. That much is ours.

Plain cross-attention, per modality with the other's tokens $Y$ (as in LXMERT, Tan & Bansal 2019,
https://arxiv.org/abs/1908.07490): $X \leftarrow X + \operatorname{Attn}(X, Y)$,
$X \leftarrow X + \operatorname{Attn}(X, X)$, $X \leftarrow X + \operatorname{FFN}(X)$.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.attention import MultiHeadAttention, SelfAttentionBlock
from crisislens.nn.similarity import SimilarityFeedForward, element_context

__all__ = ["CorrelationLayer", "CrossAttentionLayer"]


class CorrelationLayer(nn.Module):
    """Prefix-guided attention and correlation-aware fusion, one layer.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: Heads of the attention.
        expansion: Width of the feed-forward blocks in multiples of $d$.
        dropout: Of what the feed-forward blocks add, in training.
    """

    def __init__(self, *, width: int, heads: int = 8, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.mix_text = SelfAttentionBlock(width=width, heads=heads)
        self.norm_image, self.norm_prefix = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix_image = MultiHeadAttention(width=width, heads=heads)
        self.feed_text = SimilarityFeedForward(width=width, hidden=expansion * width, dropout=dropout)
        self.feed_image = SimilarityFeedForward(
            width=width, hidden=expansion * width, guided=False, dropout=dropout
        )

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p d"],
        image_mask: Bool[Tensor, "b p"],
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b p d"]]:
        """Tokens and patches after the layer.

        Arguments:
            text: Tokens $F_t$.
            text_mask: True where a token is real.
            image: Patches $F_v$.
            image_mask: True where a patch is real.
        """
        own = self.norm_image(image)
        context, mask = torch.cat([own, self.norm_prefix(text)], 1), torch.cat([image_mask, text_mask], 1)
        image = image + self.mix_image(own, context, mask)
        text = self.mix_text(text, text_mask)
        return self.feed_text(text, element_context(text, text_mask, image, image_mask)), self.feed_image(
            image
        )


class CrossAttentionLayer(nn.Module):
    """Cross-attention, self-attention and a feed-forward block for each modality, one layer.
    Arguments as of `CorrelationLayer`.
    """

    def __init__(self, *, width: int, heads: int = 8, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.norm_text, self.norm_image = nn.LayerNorm(width), nn.LayerNorm(width)
        self.cross_text, self.cross_image = (MultiHeadAttention(width=width, heads=heads) for _ in range(2))
        self.mix_text, self.mix_image = (SelfAttentionBlock(width=width, heads=heads) for _ in range(2))
        self.feed_text, self.feed_image = (
            SimilarityFeedForward(width=width, hidden=expansion * width, guided=False, dropout=dropout)
            for _ in range(2)
        )

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p d"],
        image_mask: Bool[Tensor, "b p"],
    ) -> tuple[Float[Tensor, "b t d"], Float[Tensor, "b p d"]]:
        """Tokens and patches after the layer; arguments as of `CorrelationLayer.forward`."""
        n_t, n_v = self.norm_text(text), self.norm_image(image)
        text, image = (
            text + self.cross_text(n_t, n_v, image_mask),
            image + self.cross_image(n_v, n_t, text_mask),
        )
        return self.feed_text(self.mix_text(text, text_mask)), self.feed_image(
            self.mix_image(image, image_mask)
        )
