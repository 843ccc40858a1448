r"""Differential cross-attention: the tokens of one modality look at those of the other through the
difference of two softmax maps.

With queries from $X \in \mathbb{R}^{n \times d}$ and keys and values from
$Y \in \mathbb{R}^{m \times d}$ of the same post, the letters of `nn.differential` and $M$ the real
tokens of $Y$,

$$A_i = \operatorname{softmax}_M(Q_i(X)\, K_i(Y)^\top / \sqrt{e}), \qquad
  Z = (1 - \lambda_0)\,\operatorname{RMSNorm}\big((A_1 - \lambda A_2)\, V(Y)\big).$$

Row "Cross Diff Attn" of Munia et al., 2025, https://arxiv.org/abs/2507.05165, Table 2. The paper
gives no formula for that row; their code runs it between two vectors (see
`nn.differential.PublishedDifferentialAttention`), where both softmaxes are 1. That tokens look at
tokens is OURS.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.differential import lambda_start

__all__ = ["DifferentialCrossAttention"]


class DifferentialCrossAttention(nn.Module):
    """Multi-head differential attention from one sequence of a post to another one.

    Arguments:
        width: The token width $d$ of both; a multiple of `2 * heads`.
        heads: The number of heads h; each holds two maps of width `width / (2 * heads)`.
        depth: The index ℓ ≥ 0 of the layer in its stack, which sets $\\lambda_0$.

    Raises:
        ValueError: If `width` is not a positive multiple of `2 * heads`.
    """

    def __init__(self, *, width: int, heads: int = 4, depth: int = 0) -> None:
        super().__init__()
        if heads < 1 or width < 2 * heads or width % (2 * heads):
            raise ValueError(
                f"width must be a positive multiple of 2 * heads, got width={width} and heads={heads}; try "
                f"width=128, heads=4"
            )
        e = width // (2 * heads)
        self.heads, self.lambda_0 = heads, lambda_start(depth)
        self.q = nn.Linear(width, width, bias=False)
        self.k_v = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm = nn.RMSNorm(2 * e, eps=1e-5)
        self.lambda_terms = nn.Parameter(0.1 * torch.randn(4, heads, e))

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]
    ) -> Float[Tensor, "b n d"]:
        """Attends from `x` to the real tokens of `context`.

        Arguments:
            x: The queries' tokens $X$.
            context: The tokens $Y$ that are looked at.
            mask: True where a token of the context is real; a post without any gets zeros.
        """
        q = rearrange(self.q(x), "b n (h two e) -> b h two n e", h=self.heads, two=2)
        k, v = self.k_v(context).chunk(2, dim=-1)
        k = rearrange(k, "b m (h two e) -> b h two e m", h=self.heads, two=2)
        v = rearrange(v, "b m (h w) -> b h m w", h=self.heads)
        anything = mask.any(1)
        # softmax over nothing is NaN: such a post looks anywhere, and what it finds is thrown away
        hidden = torch.zeros_like(mask, dtype=q.dtype).masked_fill(~mask & anything[:, None], -torch.inf)
        a = (q / math.sqrt(q.shape[-1]) @ k + hidden[:, None, None, None, :]).softmax(-1)
        difference = a[:, :, 0] - self.lambda_()[None, :, None, None] * a[:, :, 1]
        y = (1 - self.lambda_0) * self.norm(difference @ v)
        return self.out(rearrange(y, "b h n w -> b n (h w)")) * anything[:, None, None]

    def lambda_(self) -> Float[Tensor, " h"]:
        """The weight λ of the second map, per head; unitless."""
        q_1, k_1, q_2, k_2 = self.lambda_terms
        return (q_1 * k_1).sum(-1).exp() - (q_2 * k_2).sum(-1).exp() + self.lambda_0
