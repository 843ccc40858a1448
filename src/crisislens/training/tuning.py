"""Encoders in training: opened for gradients, stored as adapters, loaded again as the product
would.
"""

from pathlib import Path

from pydantic import JsonValue
from torch import nn

from crisislens.core.errors import ConfigError
from crisislens.domain.assessment import Modality
from crisislens.encoders.base import EncoderPair, EncoderSpec, ImageEncoder, TextEncoder, load_encoders
from crisislens.encoders.lora import LoraLinear, LoraState, add_lora, lora_state, write_lora
from crisislens.models.base import FusionModel
from crisislens.training.config import RunConfig
from crisislens.training.graph import GraphNetwork
from crisislens.training.inputs import TunedNetwork

__all__ = ["ADAPTER", "IMAGE_ADAPTER", "open_encoder", "open_network", "store_encoders"]

ADAPTER = "adapter.safetensors"
IMAGE_ADAPTER = "image-adapter.safetensors"


def open_network(encoders: EncoderPair, run: RunConfig, model: FusionModel) -> nn.Module:
    """The network that mode `finetune` trains: the encoders of `tune`, opened for gradients, in
    front of the model.

    Raises:
        ConfigError: If an encoder could not be stored afterwards.
    """
    if run.tune == ("text",):
        return TunedNetwork(open_encoder(encoders.text, run, "text"), model)  # type: ignore[arg-type]
    opened: dict[str, nn.Module] = {
        side: open_encoder(getattr(encoders, side), run, side) for side in run.tune
    }
    return GraphNetwork(nn.ModuleDict(opened), model)


def open_encoder(
    encoder: TextEncoder | ImageEncoder, run: RunConfig, side: Modality
) -> TextEncoder | ImageEncoder:
    """Makes an encoder trainable, in place: low-rank differences and layer norms, or every weight.

    Arguments:
        encoder: The encoder.
        run: Whether by low rank; pictures are always trained whole.
        side: Which of the two it is.

    Raises:
        ConfigError: If the encoder could not be stored afterwards.
    """
    if not encoder.adapts:
        raise ConfigError(
            f"encoder {encoder.name!r} takes no adapter, so training it would be lost; fine-tune compact's "
            f"text, language or timm"
        )
    if run.lora is None or side == "image":
        encoder.requires_grad_(True)
        return encoder
    add_lora(
        encoder, rank=run.lora.rank, alpha=run.lora.alpha, targets=run.lora.targets, dropout=run.lora.dropout
    )
    for module in encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return encoder


def store_encoders(
    folder: Path, network: TunedNetwork | GraphNetwork, spec: EncoderSpec
) -> tuple[EncoderSpec, EncoderPair]:
    """Writes what was trained into an artifact's folder.

    Returns:
        The specification with the adapters' names relative to the folder, and the encoders as
        loaded from it.
    """
    tuned: dict[str, nn.Module] = (
        {"text": network.encoder} if isinstance(network, TunedNetwork) else dict(network.encoder.items())
    )
    names = {"text": ADAPTER, "image": IMAGE_ADAPTER}
    for side, encoder in tuned.items():
        assert isinstance(encoder, TextEncoder | ImageEncoder)
        write_lora(folder / names[side], _learned(encoder))
    chosen = {side: names[side] for side in tuned}
    loaded = load_encoders(with_adapters(spec, {side: str(folder / name) for side, name in chosen.items()}))
    return with_adapters(spec, chosen), loaded


def with_adapters(spec: EncoderSpec, adapters: dict[str, str]) -> EncoderSpec:
    """The specification with an adapter on each side that is named."""
    options: dict[str, JsonValue] = dict(spec.options)
    if spec.name != "pair":
        return EncoderSpec(name=spec.name, options={**options, "adapter": adapters["text"]})
    for side, path in adapters.items():
        one = EncoderSpec.parse(options[side], where=f"encoder pair, {side}")
        options[side] = {"name": one.name, "options": {**one.options, "adapter": path}}
    return EncoderSpec(name=spec.name, options=options)


def _learned(encoder: TextEncoder | ImageEncoder) -> LoraState:
    if any(isinstance(m, LoraLinear) for m in encoder.modules()):
        return lora_state(encoder, base=encoder.adapts)
    # buffers as well: norms over a batch have moved their running means
    whole = {name: x.detach().cpu().contiguous().clone() for name, x in encoder.state_dict().items()}
    return LoraState(whole, scaling=1.0, base=encoder.adapts)
