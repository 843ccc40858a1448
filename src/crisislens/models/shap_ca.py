r"""Shap-CA: text, image and generated context of a post, aligned by Shapley values and fused word
by word.

The encoder $E$ reads the words $x$ and the context $c$ of the picture, each by itself (`separate`)
or as one sequence (`joint`),

$$H_t = E(x),\ H_c = E(c) \quad \text{or} \quad [H_t;\, H_c] = E([x;\, c]), \qquad V =
E_\text{image}(\text{picture}),$$

$t = \overline{H_t}$, $c = \overline{H_c}$ and $v = \overline{V}$ are means; `nn.alignment` compares
them across the batch ($L_\text{align}$) and `nn.adaptive` fuses them within the post,
$H = \operatorname{fuse}(H_t; H_c, V)$, which the heads of `models.extraction` read. The whole loss
is $L = L_\text{task} + \lambda L_\text{align}$.

Source: Luo et al., 2024, https://arxiv.org/abs/2407.17854 (the paradigm, the four alignments,
adaptive fusion, BERT over context and text, ViT or ResNet). What is ours: the forms that could not
be read (see `nn.shapley`, `nn.contrast`, `nn.adaptive`); means as pooled vectors; the spelling that
is added to the pieces of an uncased encoder, starting from nothing; and `separate`, where a text's
vector has not seen its context, so that finding the right context is a task and not a given.
`joint` is the paper's reading.

Predictions never depend on the batch: only $L_\text{align}$ looks across posts, and only training
computes it.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.adaptive import AdaptiveFusion
from crisislens.nn.alignment import Alignment, equal_rows
from crisislens.nn.attention import masked_mean
from crisislens.nn.words import SHAPES, WordBatch

__all__ = ["FusedWords", "ShapCA"]

_LIKE_LENGTH = 16


@dataclass(frozen=True)
class FusedWords:
    """b posts after fusion.

    Attributes:
        states: Fused states $H$ of the text's pieces (and, where they stand behind it, the
            context's, unfused).
        text: The mean of the text's states before fusion.
        context: The mean of the context's states, zero where there is none.
        image: The mean of the patches, zero where there is none.
        has_context: True where a post has a context.
        has_image: True where it has a picture.
        same: True where two posts have the same context.
    """

    states: Float[Tensor, "b t d"]
    text: Float[Tensor, "b d"]
    context: Float[Tensor, "b d"]
    image: Float[Tensor, "b e"]
    has_context: Bool[Tensor, " b"]
    has_image: Bool[Tensor, " b"]
    same: Bool[Tensor, "b b"]


class ShapCA(nn.Module):
    """The trunk under the heads: encoder, fusion and alignment.

    Arguments:
        encoder: From word pieces, a mask and what is added to their embeddings to states and a
            mean, as `encoders.language` has it.
        width: Width $d$ of its states.
        embedding_width: Width of the embeddings that are added to; `width` where None.
        image_width: Width $e$ of the patches.
        fusion: Whether words take from context and patches; without it they only meet the context
            in a `joint` sequence.
        heads: Heads of the fusion's attention.
        relevance: See `AdaptiveFusion`.
        alignment: The alignment of the batch, or None.
        image_encoder: For pictures that come as pixels; None where they come as patches.
    """

    def __init__(
        self,
        *,
        encoder: nn.Module,
        width: int,
        image_width: int,
        embedding_width: int | None = None,
        fusion: bool = True,
        heads: int = 4,
        relevance: bool = False,
        alignment: Alignment | None = None,
        image_encoder: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.image_encoder, self.alignment = encoder, image_encoder, alignment
        self.spelling = nn.Embedding(SHAPES, embedding_width or width)
        # from nothing: the first step is that of the pretrained encoder
        nn.init.zeros_(self.spelling.weight)
        self.fusion = (
            AdaptiveFusion(width=width, image_width=image_width, heads=heads, relevance=relevance)
            if fusion
            else None
        )

    def train(self, mode: bool = True) -> "ShapCA":
        """As usual, but batch norms of the image encoder keep the statistics they came with: a
        batch's own would tie posts together.
        """
        super().train(mode)
        for module in self.image_encoder.modules() if self.image_encoder is not None else ():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, batch: WordBatch) -> FusedWords:
        """Encodes and fuses b posts, each by itself."""
        states, _ = self.encoder(batch.ids, batch.mask, self.spelling(batch.shapes))
        context, context_mask = self._context(batch, states)
        patches = batch.image
        if self.image_encoder is not None and batch.pixels is not None:
            patches, _ = self.image_encoder(batch.pixels)
        patches = patches.masked_fill(~batch.image_mask[..., None], 0.0)
        # before fusion, or finding a text's context would be finding what it was given
        text = masked_mean(states, batch.text_mask)
        if self.fusion is not None:
            states = self.fusion(states, batch.text_mask, context, context_mask, patches, batch.image_mask)
        return FusedWords(
            states=states,
            text=text,
            context=masked_mean(context, context_mask),
            image=masked_mean(patches, batch.image_mask),
            has_context=context_mask.any(1),
            has_image=batch.image_mask.any(1),
            same=self._same_contexts(batch),
        )

    def align(self, fused: FusedWords, generator: torch.Generator | None = None) -> Float[Tensor, ""]:
        r"""$L_\text{align}$ of a batch; 0 without an alignment.

        Arguments:
            fused: The batch.
            generator: Of the permutations, on the CPU.
        """
        if self.alignment is None:
            return fused.text.new_zeros(())
        return self.alignment(
            fused.text,
            fused.context,
            fused.image,
            fused.has_context,
            fused.has_image,
            generator,
            same=fused.same,
        )

    def _same_contexts(self, batch: WordBatch) -> Bool[Tensor, "b b"]:
        """Where two posts have the same context, which only an alignment asks for."""
        if self.alignment is None:
            return torch.eye(len(batch), dtype=torch.bool, device=batch.ids.device)
        behind = batch.mask & ~batch.text_mask
        if bool(behind.any()):
            return equal_rows(batch.ids, behind)
        return equal_rows(batch.context_ids, batch.context_mask)

    def _context(
        self, batch: WordBatch, states: Float[Tensor, "b t d"]
    ) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """States of the contexts and which are real, from their own sequences or from behind the
        text.
        """
        behind = batch.mask & ~batch.text_mask
        if bool(behind.any()):
            return states, behind
        if batch.context_states is not None:
            return batch.context_states, batch.context_mask
        empty = states.new_zeros(*batch.context_ids.shape, states.shape[-1])
        having = batch.context_mask.any(1)
        if not bool(having.any()):
            return empty, batch.context_mask
        # posts without a context cost nothing, and contexts of like length go together: batches are made by
        # the length of the texts
        lengths = batch.context_mask.sum(1)
        order = having.nonzero()[:, 0]
        order = order[lengths[order].argsort(stable=True)]
        found = empty
        for rows in torch.split(order, _LIKE_LENGTH):
            n = int(lengths[rows[-1]])
            own, _ = self.encoder(batch.context_ids[rows, :n], batch.context_mask[rows, :n], None)
            found = found.index_copy(0, rows, functional.pad(own, (0, 0, 0, empty.shape[1] - n)))
        return found, batch.context_mask
