r"""A compact joint encoder: the words of a text and the patches of a picture in one small
transformer.

$$a^t_j = \operatorname{In}_t(x_j), \quad a^i_k = \operatorname{In}_i(y_k), \qquad
  [g; e^t; e^i] = \operatorname{Blocks}\big([u; a^t + \tau_t; a^i + \tau_i]\big),$$

with inlets In (LayerNorm and a linear map to one width d), a learned first token u, types τ, and n
blocks $x \leftarrow x + \operatorname{Attn}(\operatorname{LN} x)$,
$x \leftarrow x + \operatorname{MLP}(\operatorname{LN} x)$. Source of the single stream: ViLT (Kim
et al. 2021, https://arxiv.org/abs/2102.03334), which arXiv 2603.18611 builds on. Ours: pretrained
towers stand below, so that two blocks are enough on a laptop; places are not encoded, since the
towers' states know them.

*Aligned* states a are unmixed: the cosine of a word and a patch is theirs alone, which the
contrastive loss of `alignment_loss` teaches. *Mixed* states e have seen the whole post, as ViLT's.

Similarity of b texts and b pictures, words looking for their best patch (Yao et al. 2021, FILIP,
https://arxiv.org/abs/2111.07783, Eq. 4, text to image side):

$$s_{mn} = \frac{1}{w_m} \sum_{j} \max_k \cos(a^t_{mj}, a^i_{nk}), \qquad
  L = -\frac{1}{2b} \sum_m \Big(\log \frac{e^{s_{mm}/\theta}}{\sum_{n \in N_m} e^{s_{mn}/\theta}}
  + \log \frac{e^{s_{mm}/\theta}}{\sum_{n \in N_m} e^{s_{nm}/\theta}}\Big),$$

where pairs of the same group (two floods) are left out of $N_m$: they are no negatives.
"""

import math
from typing import NamedTuple

import torch
from einops import einsum, rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.attention import MultiHeadAttention

__all__ = ["JointEncoder", "JointStates", "alignment_loss", "alignment_scores"]


class JointStates(NamedTuple):
    """What a joint encoder makes of b posts; zeros on padding.

    Attributes:
        text: States of words or tokens.
        text_mask: True where one is real.
        image: States of patches.
        image_mask: True where one is real.
        pooled: One vector a post.
    """

    text: Float[Tensor, "b t d"]
    text_mask: Bool[Tensor, "b t"]
    image: Float[Tensor, "b p d"]
    image_mask: Bool[Tensor, "b p"]
    pooled: Float[Tensor, "b d"]


class _Block(nn.Module):
    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width=width, heads=heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]) -> Float[Tensor, "b n d"]:
        z = self.norm(x)
        x = x + self.attention(z, z, mask)
        y: Tensor = x + self.mlp(x)
        return y


def _attention(
    block: nn.Module, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"]
) -> Float[Tensor, "b h n n"]:
    """The attention weights of a block over its input."""
    assert isinstance(block, _Block)
    # once more by hand: the block's own attention is fused and gives no weights away
    a, z = block.attention, block.norm(x)
    q = rearrange(a.q(z), "b n (h e) -> b h n e", h=a.heads)
    k = rearrange(a.k(z), "b n (h e) -> b h n e", h=a.heads)
    scores = einsum(q, k, "b h n e, b h m e -> b h n m") / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min).softmax(-1)


class JointEncoder(nn.Module):
    """Words and patches of b posts into joint states.

    Arguments:
        text_width: Width of the words' states.
        image_width: Width of the patches' states.
        width: The width d inside.
        layers: Blocks n.
        heads: Heads of the attention.
        dropout: Dropout of the inlets in training.
    """

    def __init__(
        self,
        *,
        text_width: int,
        image_width: int,
        width: int = 128,
        layers: int = 2,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.inlet_text = nn.Sequential(
            nn.LayerNorm(text_width, elementwise_affine=False), nn.Linear(text_width, width)
        )
        self.inlet_image = nn.Sequential(
            nn.LayerNorm(image_width, elementwise_affine=False), nn.Linear(image_width, width)
        )
        self.first = nn.Parameter(0.02 * torch.randn(width))
        self.types = nn.Parameter(0.02 * torch.randn(2, width))
        self.blocks = nn.ModuleList([_Block(width=width, heads=heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def aligned(
        self,
        text: Float[Tensor, "b t dt"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p di"],
        image_mask: Bool[Tensor, "b p"],
    ) -> JointStates:
        """Unmixed states; pooled is the sum of the means of words and patches.

        Arguments:
            text: States of words or tokens.
            text_mask: True where one is real.
            image: States of patches.
            image_mask: True where one is real.
        """
        # the mask after the dropout: an inlet has a bias, so padding would come out of it as
        # something
        x = functional.dropout(self.inlet_text(text), self.dropout, self.training) * text_mask[..., None]
        y = functional.dropout(self.inlet_image(image), self.dropout, self.training) * image_mask[..., None]
        # states are zero on padding, so sums are over real ones; a post may lack words or a picture
        mean_text = x.sum(1) / text_mask.sum(1, keepdim=True).clamp(min=1)
        mean_image = y.sum(1) / image_mask.sum(1, keepdim=True).clamp(min=1)
        return JointStates(x, text_mask, y, image_mask, mean_text + mean_image)

    def forward(
        self,
        text: Float[Tensor, "b t dt"],
        text_mask: Bool[Tensor, "b t"],
        image: Float[Tensor, "b p di"],
        image_mask: Bool[Tensor, "b p"],
    ) -> JointStates:
        """Mixed states. Arguments as of `aligned`."""
        return self.mix(self.aligned(text, text_mask, image, image_mask))

    def _enter(self, a: JointStates) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """The sequence that the blocks read: the first token, words, patches."""
        # always real, so that attention has something to look at in a post without words or picture
        first = self.first.expand(len(a.text), 1, -1)
        x = torch.cat([first, a.text + self.types[0], a.image + self.types[1]], dim=1)
        return x, torch.cat([a.text_mask.new_ones(len(a.text), 1), a.text_mask, a.image_mask], dim=1)

    def attention_maps(self, a: JointStates) -> list[Float[Tensor, "b h n n"]]:
        """The attention of every block over the first token, words and patches, from aligned
        states.
        """
        x, mask = self._enter(a)
        maps = []
        for block in self.blocks:
            maps.append(_attention(block, x, mask))
            x = block(x, mask)
        return maps

    def mix(self, a: JointStates) -> JointStates:
        """Mixed states from aligned ones."""
        t = a.text.shape[1]
        x, mask = self._enter(a)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x) * mask[..., None]
        return JointStates(x[:, 1 : 1 + t], a.text_mask, x[:, 1 + t :], a.image_mask, x[:, 0])


def alignment_scores(a: JointStates) -> Float[Tensor, "b b"]:
    """The similarity s of every text with every picture, in [−1, 1]; zero where one of them is
    missing.
    """
    x, y = functional.normalize(a.text, dim=-1), functional.normalize(a.image, dim=-1)
    cosine = einsum(x, y, "m j d, n k d -> m n j k")
    # no patch is less alike than −1, so padding is never a word's best one
    cosine = cosine.masked_fill(~a.image_mask[None, :, None, :], -1.0)
    best = cosine.amax(3) * a.text_mask[:, None, :]
    scores = best.sum(2) / a.text_mask.sum(1).clamp(min=1)[:, None]
    return scores * a.image_mask.any(1)[None, :]


def alignment_loss(
    scores: Float[Tensor, "b b"], groups: Int[Tensor, " b"], *, temperature: float = 0.05
) -> Float[Tensor, ""]:
    """The contrastive loss L of b pairs.

    Arguments:
        scores: Similarities; the pairs stand on the diagonal.
        groups: Pairs of one group are not each other's negatives.
        temperature: θ.
    """
    same = groups[:, None] == groups[None, :]
    # a pair stays its own positive, whatever its group
    same.fill_diagonal_(False)
    logits = (scores / temperature).masked_fill(same, torch.finfo(scores.dtype).min)
    target = torch.arange(len(scores), device=scores.device)
    text_to_image = functional.cross_entropy(logits, target)
    image_to_text = functional.cross_entropy(logits.T, target)
    return (text_to_image + image_to_text) / 2
