r"""The five DenseNet + ELECTRA rows of Table 2 as the authors' code computes them, for reproduction
only: results depend on the batch.

Over the masked halves $a = \alpha_T \odot z_I$ and $c = \alpha_I \odot z_T$ of
`nn.published.PublishedVectorFusion`:

| row | fused vector | teaches nothing |
|---|---|---|
| Guided CA | $[a; c]$, halves of 100 | |
| Cross Attention | $[V_I\, a\,;\ V_T\, c]$ | queries and keys |
| Guided CA + Self Attn | $V [a; c]$ | query and key |
| Cross Diff Attn | $\operatorname{DiffAttn}(c \to a)$, width 128 | query and key; everything that makes $c$ |
| Guided CA + Diff Attn | $\operatorname{DiffAttn}([a; c])$, width 256 | query and key |

then the head of the authors' code. With frozen features these run on any encoder's pooled vectors;
in mode `finetune` both encoders are in the graph, as in the paper. Source: the code of Munia et
al., 2025, https://arxiv.org/abs/2507.05165; see `nn.published` for what its descriptions leave
open. Where a modality is missing (the original has no such posts) its vector is zero.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.models.base import MODELS, FusionModel, require_published_flag
from crisislens.models.guided import published_head
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.differential import PublishedDifferentialAttention
from crisislens.nn.published import PublishedVectorFusion, SingleKeyAttention
from crisislens.nn.widths import FeatureWidths

__all__ = [
    "VectorCrossDifferentialPublished",
    "VectorCrossPublished",
    "VectorGuidedDifferentialPublished",
    "VectorGuidedPublished",
    "VectorGuidedSelfPublished",
]


class _Vectors(FusionModel):
    """What the five share.

    Arguments:
        widths: Widths of the features; token states are not used.
        classes: The number of outputs.
        as_published: Must be true: the reader of a run file shall see it.

    Raises:
        ConfigError: If `as_published` is false.
    """

    reads_tokens = False
    side = 128
    joined = 256

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__()
        name = next((n for n, cls in MODELS.items() if cls is type(self)), type(self).__name__)
        require_published_flag(name, as_published)
        self.fuse = PublishedVectorFusion(
            image_pooled_width=widths.image_pooled, text_pooled_width=widths.text_pooled, width=self.side
        )
        self.head = published_head(classes, self.joined)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the pooled vectors."""
        return self.head(self.join(*self.fuse(batch.image.pooled, batch.text.pooled)))

    def join(self, image: Float[Tensor, "b z"], text: Float[Tensor, "b z"]) -> Float[Tensor, "b j"]:
        """One vector from the masked halves."""
        return torch.cat([image, text], dim=-1)


@MODELS.register("vector_guided_published")
class VectorGuidedPublished(_Vectors):
    """Row "Guided CA" (the CrisisKAN recipe), DenseNet + ELECTRA code. Arguments and errors:
    `as_published` must be true.
    """

    side, joined = 100, 200


@MODELS.register("vector_cross_published")
class VectorCrossPublished(_Vectors):
    """Row "Cross Attention": each half through a softmax over one key, that is a linear map of
    itself.
    """

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__(widths=widths, classes=classes, as_published=as_published)
        self.to_image, self.to_text = SingleKeyAttention(width=self.side), SingleKeyAttention(width=self.side)

    def join(self, image: Float[Tensor, "b z"], text: Float[Tensor, "b z"]) -> Float[Tensor, "b j"]:
        """The text asks the image and the image the text."""
        return torch.cat([self.to_image(text, image), self.to_text(image, text)], dim=-1)


@MODELS.register("vector_guided_self_published")
class VectorGuidedSelfPublished(_Vectors):
    """Row "Guided CA + Self Attn": the joint vector through a softmax over one key."""

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__(widths=widths, classes=classes, as_published=as_published)
        self.attend = SingleKeyAttention(width=self.joined)

    def join(self, image: Float[Tensor, "b z"], text: Float[Tensor, "b z"]) -> Float[Tensor, "b j"]:
        """The joint vector asks itself."""
        z = torch.cat([image, text], dim=-1)
        return self.attend(z, z)


@MODELS.register("vector_cross_differential_published")
class VectorCrossDifferentialPublished(_Vectors):
    """Row "Cross Diff Attn": the text's half asks the image's, one key, so the text counts through
    its gate on the image alone.
    """

    joined = 128

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__(widths=widths, classes=classes, as_published=as_published)
        self.attend = PublishedDifferentialAttention(width=self.side, heads=4)

    def join(self, image: Float[Tensor, "b z"], text: Float[Tensor, "b z"]) -> Float[Tensor, "b j"]:
        """Differential attention from text to image."""
        return self.attend(text, image)


@MODELS.register("vector_guided_differential_published")
class VectorGuidedDifferentialPublished(_Vectors):
    """Row "Guided CA + Diff Attn": differential attention of the joint vector to itself."""

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__(widths=widths, classes=classes, as_published=as_published)
        self.attend = PublishedDifferentialAttention(width=self.joined, heads=4)

    def join(self, image: Float[Tensor, "b z"], text: Float[Tensor, "b z"]) -> Float[Tensor, "b j"]:
        """The joint vector asks itself."""
        return self.attend(torch.cat([image, text], dim=-1))
