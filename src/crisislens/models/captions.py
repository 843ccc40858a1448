"""Captions beside the tweet: how the third sequence of a batch enters a model.

A caption is encoded apart from its tweet, by the same encoder, so neither cuts the other short
(CLIP reads 77 tokens: a tweet and a long caption in one text lose the caption's end). Inside, it
shares the tweet's inlet and is told from it by a learned vector. A post without a caption has no
caption words; a caption is never hidden in training, since it stands in for a photo that is.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.models.parts import trimmed
from crisislens.nn.batch import ModalityBatch

__all__ = ["CaptionWords", "caption_of"]


def caption_of(caption: ModalityBatch | None, like: ModalityBatch) -> ModalityBatch:
    """The captions of a batch, or as many posts without any where the batch has none.

    Arguments:
        caption: The captions.
        like: The texts of the same posts, whose widths captions share.
    """
    return like.without(torch.ones_like(like.present)) if caption is None else caption


class CaptionWords(nn.Module):
    """Puts the words of a caption behind those of its tweet.

    Arguments:
        width: The token width $d$.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.kind = nn.Parameter(0.02 * torch.randn(2, width))

    def forward(
        self,
        text: Float[Tensor, "b t d"],
        mask: Bool[Tensor, "b t"],
        caption: ModalityBatch | None,
        inlet: nn.Module,
    ) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """Both sequences in one, padding between them where there is some.

        Arguments:
            text: The tweet's words in the model's width.
            mask: True where a word is real.
            caption: The captions in the encoder's width; None where no post has any.
            inlet: From the encoder's width to the model's.
        """
        text = text + self.kind[0]
        if caption is None:
            return text, mask
        short = trimmed(caption)
        # padding in the middle is no matter: everything that follows reads masks
        return torch.cat([text, inlet(short.tokens) + self.kind[1]], dim=1), torch.cat(
            [mask, short.mask], dim=1
        )
