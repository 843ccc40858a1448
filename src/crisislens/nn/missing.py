r"""Missing modalities: a learned token stands for what is not there, and training hides modalities
so that the model learns to do without.

For a post whose modality m is absent the sequence becomes the single token $u_m$; where it is
present nothing changes. In training a post that has both loses one with probability ρ, text or
image with equal chance, never both, decided for each post by itself (modality dropout, after
Neverova et al. 2016, ModDrop, https://arxiv.org/abs/1501.00102, which drops every modality by
itself).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crisislens.nn.batch import FeatureBatch

__all__ = ["MissingToken", "ModalityDropout"]


class MissingToken(nn.Module):
    """A learned token for posts that lack a modality.

    Arguments:
        width: The token width $d$.
    """

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.token = nn.Parameter(0.02 * torch.randn(width))

    def forward(
        self, x: Float[Tensor, "b n d"], mask: Bool[Tensor, "b n"], present: Bool[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b n d"], Bool[Tensor, "b n"]]:
        """Puts the token at the first place of posts without the modality.

        Arguments:
            x: The tokens; at least one place a post.
            mask: True where a token is real.
            present: True where the post has the modality.

        Returns:
            Tokens and mask, in which every post without the modality has one real token.
        """
        gone = ~present[:, None]
        # only the first place can change; the others are passed on, which is cheaper than choosing everywhere
        head, tail = torch.split(x, [1, x.shape[1] - 1], dim=1)
        head = torch.where(gone[..., None], self.token.to(x.dtype), head)
        return torch.cat([head, tail], dim=1), torch.cat([mask[:, :1] | gone, mask[:, 1:]], dim=1)


class ModalityDropout(nn.Module):
    """Hides one modality of a post that has both, in training only.

    Arguments:
        rate: Probability ρ in [0, 1] that a post with both loses one.

    Raises:
        ValueError: If `rate` is not in [0, 1].
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__()
        if not 0 <= rate <= 1:
            raise ValueError(f"rate must be a probability in [0, 1], got {rate}")
        self.rate = rate

    def forward(self, batch: FeatureBatch) -> FeatureBatch:
        """The batch with modalities hidden, exactly as if they had never been there; unchanged in
        evaluation.
        """
        if not self.training or self.rate == 0:
            return batch
        # one number decides both, so that a post never loses both
        chance = torch.rand(len(batch), device=batch.text.present.device)
        # a post that has one modality keeps it: hidden, it would have nothing left to learn from
        both = batch.text.present & batch.image.present
        hide_text, hide_image = (
            both & (chance < self.rate / 2),
            both & (chance >= self.rate / 2) & (chance < self.rate),
        )
        if not both.any():
            return batch
        return batch.map(text=batch.text.without(hide_text), image=batch.image.without(hide_image))
