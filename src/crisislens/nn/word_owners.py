"""Texts as tokens that know their word: what a rationale model reads. Axes: b texts, t tokens, w
words.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["WindowBatch"]


@dataclass(frozen=True)
class WindowBatch:
    """Token ids of b texts and the word that each token belongs to.

    Attributes:
        ids: Token ids, special tokens included, padded at the end.
        mask: True where a token is real.
        owner: The index of a token's word, −1 for special tokens and padding.
        words: True where a word is real; padding stands at the end.
    """

    ids: Int[Tensor, "b t"]
    mask: Bool[Tensor, "b t"]
    owner: Int[Tensor, "b t"]
    words: Bool[Tensor, "b w"]

    def __len__(self) -> int:
        return int(self.ids.shape[0])

    def to(self, device: torch.device | str) -> "WindowBatch":
        """A copy on a device."""
        return WindowBatch(
            self.ids.to(device), self.mask.to(device), self.owner.to(device), self.words.to(device)
        )
