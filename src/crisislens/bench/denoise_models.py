"""What the study `denoise` changes in models: a start in which words that are alike look at each other, and
λ that is held at 0.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.models.base import FusionModel
from crisislens.models.differential import GuidedDifferential
from crisislens.models.guided import Guided
from crisislens.models.joint import Joint
from crisislens.nn.attention import MultiHeadAttention
from crisislens.nn.differential import DifferentialAttention

__all__ = ["alike_at_first", "lambdas", "with_lambda_zero"]

Model = TypeVar("Model", bound=FusionModel)


@torch.no_grad()
def alike_at_first(model: Model) -> Model:
    """The same model, in place, with a start in which words that are alike look at each other: guide and
    words enter through equal maps, and keys are made as queries are.

    Both speak the encoder's language, and maps that are drawn apart would have to find that out first.
    """
    if isinstance(model, Joint):
        model.joint.inlet_image.load_state_dict(model.joint.inlet_text.state_dict())
    if isinstance(model, (Guided, GuidedDifferential)):
        model.trunk.inlet_image.load_state_dict(model.trunk.inlet_text.state_dict())
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.k.weight.copy_(module.q.weight)
        if isinstance(module, DifferentialAttention):
            q, k, _ = module.q_k_v.weight.chunk(3)
            k.copy_(q)
    return model


class _Uncancelled(DifferentialAttention):
    """The first map alone."""

    def lambda_(self) -> Float[Tensor, " h"]:
        return self.lambda_terms.new_zeros(self.heads)


def with_lambda_zero(model: GuidedDifferential) -> GuidedDifferential:
    """The same model, in place, with λ held at 0 in every layer: equal weights, of which those of the
    second map and of λ do nothing.
    """
    for i, layer in enumerate(_differential(model.layers)):
        # q_k_v holds three widths
        width = layer.q_k_v.in_features
        held = _Uncancelled(width=width, heads=layer.heads, depth=i)
        held.load_state_dict(layer.state_dict())
        model.layers[i] = held
    return model


def lambdas(model: FusionModel) -> list[list[float]] | None:
    """λ by layer and head; None where a model has no differential layer."""
    if not isinstance(model, GuidedDifferential):
        return None
    layers = [layer.lambda_().detach().tolist() for layer in _differential(model.layers)]
    return [[round(x, 4) for x in layer] for layer in layers]


def _differential(layers: Iterable[torch.nn.Module]) -> Sequence[DifferentialAttention]:
    return [layer for layer in layers if isinstance(layer, DifferentialAttention)]
