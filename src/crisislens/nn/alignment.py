r"""Alignment of texts, contexts and images in four directions, by Shapley values or, to see what
these add, by InfoNCE.

Pooled vectors of the texts $t_j$, generated contexts $c_i$ and images $v_j$ of a batch are
projected, scaled to length 1 and compared, $s^{ct}_{ij} = c_i \cdot t_j$,
$s^{cv}_{ij} = c_i \cdot v_j$; then

$$L_\text{align} = \tfrac14 \big[L(s^{ct}) + L(s^{ct\top}) + L(s^{cv}) + L(s^{cv\top})\big],$$

in the order context → text, text → context, context → image, image → context ("players → target"):
$L$ is a loss of `contrast`, over the Shapley values of `shapley` or over the similarities
themselves. A direction without any negative counts nothing, and the mean goes over the others.
Source: Luo et al., 2024 (Shap-CA), https://arxiv.org/abs/2407.17854, abstract and figure notes for
the four losses; equal weights and projections are OURS.

The loss does not depend on the order of the batch, also where it is estimated: permutations are
drawn over the pairs sorted by their own similarity $s_{ii}$, not over their places. Posts of a
batch with the same context are no negatives of each other (`contrast`).

Which kind is which: `shapley_softmax` with the uniform expectation *is* InfoNCE at the temperature
$\tau' / a_k$, and `shapley_margin` with it is the margin of the plain similarities times $a_k$
(`shapley`, "With the uniform expectation"). `describe` names them so. Under it values are computed
by their closed form, without sampling.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.contrast import margin_loss, negatives, softmax_loss
from crisislens.nn.shapley import (
    Expectation,
    antithetic_permutations,
    permutation_shapley,
    uniform_shapley,
)

__all__ = ["Alignment", "AlignmentKind", "describe", "equal_rows"]

AlignmentKind = Literal["shapley_margin", "shapley_softmax", "info_nce"]
"""The values that are contrasted and the form of the contrast."""
_COLDEST = 0.01


def describe(kind: AlignmentKind, expectation: Expectation = "softmax") -> str:
    """What a kind of alignment is, for the row of a table.

    >>> describe("shapley_softmax", "uniform")
    "InfoNCE at τ'/a_k (softmax loss of uniform Shapley values: the same loss)"
    """
    if kind == "info_nce":
        return "InfoNCE"
    form = "margin" if kind == "shapley_margin" else "softmax loss"
    if expectation == "softmax":
        return f"Shapley values, softmax expectation, {form}"
    if kind == "shapley_margin":
        return "margin of similarities (of uniform Shapley values: a_k times the same)"
    return "InfoNCE at τ'/a_k (softmax loss of uniform Shapley values: the same loss)"


def equal_rows(ids: Int[Tensor, "b n"], mask: Bool[Tensor, "b n"]) -> Bool[Tensor, "b b"]:
    """Where two rows hold the same sequence, wherever in the row it stands; rows without one are
    equal to nobody but themselves.

    Arguments:
        ids: Sequences.
        mask: True where an entry belongs to them.
    """
    sequences = [row[real].tolist() for row, real in zip(ids.cpu(), mask.cpu(), strict=True)]
    number: dict[tuple[int, ...], int] = {}
    # an empty sequence gets a number of its own, or all posts without a context would be one
    keys: Sequence[int] = [
        number.setdefault(tuple(one), len(number)) if one else -1 - i for i, one in enumerate(sequences)
    ]
    key = torch.tensor(keys, device=ids.device)
    return key[:, None] == key[None, :]


def _log(temperature: float, *, learned: bool) -> nn.Parameter:
    return nn.Parameter(torch.tensor(math.log(temperature - _COLDEST)), requires_grad=learned)


class Alignment(nn.Module):
    """The loss that pulls each context towards its own text and image, away from the batch's
    others.

    Arguments:
        text_width: Width of the texts' pooled vectors; contexts come from the same encoder.
        image_width: Width of the images' pooled vectors.
        width: Width of the shared space.
        kind: Shapley values with the margin or the softmax form, or InfoNCE.
        samples: Permutations a direction, M.
        expectation: How a coalition expects the similarity of its members.
        temperature: $\\tau$ of the softmax expectation, and of InfoNCE.
        contrast_temperature: $\\tau'$ of the softmax form over Shapley values, which are about 1/k
            of a similarity.
        learn_temperature: Whether the temperatures that the form has ($\\tau$; the softmax form
            also $\\tau'$) are learned; they stay above 0.01.

    Raises:
        ValueError: If a temperature is not above 0.01, there is no sample, or a temperature is to
            be learned where the form has none.
    """

    def __init__(
        self,
        *,
        text_width: int,
        image_width: int,
        width: int = 128,
        kind: AlignmentKind = "shapley_margin",
        samples: int = 32,
        expectation: Expectation = "softmax",
        temperature: float = 0.1,
        contrast_temperature: float = 0.02,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__()
        if min(temperature, contrast_temperature) <= _COLDEST or samples < 1:
            raise ValueError(f"temperatures must be above {_COLDEST} and samples at least 1")
        self.text, self.context = (
            nn.Linear(text_width, width, bias=False),
            nn.Linear(text_width, width, bias=False),
        )
        self.image = nn.Linear(image_width, width, bias=False)
        self.kind, self.samples, self.expectation = kind, samples, expectation
        # a uniform expectation has no τ, and only the softmax form over Shapley values has τ'
        uses = (kind == "info_nce" or expectation == "softmax", kind == "shapley_softmax")
        if learn_temperature and not any(uses):
            raise ValueError(
                f"{kind} with a uniform expectation has no temperature; set learn_temperature to false"
            )
        self.log_temperature = _log(temperature, learned=learn_temperature and uses[0])
        self.log_contrast_temperature = _log(contrast_temperature, learned=learn_temperature and uses[1])

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """$\\tau$ as it is now."""
        return self.log_temperature.exp() + _COLDEST

    @property
    def contrast_temperature(self) -> Float[Tensor, ""]:
        """$\\tau'$ as it is now."""
        return self.log_contrast_temperature.exp() + _COLDEST

    def similarities(
        self, players: Float[Tensor, "k w"], targets: Float[Tensor, "n w"]
    ) -> Float[Tensor, "k n"]:
        """Cosine of each player with each target, both projected already."""
        return functional.normalize(players, dim=-1) @ functional.normalize(targets, dim=-1).T

    def forward(
        self,
        text: Float[Tensor, "b d"],
        context: Float[Tensor, "b d"],
        image: Float[Tensor, "b e"],
        has_context: Bool[Tensor, " b"],
        has_image: Bool[Tensor, " b"],
        generator: torch.Generator | None = None,
        same: Bool[Tensor, "b b"] | None = None,
    ) -> Float[Tensor, ""]:
        """$L_align$ of a batch, in double precision; 0 where no direction has a negative.

        Arguments:
            text: Pooled texts; every post has one.
            context: Pooled contexts, anything where there is none.
            image: Pooled images, likewise.
            has_context: True where a post has a context.
            has_image: True where it has an image.
            generator: Of the permutations, on the CPU.
            same: True where two posts have the same context, see `equal_rows`.
        """
        c = self.context(context)
        pairs = (
            (self.similarities(c, self.text(text)), has_context),
            (self.similarities(c, self.image(image)), has_context & has_image),
        )
        losses = [self.direction(s, whole, generator, same) for own, whole in pairs for s in (own, own.T)]
        counted = torch.stack([negatives(whole, same).any() for _, whole in pairs for _ in range(2)])
        return torch.stack(losses).masked_fill(~counted, 0.0).sum() / counted.sum().clamp(min=1)

    def direction(
        self,
        s: Float[Tensor, "b b"],
        pairs: Bool[Tensor, " b"],
        generator: torch.Generator | None = None,
        same: Bool[Tensor, "b b"] | None = None,
    ) -> Float[Tensor, ""]:
        """The loss of one direction.

        Arguments:
            s: Similarity of player i (row) to target j (column); pairs stand on the diagonal.
            pairs: True where both sides of a pair are there.
            generator: Of the permutations, on the CPU.
            same: True where two pairs have the same context.
        """
        s = s.double()
        if self.kind == "info_nce":
            return softmax_loss(s, pairs, self.temperature, same)
        phi = self._values(s, pairs, generator)
        if self.kind == "shapley_margin":
            return margin_loss(phi, pairs, same)
        return softmax_loss(phi, pairs, self.contrast_temperature, same)

    def _values(
        self, s: Float[Tensor, "b b"], pairs: Bool[Tensor, " b"], generator: torch.Generator | None
    ) -> Float[Tensor, "b b"]:
        """The Shapley values, estimated where they have no closed form."""
        if self.expectation == "uniform":
            return uniform_shapley(s, present=pairs)
        own = s.detach().diagonal().masked_fill(~pairs, torch.inf)
        ranked = own.argsort(stable=True)
        orders = antithetic_permutations(self.samples, len(s), generator).to(s.device)
        return permutation_shapley(
            s, ranked[orders], present=pairs, expectation=self.expectation, temperature=self.temperature
        )
