"""The attention maps of an encoder that is a transformer, for attribution."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crisislens.core.errors import ModelError
from crisislens.encoders.base import TextEncoder
from crisislens.encoders.bert import Bert

__all__ = ["text_attentions"]


def text_attentions(
    encoder: TextEncoder, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]
) -> list[Float[Tensor, "b h t t"]]:
    """The attention of every layer, the first one first; not for several threads at once, since the
    encoder is switched meanwhile.

    Arguments:
        encoder: A text encoder.
        ids: Token ids.
        mask: True where a token is real.

    Raises:
        ModelError: If the encoder has no attention that could be read.
    """
    own = [module for module in encoder.modules() if isinstance(module, Bert)]
    if own:
        with own[0].listening() as kept, torch.inference_mode():
            encoder(ids, mask)
        return kept
    # only a checkpoint of the user's own, which has loaded it already
    from transformers import PreTrainedModel

    models = [m for m in encoder.modules() if isinstance(m, PreTrainedModel)]
    if not models:
        raise ModelError(
            f"the text encoder {encoder.name} has no attention to read; use integrated_gradients"
        )
    maps: list[Tensor] = []
    with _eager(models[0]), _listening(models[0], maps), torch.inference_mode():
        encoder(ids, mask)
    if not maps:
        raise ModelError(f"the attention of {encoder.name} could not be read; use integrated_gradients")
    return maps


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    """The plain implementation, which keeps its weights, for a while."""
    before = model.config._attn_implementation
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@contextmanager
def _listening(model: nn.Module, maps: list[Tensor]) -> Iterator[None]:
    def keep(module: nn.Module, _: object, out: object) -> None:
        weights = out[1] if isinstance(out, tuple) and len(out) > 1 else None
        if (
            isinstance(weights, Tensor)
            and weights.ndim == 4
            and weights.shape[-1] == weights.shape[-2]
            and not _known(weights, maps)
        ):
            maps.append(weights)

    handles = [m.register_forward_hook(keep) for m in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _known(weights: Tensor, maps: list[Tensor]) -> bool:
    # an attention block hands on what its inner part gave
    return any(weights.data_ptr() == other.data_ptr() for other in maps)
