r"""Multi-head attention over the tokens of one post, safe where a post has none, and pooling of
tokens into one vector.

For queries $X \in \mathbb{R}^{n \times d}$, context $Y \in \mathbb{R}^{m \times d}$ with real
tokens $M \subseteq \{1..m\}$ and each of h heads of width $e = d / h$,

$$\operatorname{Attn}(X, Y)_i = \sum_{j \in M} \operatorname{softmax}_{j \in M}\big(q_i \cdot k_j /
\sqrt{e}\big)\, v_j,$$

zero where $M$ is empty. Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, Eq. 1; the
norm stands before the attention as in Xiong et al. 2020, https://arxiv.org/abs/2002.04745.
Attention never crosses posts.
"""

import math

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["AttentionPooling", "MultiHeadAttention", "SelfAttentionBlock", "masked_mean"]


def masked_mean(x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """The mean of each post's real tokens; zero where it has none."""
    weights = mask.to(x.dtype)
    # in this order of factors einsum copies nothing
    return einsum(weights, x, "b n, b n d -> b d") / weights.sum(1, keepdim=True).clamp(min=1)


class AttentionPooling(nn.Module):
    r"""A weighted mean of a post's real tokens,
    $\sum_j \operatorname{softmax}_j\big(w \cdot \operatorname{RMSNorm}(x_j)\big)\, x_j$.

    The norm has no weights of its own and keeps an encoder's scale from deciding how sharp the
    softmax is.

    Arguments:
        width: The token width $d$.
        norm: Whether scores are taken of normalized tokens; without, of the tokens as they come.
    """

    def __init__(self, *, width: int, norm: bool = True) -> None:
        super().__init__()
        self.norm = norm
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
        """The mean; zero for a post without real tokens.

        Arguments:
            x: The tokens.
            mask: True where a token is real.
        """
        w = self.score.weight[0]
        scores = x @ w
        if self.norm:
            # w · RMSNorm(x) = w · x / root mean square of x: no second copy of the tokens, the largest tensor
            # of a batch
            scores = scores * math.sqrt(x.shape[-1]) / torch.linalg.vector_norm(x, dim=-1).clamp(min=1e-6)
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1) * mask
        return einsum(weights, x, "b n, b n d -> b d")


class MultiHeadAttention(nn.Module):
    """Masked multi-head attention, of a sequence over itself or over another one of the same post.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: The number of heads h.

    Raises:
        ValueError: If `width` is not a positive multiple of `heads`.
    """

    def __init__(self, *, width: int, heads: int = 4) -> None:
        super().__init__()
        if heads < 1 or width < heads or width % heads:
            raise ValueError(
                f"width must be a positive multiple of heads, got width={width} and heads={heads}; try "
                f"width=128, heads=4"
            )
        self.heads = heads
        self.q = nn.Linear(width, width)
        # a bias of the keys shifts all scores of a query alike, which softmax ignores
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(
        self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]
    ) -> Float[Tensor, "b n d"]:
        """Attends from `x` to the real tokens of `context`.

        Arguments:
            x: The queries' tokens.
            context: The tokens that are looked at.
            mask: True where a token of the context is real; a post without any gets zeros.
        """
        q, k, v = (
            rearrange(f(z), "b t (h e) -> b h t e", h=self.heads)
            for f, z in ((self.q, x), (self.k, context), (self.v, context))
        )
        anything = mask.any(1)
        # a row without any real token would be softmax over nothing (NaN): let it look anywhere and throw the
        # result away
        allowed = mask | ~anything[:, None]
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None, None, :])
        y = self.out(rearrange(y, "b h n e -> b n (h e)"))
        return y * anything[:, None, None]


class SelfAttentionBlock(nn.Module):
    """Pre-norm self-attention with a residual, $X + \\operatorname{Attn}(\\operatorname{LN}(X))$;
    padding stays as it came.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: The number of heads h.
    """

    def __init__(self, *, width: int, heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads)

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Mixes the tokens of each post.

        Arguments:
            x: The tokens.
            mask: True where a token is real.
        """
        z = self.norm(x)
        mixed: Float[Tensor, "b n d"] = self.attention(z, z, mask)
        return x + mixed * mask[..., None]
