"""Contexts that do not learn: the states of their pieces from the language model as it comes, made once
for all passes.

Reading contexts inside the graph is four tenths of a training's step. With one side locked (Zhai et
al., 2022, LiT, https://arxiv.org/abs/2111.07991) the texts learn to find contexts that stay where they
are. It is another recipe, and results say so.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.encoders.language import LanguageEncoder

__all__ = ["locked_states"]

_GROUP = 64


@torch.no_grad()
def locked_states(
    contexts: Sequence[tuple[int, ...]], encoder: LanguageEncoder
) -> list[Float[Tensor, "n d"] | None]:
    """The states of each context's pieces; equal contexts are read once and share them.

    Arguments:
        contexts: Word pieces of each context, special ones included; empty where there is none.
        encoder: The language model as it comes, in evaluation mode.

    Returns:
        For each context its states, None where there is none.
    """
    by_length: dict[int, list[tuple[int, ...]]] = {}
    # in the order of their numbers: what stands together must not depend on the order of the posts
    for one in sorted(set(contexts) - {()}):
        by_length.setdefault(len(one), []).append(one)
    known: dict[tuple[int, ...], Tensor] = {}
    for equally_long in by_length.values():
        for start in range(0, len(equally_long), _GROUP):
            group = equally_long[start : start + _GROUP]
            ids = torch.tensor(group)
            states, _ = encoder(ids, torch.ones_like(ids, dtype=torch.bool), None)
            known.update(zip(group, states.clone(), strict=True))
    return [known.get(one) for one in contexts]
