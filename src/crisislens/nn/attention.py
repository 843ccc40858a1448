r"""Multi-head attention over the tokens of one post, safe where a post has none, and pooling of its result.

For queries $X \in \mathbb{R}^{n \times d}$, context $Y \in \mathbb{R}^{m \times d}$ with real tokens $M \subseteq \{1..m\}$ and each of h
heads of width $e = d / h$,

$$\operatorname{Attn}(X, Y)_i = \sum_{j \in M} \operatorname{softmax}_{j \in M}\big(q_i \cdot k_j / \sqrt{e}\big)\, v_j,$$

zero where $M$ is empty. Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, Eq. 1. Attention never crosses posts.
"""

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["MultiHeadAttention", "SelfAttentionBlock", "masked_mean"]


def masked_mean(x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b d"]:
    """The mean of each post's real tokens; zero where it has none."""
    weights = mask[..., None].to(x.dtype)
    return (x * weights).sum(1) / weights.sum(1).clamp(min=1)


class MultiHeadAttention(nn.Module):
    """Masked multi-head attention.

    Arguments:
        width: The token width $d$; a multiple of `heads`.
        heads: The number of heads h.

    Raises:
        ValueError: If `width` is not a multiple of `heads`.
    """

    def __init__(self, *, width: int, heads: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width must be a multiple of heads = {heads}, got {width}; try width={width - width % heads}")
        self.heads = heads
        self.q = nn.Linear(width, width)
        # a bias of the keys shifts all scores of a query alike, which softmax ignores
        self.k = nn.Linear(width, width, bias=False)
        self.v = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "b n d"], context: Float[Tensor, "b m d"], mask: Bool[Tensor, "b m"]) -> Float[Tensor, "b n d"]:
        """Attends from `x` to the real tokens of `context`.

        Arguments:
            x: The queries' tokens.
            context: The tokens that are looked at.
            mask: True where a token of the context is real; a post without any gets zeros.
        """
        q, k, v = (rearrange(f(z), "b t (h e) -> b h t e", h=self.heads) for f, z in ((self.q, x), (self.k, context), (self.v, context)))
        anything = mask.any(1)
        # a row without any real token would be softmax over nothing (NaN): let it look anywhere and throw the result away
        allowed = mask | ~anything[:, None]
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed[:, None, None, :])
        return self.out(rearrange(y, "b h n e -> b n (h e)")) * anything[:, None, None]


class SelfAttentionBlock(nn.Module):
    """Pre-norm self-attention with a residual: $X + \\operatorname{Attn}(\\operatorname{LN}(X))$; padding stays as it came."""

    def __init__(self, *, width: int, heads: int = 4) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads)

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        """Mixes the tokens of each post."""
        z = self.norm(x)
        return x + self.attention(z, z, mask) * mask[..., None]
