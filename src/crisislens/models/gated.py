r"""Gated late fusion: each source speaks for itself, and a gate that sees all of them decides, post
by post, how much each counts.

With $h_m$ the pooled source $m \in \{T, I, C\}$ (tweet, photo, caption), $P$ those that a post has,

$$g = \operatorname{softmax}_{m \in P}\big(u_m \cdot \tanh(W [h_T; h_I; h_C; 1_P])\big), \qquad
  \ell = b + \sum_{m \in P} g_m\, \operatorname{MLP}_m(h_m).$$

A post with nothing gets the learned prior b. After the gated multimodal unit of Arevalo et al.,
2017, https://arxiv.org/abs/1702.01992, which gates features; gating logits, so that a reader can
see who said what, is OURS. No row of arXiv 2507.05165.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from crisislens.models.base import MODELS, Count, FusionModel, Rate, Size
from crisislens.models.captions import caption_of
from crisislens.models.parts import Head, Pooler, Source
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.missing import ModalityDropout
from crisislens.nn.widths import FeatureWidths

__all__ = ["GatedLateFusion"]


@MODELS.register("gated_late_fusion")
class GatedLateFusion(FusionModel):
    """Adds what tweet, photo and caption say by themselves, weighted by a gate that depends on the
    post.

    Arguments:
        widths: Widths of the features; captions have the text's.
        classes: The number of classes c.
        width: Width of each pooled source.
        hidden: Width of the heads' hidden layer; 0 for none.
        dropout: Dropout of all parts.
        modality_dropout: Probability that a post with both text and photo loses one in training.
        source: What is pooled, see `models.parts.Pooler`.
        input_norm: Whether features are normalized on the way in; encoders differ in scale.
        captions: Whether captions are read.
    """

    def __init__(
        self,
        *,
        widths: FeatureWidths,
        classes: int,
        width: Size = 128,
        hidden: Count = 0,
        dropout: Rate = 0.1,
        modality_dropout: Rate = 0.2,
        source: Source = "both",
        input_norm: bool = True,
        captions: bool = True,
    ) -> None:
        super().__init__()
        self.reads_tokens, self.reads_captions = source != "pooled", captions
        self.hide = ModalityDropout(rate=modality_dropout)
        # a caption is encoded as its tweet is
        sources = [widths.of_text(), widths.of_image(), *([widths.of_text()] if captions else [])]
        count = len(sources)
        self.pools = nn.ModuleList(
            Pooler(
                widths=each,
                width=width,
                dropout=dropout,
                source=source,
                input_norm=input_norm,
            )
            for each in sources
        )
        self.heads = nn.ModuleList(
            Head(width=width, hidden=hidden, classes=classes, dropout=dropout) for _ in range(count)
        )
        self.look = nn.Linear(count * (width + 1), width)
        # softmax ignores what all scores share, so there is no bias
        self.weigh = nn.Linear(width, count, bias=False)
        self.prior = nn.Parameter(torch.zeros(classes))

    def forward(self, batch: FeatureBatch) -> Float[Tensor, "b c"]:
        """The prior plus the gated logits of the sources that are there."""
        gates, logits = self.voices(batch)
        return self.prior + (gates[..., None] * logits).sum(1)

    def voices(self, batch: FeatureBatch) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m c"]]:
        """The gate of each source (zero where it is missing) and what it says: tweet, photo,
        caption.
        """
        batch = self.hide(batch)
        sources = [batch.text, batch.image]
        if self.reads_captions:
            sources.append(caption_of(batch.caption, batch.text))
        h = [pool(x) for pool, x in zip(self.pools, sources, strict=True)]
        present = torch.stack([x.present for x in sources], dim=1)
        scores = self.weigh(torch.tanh(self.look(torch.cat([*h, present.to(h[0].dtype)], dim=-1))))
        # the least number and not -inf: a post with nothing would be softmax over nothing
        gates = scores.masked_fill(~present, torch.finfo(scores.dtype).min).softmax(-1) * present
        return gates, torch.stack([head(x) for head, x in zip(self.heads, h, strict=True)], dim=1)
