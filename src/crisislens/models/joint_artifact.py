"""A joint rationale model on disk, in the form of `models.saved`: what stands above the encoders, and
beside it `adapter.safetensors`, what was learned inside the text encoder or ViLT.

A checkpoint of ViLT or packaged encoder is not copied; its fingerprint is kept and compared.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.tasks import TASKS, Task
from crisislens.encoders.lora import LoraState, merge_lora, read_lora, write_lora
from crisislens.models.joint_tower import TowerSpec, build_tower
from crisislens.models.rationale_artifact import TransportConfig, halved
from crisislens.models.rationale_joint import JointRationalizer
from crisislens.models.saved import Form, read_config, read_saved, write_saved
from crisislens.models.text_rationalizer import Decode

__all__ = [
    "JOINT_RATIONALES",
    "JointRationaleModelConfig",
    "LoadedJointRationalizer",
    "load_joint_rationalizer",
    "read_joint_config",
    "save_joint_rationalizer",
]

JOINT_RATIONALES = "joint_rationales"
"""The word for this kind in `config.json`."""
_ADAPTER = "adapter.safetensors"


class JointRationaleModelConfig(Config):
    """What `config.json` holds beside its header."""

    name: str
    version: str = "1"
    tower: TowerSpec
    """The joint transformer."""
    tower_fingerprint: str
    """Of what was loaded below and in it; another one has other states."""
    adapter: str = ""
    """The file of what was learned inside the encoder; empty where nothing was."""
    label_space: str
    """Name of the task that stage 2 answers."""
    task: Task | None = None
    """The task with its classes, where it is a user's own and not one that ships."""
    hidden: int = Field(default=128, gt=0)
    pair_width: int = Field(default=64, gt=0)
    share: float = Field(default=0.25, gt=0, le=1)
    """Which share of a photo's patches may be evidence."""
    decode: Decode = "stretch"
    """How words are chosen."""
    transport: TransportConfig = TransportConfig()
    looks: bool = True
    """Whether stage 2 is shown patches."""
    calibration: dict[EvidenceKind, Calibration] = Field(default_factory=dict)
    """τ and θ for each kind of evidence, chosen on development posts; a kind that is not listed is answered
    with "not sure".
    """
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that it was trained on; empty for no check."""

    @property
    def space(self) -> Task:
        """The task that is answered.

        Raises:
            NotRegisteredError: If it is one that this version does not have.
        """
        return TASKS[self.label_space] if self.task is None else self.task


_FORM = Form(JOINT_RATIONALES, JointRationaleModelConfig, "joint rationale model")


@dataclass(frozen=True)
class LoadedJointRationalizer:
    """A joint rationale model in evaluation mode.

    Attributes:
        model: Both stages.
        config: What it was built from.
        fingerprint: 16 hex digits over configuration and weights.
    """

    model: JointRationalizer
    config: JointRationaleModelConfig
    fingerprint: str


def save_joint_rationalizer(
    folder: Path,
    model: JointRationalizer,
    adapter: LoraState | None,
    config: JointRationaleModelConfig,
    *,
    card: str,
) -> None:
    """Writes a model in half precision.

    Arguments:
        folder: Made where missing.
        model: The trained model.
        adapter: What was trained in the encoder, `encoders.lora.lora_state(model.tower.encoder)`; None
            where nothing was.
        config: What it is built from; the adapter's name is filled in.
        card: The model card, Markdown.
    """
    if adapter is not None:
        write_lora(folder / _ADAPTER, halved(adapter))
    config = config.model_copy(update={"adapter": _ADAPTER if adapter is not None else ""})
    write_saved(folder, _FORM, config, _own(model), card=card, dtype="float16")


def load_joint_rationalizer(folder: Path) -> LoadedJointRationalizer:
    """Reads a model.

    Raises:
        ModelError: If a file is missing, damaged or of a newer format, the weights do not fit, or what is
            loaded below is not what the model was trained on.
    """
    saved = read_saved(folder, _FORM)
    config = saved.config
    tower = build_tower(config.tower)
    if tower.fingerprint() != config.tower_fingerprint:
        raise ModelError(
            f"the model in {folder} was trained on {config.tower.name} {config.tower_fingerprint}, here is "
            f"{tower.fingerprint()}; use the encoders that it names, in their version"
        )
    if config.adapter:
        # always the file of this folder, whatever a damaged configuration names
        merge_lora(tower.encoder, read_lora(folder / _ADAPTER))
    model = JointRationalizer(
        tower,
        classes=len(config.space),
        hidden=config.hidden,
        pair_width=config.pair_width,
        share=config.share,
        transport=config.transport,
        looks=config.looks,
        decode=config.decode,
    )
    _fill(model, saved.tensors(), folder)
    model.requires_grad_(False)
    mark = fingerprint({"config": config.model_dump(mode="json"), "weights": dict(saved.marks)})
    return LoadedJointRationalizer(model.eval(), config, mark)


def read_joint_config(folder: Path) -> JointRationaleModelConfig:
    """What a saved model says of itself; its weights are not looked at.

    Raises:
        ModelError: If the configuration is missing, damaged, of another kind or a newer format.
    """
    return read_config(folder, _FORM)


def _own(model: nn.Module) -> dict[str, Tensor]:
    """The weights that are had nowhere else: not those of encoders."""
    below = ("tower.encoder.", "tower.image.")
    return {name: x for name, x in model.state_dict().items() if not name.startswith(below)}


def _fill(model: JointRationalizer, given: dict[str, Tensor], folder: Path) -> None:
    own = _own(model)
    # before anything is copied: a model that is half another one would answer
    wrong = sorted(set(own) ^ set(given))
    wrong += [name for name, x in given.items() if name in own and x.shape != own[name].shape]
    if wrong:
        raise ModelError(
            f"the weights in {folder} do not fit its configuration ({wrong[0]}); train the model again"
        )
    with torch.no_grad():
        for name, x in own.items():
            x.copy_(given[name])
