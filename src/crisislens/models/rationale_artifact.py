"""A rationale model on disk, in the form of `models.saved`: everything above the text encoder, and
beside it `adapter.safetensors`, the encoder's low-rank differences.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from crisislens.core import assets
from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.lora import LoraState, write_lora
from crisislens.models.saved import CONFIG, WEIGHTS, Form, read_saved, write_saved
from crisislens.models.text_rationalizer import Decode, TextRationalizer
from crisislens.nn.joint import JointEncoder
from crisislens.nn.transport import Gather

__all__ = [
    "DEFAULT_RATIONALES",
    "JointConfig",
    "LoadedRationalizer",
    "RationaleModelConfig",
    "TransportConfig",
    "find_rationale_model",
    "halved",
    "load_rationalizer",
    "save_rationalizer",
]

DEFAULT_RATIONALES = "crisis-rationales"
_ADAPTER = "adapter.safetensors"
_HEAD = "head.safetensors"
"""What format 1 called the main weight file; fingerprints still do."""


class TransportConfig(Config):
    """How words' evidence is carried to patches, see `nn.transport` and
    `models.rationale_transfer`.
    """

    states: Literal["aligned", "mixed"] = "aligned"
    """Which joint states costs are taken of."""
    beta: float = Field(default=0.5, gt=0)
    """β of the proximal point method."""
    steps: int = Field(default=50, gt=0)
    """Its steps."""
    sink: float = Field(default=0.0, ge=0, lt=1)
    """Share of the patches' mass that may go to no word at all; 0 is the paper's balanced
    transport.
    """
    gather: Gather = "max"
    """How a patch's exchange with the words of evidence becomes its heat; `max` is the paper's."""


class JointConfig(Config):
    """The compact joint encoder of a rationale model."""

    width: int = Field(default=128, gt=0)
    layers: int = Field(default=2, ge=0)
    heads: int = Field(default=4, gt=0)
    image_width: int = Field(gt=0)
    """Width of the image encoder's patches."""
    rows: int = Field(gt=0)
    """Rows of the patch grid."""
    columns: int = Field(gt=0)


class RationaleModelConfig(Config):
    """What `config.json` holds beside its header."""

    name: str
    version: str = "1"
    encoder: EncoderSpec
    """The encoder that the text rationales are read with; option `adapter` is a file of this
    folder.
    """
    classes: tuple[str, ...]
    """Classes of the auxiliary classifier."""
    hidden: int = Field(default=128, gt=0)
    pair_width: int = Field(default=64, gt=0)
    decode: Decode = "stretch"
    """How words are chosen."""
    gate: bool = False
    """Whether the model may answer that a text holds no evidence."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that it was trained on; empty for no check."""
    joint: JointConfig | None = None
    """The joint encoder that carries evidence to pictures; none for a model of texts only."""
    image_encoder: str = ""
    """Fingerprint of the image encoder that the joint encoder was trained on."""
    transport: TransportConfig = TransportConfig()


_FORM = Form("rationales", RationaleModelConfig, "rationale model")


@dataclass(frozen=True)
class LoadedRationalizer:
    """A rationale model in evaluation mode.

    Attributes:
        text: Stage 1 for texts.
        joint: The joint encoder, or None.
        config: What it was built from.
        fingerprint: 16 hex digits over configuration and weights.
    """

    text: TextRationalizer
    joint: JointEncoder | None
    config: RationaleModelConfig
    fingerprint: str


def save_rationalizer(
    folder: Path,
    model: TextRationalizer,
    adapter: LoraState | None,
    config: RationaleModelConfig,
    *,
    joint: JointEncoder | None = None,
    card: str,
) -> None:
    """Writes a model in half precision.

    Arguments:
        folder: Made where missing.
        model: The trained model, its encoder still adapted.
        adapter: What was trained in the encoder, `encoders.lora.lora_state(model.encoder)`; None
            for one that was not adapted.
        config: What it is built from; the adapter is filled in.
        joint: The joint encoder, if there is one.
        card: The model card, Markdown.
    """
    options = dict(config.encoder.options)
    if adapter is not None:
        write_lora(folder / _ADAPTER, halved(adapter))
        options["adapter"] = _ADAPTER
    # the encoder is had elsewhere; what was learned inside it is the adapter
    tensors = {f"text.{k}": x for k, x in model.state_dict().items() if not k.startswith("encoder.")}
    tensors |= {f"joint.{k}": x for k, x in joint.state_dict().items()} if joint is not None else {}
    spec = EncoderSpec(name=config.encoder.name, options=options)
    config = config.model_copy(update={"encoder": spec})
    write_saved(folder, _FORM, config, tensors, card=card, dtype="float16")


def halved(adapter: LoraState) -> LoraState:
    """An adapter in half precision.

    Raises:
        ModelError: If a weight is not finite there.
    """
    tensors = {name: _half(name, x) for name, x in adapter.tensors.items()}
    return LoraState(tensors, adapter.scaling, adapter.base)


def _half(name: str, x: Tensor) -> Tensor:
    x = x.detach().cpu().half().contiguous()
    if not x.isfinite().all():
        raise ModelError(f"weight {name} is not finite in half precision; train again at a lower rate")
    return x


def load_rationalizer(folder: Path) -> LoadedRationalizer:
    """Reads a model.

    Raises:
        ModelError: If a file is missing, damaged or of a newer format, or the weights do not fit.
    """
    saved = read_saved(folder, _FORM)
    config, tensors = saved.config, saved.tensors()
    options = dict(config.encoder.options)
    if "adapter" in options:
        # always the file of this folder, whatever a damaged configuration names
        options["adapter"] = str((folder / _ADAPTER).resolve())
    encoder = load_encoders(EncoderSpec(name=config.encoder.name, options=options)).text
    text = TextRationalizer(
        encoder,
        classes=max(1, len(config.classes)),
        hidden=config.hidden,
        pair_width=config.pair_width,
        gate=config.gate,
    )
    joint = None
    if (j := config.joint) is not None:
        joint = JointEncoder(
            text_width=encoder.width, image_width=j.image_width, width=j.width, layers=j.layers, heads=j.heads
        )
    _fill(text, tensors, "text.", folder)
    if joint is not None:
        _fill(joint, tensors, "joint.", folder)
        joint.eval()
    # as format 1 wrote it, so that a model keeps its fingerprint when it is saved again
    marks = {_HEAD if name == WEIGHTS else name: mark for name, mark in saved.marks.items()}
    # models of before there were gates, or a choice how heat is gathered, keep their fingerprints, too
    values = config.model_dump(mode="json", exclude=None if config.gate else {"gate"})
    if config.transport.gather == "max":
        del values["transport"]["gather"]
    whole = {"format": 1, **values, "weights": marks}
    mark = fingerprint({"config": whole, "encoder": encoder.fingerprint()})
    return LoadedRationalizer(text.eval(), joint, config, mark)


def _fill(module: nn.Module, tensors: dict[str, Tensor], prefix: str, folder: Path) -> None:
    own = {name: x for name, x in module.state_dict().items() if not name.startswith("encoder.")}
    given = {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
    # before anything is copied: a model that is half another one would answer
    wrong = sorted(set(own) ^ set(given)) + [
        name for name, x in given.items() if name in own and x.shape != own[name].shape
    ]
    if wrong:
        raise ModelError(
            f"the weights in {folder} do not fit its configuration ({prefix}{wrong[0]}); train the rationale "
            f"model again"
        )
    with torch.no_grad():
        for name, x in own.items():
            x.copy_(given[name])
    module.requires_grad_(False)


def packaged_rationale_models() -> dict[str, Path]:
    """The rationale models that the package ships, by name."""
    return assets.shipped("rationales", CONFIG)


def find_rationale_model(name_or_folder: str | Path) -> Path:
    """The folder of a rationale model, by the name of a packaged one or by itself.

    Raises:
        NotRegisteredError: If it is neither, with the names that exist.
        ModelError: If it ships and is damaged.
    """
    return assets.find(name_or_folder, kind="rationales", marker=CONFIG, what="rationale model")
