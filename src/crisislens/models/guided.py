r"""Guided cross attention over text and photo, as designed and as published.

Designed, with $z_I, z_T$ from `nn.guided.GuidedCrossAttention` and a bar for the mean over real
tokens:

$$\ell = \operatorname{MLP}\big([\bar z_I\,;\ \bar z_T]\big).$$

A missing modality is one learned token, so the other modality's gate still has something to open.
Source: Munia et al., 2025, https://arxiv.org/abs/2507.05165, Eq. 4-7; rows "Guided CA" of its
Table 2. The paper names one fully connected layer as the head; its code has a hidden one with
BatchNorm and dropout 0.5, which `guided_published` has too.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size, require_published_flag
from crisislens.models.captions import CaptionWords
from crisislens.models.parts import Head, Inlet, mapped_rows, trimmed
from crisislens.nn.attention import masked_mean
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.guided import GuidedCrossAttention, PublishedGuidedFusion
from crisislens.nn.missing import MissingToken, ModalityDropout
from crisislens.nn.widths import FeatureWidths

__all__ = ["Guided", "GuidedPublished", "GuidedTrunk", "published_head"]

MaskedPatches = tuple[Float[Tensor, "b p d"], Bool[Tensor, "b p"]]
MaskedWords = tuple[Float[Tensor, "b t d"], Bool[Tensor, "b t"]]


class GuidedTrunk(nn.Module):
    """From features to gated token sequences of one width: modality dropout, inlets, missing
    tokens, guided cross attention.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        width: The token width $d$ inside.
        heads: Heads of the self-attention.
        dropout: Dropout of the inlets.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in.
        captions: Whether captions are read: their words follow the tweet's in one sequence, each
            told by a learned vector.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        width: int,
        heads: int,
        dropout: float,
        modality_dropout: float,
        input_norm: bool = True,
        captions: bool = False,
    ) -> None:
        super().__init__()
        self.hide = ModalityDropout(rate=modality_dropout)
        self.inlet_text = Inlet(width_in=widths.text, width=width, dropout=dropout, norm=input_norm)
        self.inlet_image = Inlet(width_in=widths.image, width=width, dropout=dropout, norm=input_norm)
        self.no_text, self.no_image = MissingToken(width=width), MissingToken(width=width)
        self.caption = CaptionWords(width=width) if captions else None
        self.guide = GuidedCrossAttention(width=width, heads=heads)

    def forward(self, batch: FeatureBatch) -> tuple[MaskedPatches, MaskedWords]:
        """Gated patches with their mask, gated words (the caption's last, where they are read) with
        theirs.
        """
        batch = self.hide(batch.map(text=trimmed(batch.text), image=trimmed(batch.image)))
        image, image_mask = self._enter(batch.image, self.inlet_image, self.no_image)
        text, text_mask = self._enter(batch.text, self.inlet_text, self.no_text)
        if self.caption is not None:
            text, text_mask = self.caption(text, text_mask, batch.caption, self.inlet_text)
        z_i, z_t = self.guide(image, image_mask, text, text_mask)
        return (z_i, image_mask), (z_t, text_mask)

    @staticmethod
    def _enter(
        x: ModalityBatch, inlet: nn.Module, missing: MissingToken
    ) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        return missing(inlet(mapped_rows(x)).expand(len(x), -1, -1), x.mask, x.present)  # type: ignore[no-any-return]


@MODELS.register("guided")
class Guided(FusionModel):
    """Guided cross attention over the patches and words of one post.

    Arguments:
        widths: Widths of the features; pooled vectors are not used.
        classes: The number of classes c.
        width: The token width $d$ inside.
        heads: Heads of the self-attention.
        hidden: Width of the head's hidden layer; 0 for none (the paper's head).
        dropout: Dropout of inlets and head.
        modality_dropout: Probability that a post with both modalities loses one in training.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
        captions: Whether captions are read beside the tweet, see `GuidedTrunk`.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        heads: Size = 4,
        hidden: Count = 128,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        input_norm: bool = True,
        captions: bool = False,
    ) -> None:
        super().__init__()
        self.reads_captions = captions
        self.trunk = GuidedTrunk(
            widths=widths,
            width=width,
            heads=heads,
            dropout=dropout,
            modality_dropout=modality_dropout,
            input_norm=input_norm,
            captions=captions,
        )
        self.head = Head(width=2 * width, hidden=hidden, classes=classes, dropout=dropout)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the mean gated patch and the mean gated word."""
        image, text = self.trunk(batch)
        return self.head(torch.cat([masked_mean(*image), masked_mean(*text)], dim=-1))


def published_head(classes: int, width: int = 256) -> nn.Sequential:
    """The head of the authors' code: linear, BatchNorm, ReLU, dropout 0.5, linear."""
    return nn.Sequential(
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5), nn.Linear(width, classes)
    )


@MODELS.register("guided_published")
class GuidedPublished(FusionModel):
    """The authors' code of guided cross attention (CLIP variant), for reproduction only: results
    depend on the batch.

    With CLIP ViT-B/32's widths and 6 outputs it has the 1,905,414 trainable parameters of the
    original. Where a modality is missing (the original has no such posts) its pooled vector is
    zero.

    Arguments:
        widths: Widths of the features; token states are not used.
        classes: The number of outputs; the original has 6 for the humanitarian task, one of which
            never occurs.
        as_published: Must be true: the reader of a run file shall see it.

    Raises:
        ConfigError: If `as_published` is false.
    """

    def __init__(self, *, widths: FeatureWidths, classes: int, as_published: bool = False) -> None:
        super().__init__()
        require_published_flag("guided_published", as_published)
        self.fuse = PublishedGuidedFusion(
            image_pooled_width=widths.image_pooled, text_pooled_width=widths.text_pooled
        )
        self.head = published_head(classes)

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """Logits from the pooled vectors."""
        return self.head(self.fuse(batch.image.pooled, batch.text.pooled))
