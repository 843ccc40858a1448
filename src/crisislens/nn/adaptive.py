r"""Adaptive fusion: each word takes from the context and the picture what its own gate lets
through.

With the words $H_t \in \mathbb{R}^{t \times d}$ of a post, its context's tokens $H_c$ and its
patches $V$ (projected to $d$),

$$A = \operatorname{Attn}(Q = H_t,\ K = V = [H_c;\, V]), \qquad g = \sigma(W [H_t;\, A] + b), \qquad
  H = H_t + r\, g \odot A,$$

token by token, where $r = \sigma(\gamma\, (\cos(c, t) - \delta))$ may scale by how much context and
text have to do with each other (`relevance`), else $r = 1$. A post with neither context nor picture
keeps $H = H_t$ exactly. Shap-CA (Luo et al., 2024, https://arxiv.org/abs/2407.17854) has an
"adaptive fusion module for selective cross-modal fusion"; its equations could not be had, so this
is OUR reconstruction. The gate's bias starts at −2, so that training starts near the text alone.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.attention import MultiHeadAttention, masked_mean

__all__ = ["AdaptiveFusion"]

_SHUT = -2.0


class AdaptiveFusion(nn.Module):
    """Gated cross-attention from words to context and patches.

    Arguments:
        width: Width $d$ of the words' and the context's states.
        image_width: Width of the patches.
        heads: Heads of the attention; divides the width.
        relevance: Whether what comes in is scaled by the relevance of the context; a post without
            one takes its picture unscaled.
    """

    def __init__(self, *, width: int, image_width: int, heads: int = 4, relevance: bool = False) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Linear(image_width, width), nn.LayerNorm(width))
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.gate = nn.Linear(2 * width, width)
        nn.init.constant_(self.gate.bias, _SHUT)
        # from σ(4 (0 − 0.3)) = 0.23 for what has nothing in common to σ(4 (1 − 0.3)) = 0.94
        self.slope = nn.Parameter(torch.tensor(4.0)) if relevance else None
        self.offset = nn.Parameter(torch.tensor(0.3)) if relevance else None

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
        context: Float[Tensor, "b n d"],
        context_mask: Bool[Tensor, "b n"],
        image: Float[Tensor, "b p e"],
        image_mask: Bool[Tensor, "b p"],
    ) -> Float[Tensor, "b t d"]:
        """$H$, with padding as it came.

        Arguments:
            text: Words' states $H_t$.
            text_mask: True where a word is real.
            context: The context's states $H_c$.
            context_mask: True where one is real; all false where a post has no context.
            image: Patches as the image encoder gives them.
            image_mask: True where one is real; all false where a post has no picture.
        """
        # one attention over both, so that a word can prefer either
        keys = torch.cat([context, self.patches(image)], dim=1)
        a: Float[Tensor, "b t d"] = self.attention(text, keys, torch.cat([context_mask, image_mask], dim=1))
        taken = torch.sigmoid(self.gate(torch.cat([text, a], dim=-1))) * a
        if self.slope is not None and self.offset is not None:
            likeness = functional.cosine_similarity(
                masked_mean(context, context_mask), masked_mean(text, text_mask)
            )
            relevance = torch.sigmoid(self.slope * (likeness - self.offset))
            # where there is no context, nothing says that the picture is beside the point
            taken = torch.where(context_mask.any(1), relevance, 1.0)[:, None, None] * taken
        return text + taken * text_mask[..., None]
