r"""Guided cross attention: each modality is masked by a gate that the other one computes.

With $F_I \in \mathbb{R}^{p \times d}$ patches and $F_T \in \mathbb{R}^{t \times d}$ tokens of one
post after self-attention within each modality (Eq. 4-5),

$$z_I = \operatorname{ReLU}(W_I f_I + b_I), \quad \alpha_I = \sigma(W'_I \bar f_I + b'_I), \qquad
  z_T = \operatorname{ReLU}(W_T f_T + b_T), \quad \alpha_T = \sigma(W'_T \bar f_T + b'_T),$$

$$z = [\alpha_T \odot z_I\,;\ \alpha_I \odot z_T],$$

where $\bar f$ is the mean of the modality's tokens. Source: Munia et al., 2025,
https://arxiv.org/abs/2507.05165, Eq. 4-7, after Gupta et al. 2024, CrisisKAN,
https://arxiv.org/abs/2401.06194.

Where we differ. The paper has one vector a modality, on which its self-attention (Eq. 4) does
nothing: softmax over one key is 1. Its code instead mixes the samples of the batch (a B × B
softmax), so that a post's result depends on its neighbors. `GuidedCrossAttention`, as designed, has
real tokens: self-attention (multi-head, with projections and a residual, where Eq. 4 has none of
them) runs over the patches and over the words of one post, gates come from the pooled modality, and
the gated tokens are kept, so that what follows has a sequence to attend to. Eq. 7 prints the
image's $W'_I$ and $b_I$ in the text's gate; we read it as a misprint, as the code has four
independent maps.

`PublishedGuidedFusion` is the authors' code (CLIP variant): see its docstring.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.attention import SelfAttentionBlock, masked_mean

__all__ = ["GuidedCrossAttention", "PublishedGuidedFusion"]


class GuidedCrossAttention(nn.Module):
    """Self-attention within each modality of a post, then gating of each modality's tokens by the
    other's pooled gate.

    Arguments:
        width: The token width $d$ of both modalities.
        heads: Heads of the self-attention.
    """

    def __init__(self, *, width: int, heads: int = 4) -> None:
        super().__init__()
        self.mix_image, self.mix_text = (
            SelfAttentionBlock(width=width, heads=heads),
            SelfAttentionBlock(width=width, heads=heads),
        )
        self.value_image, self.value_text, self.gate_image, self.gate_text = (
            nn.Linear(width, width) for _ in range(4)
        )

    def forward(
        self,
        image: Float[Tensor, "b p d"],
        image_mask: Bool[Tensor, "b p"],
        text: Float[Tensor, "b t d"],
        text_mask: Bool[Tensor, "b t"],
    ) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b t d"]]:
        """The gated patches $\\alpha_T \\odot z_I$ and tokens $\\alpha_I \\odot z_T$, zero on
        padding.

        Arguments:
            image: Patches $F_I$ before self-attention.
            image_mask: True where a patch is real. Of a post without any, $\\bar f_I = 0$ and the
                text's gate is $\\sigma(b'_I)$.
            text: Tokens $F_T$ before self-attention.
            text_mask: True where a token is real, likewise.
        """
        # crosswise: the text opens the gate of the patches, the picture that of the words
        f_i, f_t = self.mix_image(image, image_mask), self.mix_text(text, text_mask)
        alpha_i = torch.sigmoid(self.gate_image(masked_mean(f_i, image_mask)))[:, None]
        alpha_t = torch.sigmoid(self.gate_text(masked_mean(f_t, text_mask)))[:, None]
        z_i, z_t = torch.relu(self.value_image(f_i)), torch.relu(self.value_text(f_t))
        return alpha_t * z_i * image_mask[..., None], alpha_i * z_t * text_mask[..., None]


class PublishedGuidedFusion(nn.Module):
    """Guided fusion as the authors' CLIP code computes it, from pooled vectors, up to the fused
    vector of width `2 * width`.

    Pooled vectors before CLIP's projection go through trainable copies of the projections, ReLU and
    a linear map to 768. The gates (and only they) see `softmax(F Fᵀ) F` over the **batch**:
    unscaled, so nearly the identity, but a post's result depends on the posts beside it, on the
    batch size and on the number of devices. Values come from the un-attended features through
    BatchNorm.

    Arguments:
        image_pooled_width: Width of the image's pooled vector (768 for ViT-B/32).
        text_pooled_width: Width of the text's pooled vector (512).
        projection: Width of CLIP's shared space.
        hidden: Width of the features that the gates see.
        width: Width of each modality's half of the fused vector.
    """

    def __init__(
        self,
        *,
        image_pooled_width: int,
        text_pooled_width: int,
        projection: int = 512,
        hidden: int = 768,
        width: int = 128,
    ) -> None:
        super().__init__()
        self.project_image = nn.Linear(image_pooled_width, projection, bias=False)
        self.project_text = nn.Linear(text_pooled_width, projection, bias=False)
        self.widen_image, self.widen_text = nn.Linear(projection, hidden), nn.Linear(projection, hidden)
        self.value_image, self.value_text, self.gate_image, self.gate_text = (
            nn.Linear(hidden, width) for _ in range(4)
        )
        self.norm_image, self.norm_text = nn.BatchNorm1d(width), nn.BatchNorm1d(width)

    def forward(self, image: Float[Tensor, "b ei"], text: Float[Tensor, "b et"]) -> Float[Tensor, "b z"]:
        """The fused vector $[\\alpha_T \\odot z_I; \\alpha_I \\odot z_T]$ of each post.

        Arguments:
            image: Pooled vectors of the images.
            text: Pooled vectors of the texts.
        """
        f_i = self.widen_image(torch.relu(self.project_image(image)))
        f_t = self.widen_text(torch.relu(self.project_text(text)))
        alpha_i = torch.sigmoid(self.gate_image(_across_the_batch(f_i)))
        alpha_t = torch.sigmoid(self.gate_text(_across_the_batch(f_t)))
        z_i, z_t = (
            torch.relu(self.norm_image(self.value_image(f_i))),
            torch.relu(self.norm_text(self.value_text(f_t))),
        )
        return torch.cat([alpha_t * z_i, alpha_i * z_t], dim=-1)


def _across_the_batch(f: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """`softmax(F Fᵀ) F` over the samples of the batch, as published."""
    # rows are posts: this is where a result comes to depend on its neighbors
    return (f @ f.T).softmax(dim=-1) @ f
