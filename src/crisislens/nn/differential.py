r"""Differential attention: the difference of two softmax maps cancels what both attend to by
accident.

For tokens $X \in \mathbb{R}^{n \times d}$ and each of h heads with two query and key maps of width
$e = d / 2h$,

$$A_i = \operatorname{softmax}(Q_i K_i^\top / \sqrt{e}), \qquad
  Y = (1 - \lambda_0)\,\operatorname{RMSNorm}\big((A_1 - \lambda A_2)\, V\big),$$

$$\lambda = \exp(q_1 \cdot k_1) - \exp(q_2 \cdot k_2) + \lambda_0, \qquad \lambda_0 = 0.8 - 0.6\,
e^{-0.3\,\ell}.$$

Source: Ye et al., Differential Transformer, 2024, https://arxiv.org/abs/2410.05258, Eq. 1-3; used
for crisis posts in Munia et al., 2025, https://arxiv.org/abs/2507.05165, Eq. 8-9.

`DifferentialAttention` is the form as designed: a real token sequence, bidirectional, λ per head.
Munia et al. write λ as one learnable scalar.

`PublishedDifferentialAttention` is what the authors' code computes: one fused vector, a sequence of
length 1. Each softmax is then 1, so $A_1 - \lambda A_2 = 1 - \lambda$, which RMSNorm cancels up to
its ε and the sign of $1 - \lambda$: the layer is a per-head-normalized linear map, queries and keys
get exactly zero gradient, λ nearly none, and no differential attention takes place. It exists to
reproduce the published numbers.
"""

import math

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DifferentialAttention", "PublishedDifferentialAttention", "lambda_start"]


def lambda_start(depth: int) -> float:
    """The start value $\\lambda_0$ of a layer at index `depth` ≥ 0 of its stack; unitless."""
    return 0.8 - 0.6 * math.exp(-0.3 * depth)


class DifferentialAttention(nn.Module):
    """Multi-head differential self-attention over the tokens of one post.

    Arguments:
        width: The token width $d$; a multiple of `2 * heads`.
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
        self.q_k_v = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norm = nn.RMSNorm(2 * e, eps=1e-5)
        # q_1, k_1, q_2, k_2 of every head; std 0.1 keeps λ near λ_0 at the start, as in the paper
        self.lambda_terms = nn.Parameter(0.1 * torch.randn(4, heads, e))

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Attends within each post; padding changes nothing and comes back as zeros.

        Arguments:
            x: The tokens $X$.
            mask: True where a token is real. A post without any comes back as zeros.
        """
        return self.out(self.attend(x, mask)) * mask[..., None]

    def attend(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """All heads side by side before the linear map `out`, for who pools tokens first; padding
        comes back as anything finite.
        """
        q, k, v = rearrange(self.q_k_v(x), "b n (three h m) -> three b h n m", three=3, h=self.heads)
        q, k = (rearrange(z, "b h n (two e) -> b h two n e", two=2) for z in (q, k))
        # a post without any real token looks anywhere, since softmax over nothing is NaN
        hidden = torch.zeros_like(mask, dtype=q.dtype).masked_fill(
            ~mask & mask.any(1, keepdim=True), -torch.inf
        )
        scores = q / math.sqrt(q.shape[-1]) @ rearrange(k, "b h two j e -> b h two e j")
        a = (scores + hidden[:, None, None, None, :]).softmax(-1)
        # (A_1 - λ A_2) V = A_1 V - λ A_2 V: both maps meet V in one product, and their difference, n times n,
        # is never formed
        y_1, y_2 = (rearrange(a, "b h two i j -> b h (two i) j") @ v).chunk(2, dim=2)
        y = y_1 - self.lambda_()[:, None, None] * y_2
        # the factor 1 - λ_0 of the paper is in the weight: one product less a token
        weight = (1 - self.lambda_0) * self.norm.weight
        y = functional.rms_norm(y, self.norm.normalized_shape, weight, self.norm.eps)
        return rearrange(y, "b h n m -> b n (h m)")

    def lambda_(self) -> Float[Tensor, " h"]:
        """The weight λ of the second map, per head; unitless, about $\\lambda_0$ at the start,
        unbounded.
        """
        q_1, k_1, q_2, k_2 = self.lambda_terms
        return (q_1 * k_1).sum(-1).exp() - (q_2 * k_2).sum(-1).exp() + self.lambda_0


class PublishedDifferentialAttention(nn.Module):
    """The authors' layer on one fused vector a post; see the module's head for why it attends to
    nothing.

    λ's four vectors are shared by all heads and $\\lambda_0$ is that of depth 1 (0.3555), as in the
    authors' code.

    Arguments:
        width: Width of the fused vector; a multiple of `2 * heads`.
        heads: The number of heads h.
    """

    def __init__(self, *, width: int = 256, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.lambda_0 = heads, lambda_start(1)
        e = width // (2 * heads)
        self.q, self.k, self.v, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.lambda_terms = nn.Parameter(0.1 * torch.randn(4, e))
        self.norm = nn.RMSNorm(2 * e, eps=1e-5)

    def forward(
        self, z: Float[Tensor, "b d"], context: Float[Tensor, "b d"] | None = None
    ) -> Float[Tensor, "b d"]:
        """The layer at sequence length 1, term by term as the code has it, so that its gradients
        are the code's too.

        Arguments:
            z: The vector that asks.
            context: The vector of key and value; None for z itself.
        """
        seen = z if context is None else context
        q = rearrange(self.q(z), "b (two_h e) -> b two_h 1 e", two_h=2 * self.heads)
        k = rearrange(self.k(seen), "b (two_h e) -> b two_h 1 e", two_h=2 * self.heads)
        v = rearrange(self.v(seen), "b (h m) -> b h 1 m", h=self.heads)
        a = (einsum(q, k, "b g i e, b g j e -> b g i j") / math.sqrt(q.shape[-1])).softmax(dim=-1)
        a = rearrange(a, "b (h two) i j -> two b h i j", two=2)
        y = self.norm(einsum(a[0] - self.lambda_() * a[1], v, "b h i j, b h j m -> b h i m"))
        return self.out(rearrange((1 - self.lambda_0) * y, "b h 1 m -> b (h m)"))

    def lambda_(self) -> Float[Tensor, ""]:
        """The one weight λ of the second map."""
        q_1, k_1, q_2, k_2 = self.lambda_terms
        return (q_1 * k_1).sum().exp() - (q_2 * k_2).sum().exp() + self.lambda_0
