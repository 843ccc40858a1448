"""Text encoders in training: opened for gradients, stored as an adapter, loaded again as the product would."""

from pathlib import Path

from torch import nn

from crisislens.core.errors import ConfigError
from crisislens.encoders.base import EncoderPair, EncoderSpec, TextEncoder, load_encoders
from crisislens.encoders.compact import MINILM_WEIGHTS
from crisislens.encoders.lora import LoraLinear, LoraState, add_lora, lora_state, write_lora
from crisislens.training.config import RunConfig

__all__ = ["ADAPTER", "open_encoder", "store_encoder"]

ADAPTER = "adapter.safetensors"


def open_encoder(encoders: EncoderPair, run: RunConfig) -> TextEncoder:
    """Makes the text encoder trainable, in place: low-rank differences and layer norms, or every weight.

    Raises:
        ConfigError: If the encoder could not be stored afterwards.
    """
    if encoders.spec.name != "compact":
        raise ConfigError(f"encoder {encoders.spec.name!r} takes no adapter, so training it would be lost; fine-tune encoder 'compact'")
    encoder = encoders.text
    if run.lora is None:
        encoder.requires_grad_(True)
        return encoder
    add_lora(encoder, rank=run.lora.rank, alpha=run.lora.alpha, targets=run.lora.targets, dropout=run.lora.dropout)
    for module in encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return encoder


def store_encoder(folder: Path, encoder: TextEncoder, spec: EncoderSpec) -> tuple[EncoderSpec, EncoderPair]:
    """Writes what was trained into an artifact's folder.

    Returns:
        The specification with the adapter's name relative to the folder, and the encoders as loaded from it.
    """
    if any(isinstance(m, LoraLinear) for m in encoder.modules()):
        state = lora_state(encoder, base=MINILM_WEIGHTS.sha256)
    else:
        whole = {name: p.detach().cpu().contiguous().clone() for name, p in encoder.named_parameters()}
        state = LoraState(whole, scaling=1.0, base=MINILM_WEIGHTS.sha256)
    write_lora(folder / ADAPTER, state)
    loaded = load_encoders(EncoderSpec(name=spec.name, options={**spec.options, "adapter": str(folder / ADAPTER)}))
    return EncoderSpec(name=spec.name, options={**spec.options, "adapter": ADAPTER}), loaded
