r"""Baselines: one modality alone, concatenation, and late fusion.

Text only and image only, with $h_m$ the pooled modality: $\ell = \operatorname{MLP}(h_m)$.
Concatenation: $\ell = \operatorname{MLP}([h_T; h_I])$, a learned vector in the place of a missing
modality. Late fusion adds what each modality says by itself,

$$\ell = b + \sum_{m \in \{T, I\}} 1[m\ \text{present}]\; r_m\, \operatorname{MLP}_m(h_m), \qquad r_m =
\operatorname{softplus}(\rho_m),$$

with a learned reliability $r_m$ of each modality: a missing one leaves the sum, and a post with
neither gets the learned prior b. Standard constructions (Baltrušaitis et al. 2019,
https://arxiv.org/abs/1705.09406, Sec. 5), no single paper's.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.parts import Head, Pooler, Source
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.missing import ModalityDropout
from crisislens.nn.widths import FeatureWidths

__all__ = ["Concatenation", "ImageOnly", "LateFusion", "TextOnly"]


@MODELS.register("text_only")
class TextOnly(FusionModel):
    """Classifies the text and does not look at the photo.

    Arguments:
        widths: Widths of the features; the image's are not used.
        classes: The number of classes c.
        width: Width of the pooled modality.
        hidden: Width of the head's hidden layer; 0 for none.
        dropout: Dropout of all parts.
        source: What is pooled, see `models.parts.Pooler`.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 256,
        hidden: Count = 0,
        dropout: Rate = 0.1,
        source: Source = "both",
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens = source != "pooled"
        self.pool = Pooler(
            widths=widths.of_text(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.head = Head(width=width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the text; a post without text gets those of a zero vector."""
        return self.head(self.pool(batch.text))


@MODELS.register("image_only")
class ImageOnly(FusionModel):
    """Classifies the photo and does not read the text. Arguments as of `TextOnly`, for the image."""

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 256,
        hidden: Count = 0,
        dropout: Rate = 0.1,
        source: Source = "both",
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens = source != "pooled"
        self.pool = Pooler(
            widths=widths.of_image(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.head = Head(width=width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the photo; a post without one gets those of a zero vector."""
        return self.head(self.pool(batch.image))


@MODELS.register("concat")
class Concatenation(FusionModel):
    """Joins the pooled text and photo and classifies the pair.

    Arguments:
        widths: Widths of the features.
        classes: The number of classes c.
        width: Width of each pooled modality.
        hidden: Width of the head's hidden layer; 0 for none.
        dropout: Dropout of all parts.
        modality_dropout: Probability that a post with both loses one in training.
        source: What is pooled, see `models.parts.Pooler`.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 256,
        hidden: Count = 256,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        source: Source = "both",
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens = source != "pooled"
        self.hide = ModalityDropout(rate=modality_dropout)
        self.pool_text = Pooler(
            widths=widths.of_text(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.pool_image = Pooler(
            widths=widths.of_image(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.no_text, self.no_image = (nn.Parameter(0.02 * torch.randn(width)) for _ in range(2))
        self.head = Head(width=2 * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from both."""
        batch = self.hide(batch)
        # a zero vector would be a text that says nothing in particular; a learned one says that
        # there is none
        text = torch.where(batch.text.present[:, None], self.pool_text(batch.text), self.no_text)
        image = torch.where(batch.image.present[:, None], self.pool_image(batch.image), self.no_image)
        return self.head(torch.cat([text, image], dim=-1))


@MODELS.register("late_fusion")
class LateFusion(FusionModel):
    """Adds what text and photo say by themselves, each by its learned reliability. Arguments as of
    `Concatenation`.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 256,
        hidden: Count = 0,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.3,
        source: Source = "both",
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens = source != "pooled"
        self.hide = ModalityDropout(rate=modality_dropout)
        self.pool_text = Pooler(
            widths=widths.of_text(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.pool_image = Pooler(
            widths=widths.of_image(),
            width=width,
            dropout=dropout,
            source=source,
            input_norm=input_norm,
        )
        self.head_text = Head(width=width, hidden=hidden, classes=classes, dropout=dropout)
        self.head_image = Head(width=width, hidden=hidden, classes=classes, dropout=dropout)
        # softplus(0.5413) = 1: both modalities start as equals
        self.reliability = nn.Parameter(torch.full((2,), 0.5413))
        self.prior = nn.Parameter(torch.zeros(classes))

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """The prior plus the logits of the modalities that are there."""
        batch = self.hide(batch)
        r_text, r_image = functional.softplus(self.reliability)
        logits = (
            self.prior + r_text * self.head_text(self.pool_text(batch.text)) * batch.text.present[:, None]
        )
        return logits + r_image * self.head_image(self.pool_image(batch.image)) * batch.image.present[:, None]
