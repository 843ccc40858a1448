r"""What the authors' DenseNet + ELECTRA code computes, for reproduction only: guided fusion of two
vectors, and three layers on its result.

Guided fusion, with $\tilde F = \operatorname{softmax}(F F^\top) F$ over the **batch** (unscaled)
and dropout ½ on the vectors that come in,

$$z_m = \operatorname{ReLU}(\operatorname{BN}(W_m \tilde f_m + b_m)), \qquad \alpha_m = \sigma(W'_m \tilde f_m
+ b'_m), \qquad
  z = [\alpha_T \odot z_I\,;\ \alpha_I \odot z_T].$$

Unlike their CLIP code (`nn.guided.PublishedGuidedFusion`), values too come from the mixed features,
and there are no projections in front.

The rows "Cross Attention" and "Guided CA + Self Attn" apply softmax to an axis of size one, so each
of their weights is 1 and the layer is its value map: queries and keys get exactly zero gradient
(`SingleKeyAttention`). "Cross Diff Attn" is differential attention from the text's half of z to the
image's, again one query and one key: the text's half reaches the result through nothing but its
gate on the image.

Source: the code of Munia et al., 2025 (https://arxiv.org/abs/2507.05165), as described in its June
2025 state. The text of the paper has none of this. What the descriptions leave open, and we chose:
queries and keys of the single-key layers are as wide as their values, and the cross rows stand
after the guided masks, as the cross-differential one does.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["PublishedVectorFusion", "SingleKeyAttention"]


class PublishedVectorFusion(nn.Module):
    """Guided fusion of one image vector and one text vector as in the DenseNet + ELECTRA code;
    results depend on the batch.

    Arguments:
        image_pooled_width: Width of the image's vector (1000 logits of DenseNet-201 in the
            original).
        text_pooled_width: Width of the text's vector (768, the CLS state of ELECTRA).
        width: Width of each half: 100 in the row "Guided CA", 128 in the others.
    """

    def __init__(self, *, image_pooled_width: int, text_pooled_width: int, width: int = 128) -> None:
        super().__init__()
        self.value_image, self.gate_image = (nn.Linear(image_pooled_width, width) for _ in range(2))
        self.value_text, self.gate_text = (nn.Linear(text_pooled_width, width) for _ in range(2))
        self.norm_image, self.norm_text = nn.BatchNorm1d(width), nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.5)

    def forward(
        self, image: Float[Tensor, "b ei"], text: Float[Tensor, "b et"]
    ) -> tuple[Float[Tensor, "b z"], Float[Tensor, "b z"]]:
        """The masked halves $\\alpha_T \\odot z_I$ and $\\alpha_I \\odot z_T$.

        Arguments:
            image: Vectors of the images.
            text: Vectors of the texts.
        """
        # dropout before the mixing, as in the code: what one post loses is lost to all that look at
        # it
        f_i, f_t = (_across_the_batch(self.drop(f)) for f in (image, text))
        z_i, z_t = (
            torch.relu(self.norm_image(self.value_image(f_i))),
            torch.relu(self.norm_text(self.value_text(f_t))),
        )
        return torch.sigmoid(self.gate_text(f_t)) * z_i, torch.sigmoid(self.gate_image(f_i)) * z_t


class SingleKeyAttention(nn.Module):
    """Attention whose softmax runs over one key, term by term, so that its gradients are the
    original's: equal to its value map.

    Arguments:
        width: Width of queries, keys and values.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Float[Tensor, "b d"], context: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """The value map of `context`, weighted by 1.

        Arguments:
            x: One query a post.
            context: One key and value a post.
        """
        scores = (self.q(x) * self.k(context)).sum(-1, keepdim=True) / math.sqrt(x.shape[-1])
        return scores.softmax(dim=-1) * self.v(context)


def _across_the_batch(f: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
    """`softmax(F Fᵀ) F` over the samples of the batch, as published."""
    # rows are posts: this is where a result comes to depend on its neighbors
    return (f @ f.T).softmax(dim=-1) @ f
