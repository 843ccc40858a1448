"""A trained model on disk: `model.safetensors`, `config.json` and `README.md`, the model card. Never pickle,
never code.

Each file is written atomically, the configuration last; it names the fingerprint of the weights it belongs
to, so that a writer killed between two files leaves what is refused, never old weights under a new
description. Loading builds the model without memory, compares names and shapes, and only then takes the
weights: a damaged or foreign file costs one sentence, and torch's random numbers are left alone.

The fingerprint of an artifact is over the configuration and the weight file's bytes; the card may be edited
without changing it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from pydantic import Field, JsonValue
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ModelError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.nn.widths import FeatureWidths

__all__ = ["ArtifactMeta", "Card", "LoadedModel", "load_artifact", "render_card", "save_artifact"]

_WEIGHTS, _CONFIG, _CARD = "model.safetensors", "config.json", "README.md"
_FORMAT: Final = 1


class Card(Config):
    """The content of a model card."""

    summary: str = ""
    """What it does and for whom."""
    intended_use: tuple[str, ...] = ()
    """What it is made for, one sentence each."""
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
    format: Literal[1] = _FORMAT
    model: ModelSpec
    meta: ArtifactMeta
    weights: str | None = None
    """Fingerprint of the weight file; files of before it was kept have none and go unchecked."""


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
    folder: Path,
    model: FusionModel,
    spec: ModelSpec,
    meta: ArtifactMeta,
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Writes a model, each file atomically, the configuration last.

    Arguments:
        folder: Made where missing.
        model: The model.
        spec: What it was built from.
        meta: What it says of itself.
        dtype: float16 halves the file; weights come back as float32 either way.

    Raises:
        ModelError: If the model is not what `spec` and `meta` build, or a weight is not finite or too large
            for `dtype`.
    """
    kept = {name: _narrow(name, tensor, dtype) for name, tensor in model.state_dict().items()}
    if fault := _misfit(_hollow(spec, meta), kept):
        raise ModelError(
            f"the model to save is not the {spec.name!r} that its specification builds ({fault}); save it "
            f"with its own"
        )
    weights = save(kept)
    atomic_write(folder / _WEIGHTS, weights)
    config = _ArtifactConfig(model=spec, meta=meta, weights=fingerprint_file(folder / _WEIGHTS))
    atomic_write(folder / _CARD, render_card(meta, spec))
    atomic_write(folder / _CONFIG, config.model_dump_json(indent=1) + "\n")


def _narrow(name: str, tensor: Tensor, dtype: str) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.half() if dtype == "float16" else tensor.float()
    if not tensor.isfinite().all():
        raise ModelError(
            f"weight {name} is not finite or too large for {dtype}; train again at a lower rate, or save as "
            f"float32"
        )
    return tensor


def load_artifact(folder: Path) -> LoadedModel:
    """Reads a model.

    Raises:
        ModelError: If a file is missing, damaged or of a newer format, the model is unknown, or the weights
            do not fit the configuration.
    """
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{folder} lacks {name}; give the folder of a saved model, or train it again")
    config = _read_config(folder / _CONFIG)
    mark = fingerprint_file(folder / _WEIGHTS)
    if config.weights not in (None, mark):
        raise ModelError(
            f"{folder} holds weights of another save than its {_CONFIG} (or damaged ones); train the model "
            f"again"
        )
    try:
        model = _hollow(config.model, config.meta)
        weights = {
            name: x.float() if x.is_floating_point() else x
            for name, x in load((folder / _WEIGHTS).read_bytes()).items()
        }
    except ConfigError as error:
        raise ModelError(
            f"{folder} cannot be loaded: {error}; it is damaged or of another version of crisislens"
        ) from error
    except (SafetensorError, RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"{folder} cannot be read ({_short(error)}); train the model again") from error
    if fault := _misfit(model, weights):
        raise ModelError(
            f"the weights in {folder} do not fit its configuration ({fault}); train the model again"
        )
    model.load_state_dict(weights, assign=True)
    model.eval()
    whole = {
        "config": config.model_dump(mode="json", exclude={"meta": {"card"}, "weights": True}),
        "weights": mark,
    }
    return LoadedModel(model, config.model, config.meta, fingerprint(whole))


def _read_config(path: Path) -> _ArtifactConfig:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(
            f"{path} is not readable JSON ({_short(error)}); the model is damaged, fetch or train it again"
        ) from error
    found = values.get("format") if isinstance(values, dict) else None
    if isinstance(found, int) and found > _FORMAT:
        raise ModelError(
            f"{path} has format {found}, this crisislens reads up to {_FORMAT}; install a newer crisislens"
        )
    try:
        return _ArtifactConfig.parse(values, where=str(path))
    except ConfigError as error:
        raise ModelError(f"{error}; it is damaged or of another version of crisislens") from error


def _hollow(spec: ModelSpec, meta: ArtifactMeta) -> FusionModel:
    """The model with names and shapes but no memory."""
    with torch.device("meta"):
        return spec.build(meta.widths, len(meta.classes))


def _misfit(model: FusionModel, weights: dict[str, Tensor]) -> str:
    """The first reason why weights are not those of a model; empty if they are."""
    expected = model.state_dict()
    if missing := sorted(set(expected) - set(weights)):
        return f"{missing[0]} is missing"
    if strange := sorted(set(weights) - set(expected)):
        return f"{strange[0]} is not part of the model"
    for name, x in weights.items():
        if x.shape != expected[name].shape:
            return f"{name} has shape {list(x.shape)} where {list(expected[name].shape)} is expected"
        if x.is_floating_point() != expected[name].is_floating_point() or not x.isfinite().all():
            return f"{name} does not hold finite numbers of the right kind"
    return ""


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def render_card(meta: ArtifactMeta, spec: ModelSpec) -> str:
    """The model card as Markdown."""
    card = meta.card
    parts = [f"# {spec.name} for {meta.label_space}", card.summary or "No summary was given."]
    sections = {
        "Intended use": card.intended_use,
        "Data and licenses": card.data,
        "Numbers, with intervals": card.numbers,
        "Never tested on, not for": card.limits,
    }
    for title, lines in sections.items():
        # a line break inside an entry would end its list item
        parts += [
            f"## {title}",
            "\n".join(f"- {' '.join(line.split())}" for line in lines) or "Nothing was stated.",
        ]
    facts = {
        "classes": ", ".join(meta.classes),
        "encoder": f"{meta.encoder.get('name')} ({meta.encoder_fingerprint})",
        "temperature": f"{meta.temperature:.3f}",
        "abstains below": f"{meta.abstain_below:.2f}",
        "version": meta.version,
    }
    parts += ["## Facts", "\n".join(f"- {name}: {value}" for name, value in facts.items())]
    return "\n\n".join(parts) + "\n"
