"""A trained model on disk: `model.safetensors`, `config.json` and `README.md`, the model card. Never pickle, never code.

The fingerprint of an artifact is over the configuration and the weight file's bytes; the card may be edited without changing it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, JsonValue
from safetensors import SafetensorError
from safetensors.torch import load, save

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.widths import FeatureWidths

__all__ = ["ArtifactMeta", "Card", "LoadedModel", "load_artifact", "save_artifact"]

_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"


class Card(Config):
    """The content of a model card."""

    summary: str = ""
    """What it does and for whom."""
    data: tuple[str, ...] = ()
    """What it was trained on, each with its license."""
    limits: tuple[str, ...] = ()
    """What it was never tested on and is not for."""
    numbers: tuple[str, ...] = ()
    """Measured results with their intervals and the setting's id."""


class ArtifactMeta(Config):
    """What an artifact says of itself."""

    label_space: str
    """Name of the label space."""
    classes: tuple[str, ...]
    """The classes in the order of the logits."""
    encoder: dict[str, JsonValue]
    """The encoder's specification as it was trained with."""
    encoder_fingerprint: str
    """Of the encoders; another one makes other features."""
    features_fingerprint: str
    """Of encoders, cleaning rules and image limits together."""
    widths: FeatureWidths
    """The widths of the features."""
    temperature: float = Field(default=1.0, gt=0)
    """Divides the logits before softmax; fitted on development posts."""
    abstain_below: float = Field(default=0.0, ge=0, le=1)
    """Below this probability of the best class the answer is "not sure"."""
    version: str = "1"
    """The model's version, set by whoever trains it."""
    card: Card = Card()
    """The model card."""


class _ArtifactConfig(Config):
    format: Literal[1] = 1
    model: ModelSpec
    meta: ArtifactMeta


@dataclass(frozen=True)
class LoadedModel:
    """A model as it was saved, in evaluation mode, with float32 weights.

    Attributes:
        model: The model.
        spec: What it was built from.
        meta: What it says of itself.
        fingerprint: 16 hex digits over configuration and weights.
    """

    model: FusionModel
    spec: ModelSpec
    meta: ArtifactMeta
    fingerprint: str


def save_artifact(
    folder: Path, model: FusionModel, spec: ModelSpec, meta: ArtifactMeta, *, dtype: Literal["float32", "float16"] = "float32"
) -> None:
    """Writes a model, each file atomically, the weights last.

    Arguments:
        folder: Made where missing.
        model: The model.
        spec: What it was built from.
        meta: What it says of itself.
        dtype: float16 halves the file; weights come back as float32 either way.
    """
    kept = {name: _narrow(tensor, dtype) for name, tensor in model.state_dict().items()}
    config = _ArtifactConfig(model=spec, meta=meta)
    atomic_write(folder / _CONFIG, config.model_dump_json(indent=1) + "\n")
    atomic_write(folder / _CARD, render_card(meta, spec))
    atomic_write(folder / _WEIGHTS, save(kept))


def _narrow(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if dtype == "float16" and tensor.is_floating_point() else tensor


def load_artifact(folder: Path) -> LoadedModel:
    """Reads a model.

    Raises:
        ModelError: If a file is missing or damaged, or the weights do not fit the configuration.
    """
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} lacks {name}; give the folder of a saved model, or train it again")
    try:
        config = _ArtifactConfig.parse(json.loads((folder / _CONFIG).read_text(encoding="utf-8")), where=str(folder / _CONFIG))
        model = config.model.build(config.meta.widths, len(config.meta.classes))
    except (ValueError, ConfigError) as error:
        raise ModelError(f"{folder} cannot be loaded: {error}; it is damaged or of another version of crisislens") from error
    try:
        weights = load((folder / _WEIGHTS).read_bytes())
        model.load_state_dict({name: x.float() if x.is_floating_point() else x for name, x in weights.items()})
    except (SafetensorError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"the weights in {folder} do not fit its configuration ({reason}); train the model again") from error
    model.eval()
    mark = fingerprint(
        {"config": config.model_dump(mode="json", exclude={"meta": {"card"}}), "weights": fingerprint_file(folder / _WEIGHTS)}
    )
    return LoadedModel(model, config.model, config.meta, mark)


def render_card(meta: ArtifactMeta, spec: ModelSpec) -> str:
    """The model card as Markdown."""
    parts = [f"# {spec.name} for {meta.label_space}", meta.card.summary or "No summary was given."]
    for title, lines in (("Data", meta.card.data), ("Numbers", meta.card.numbers), ("Not tested, not for", meta.card.limits)):
        parts += [f"## {title}", "\n".join(f"- {line}" for line in lines) or "Nothing was stated."]
    facts = {
        "classes": ", ".join(meta.classes),
        "encoder": f"{meta.encoder.get('name')} ({meta.encoder_fingerprint})",
        "temperature": f"{meta.temperature:.3f}",
        "abstains below": f"{meta.abstain_below:.2f}",
        "version": meta.version,
    }
    parts += ["## Facts", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    return "\n\n".join(parts) + "\n"
