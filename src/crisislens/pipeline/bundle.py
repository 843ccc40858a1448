r"""A bundle: one encoder and one model a task, with the calibration that turns their logits into
honest probabilities.

For a post whose readable modalities are $m \in \{\text{text}, \text{image}, \text{both}\}$ and a
task with logits $\ell$,

$$p = \operatorname{softmax}(\ell / \tau_m), \qquad \text{abstain} \iff \max_c p_c < \theta_m .$$

τ and θ are chosen on development posts of that kind (`evaluation.calibration`): a photo alone
deserves another trust than a text alone. A folder holds `bundle.json`, one artifact folder a task,
optionally an adapter of the encoder, and a model card (`README.md`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from crisislens.core import assets
from crisislens.core.config import Config
from crisislens.core.errors import ModelError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.core.json_files import read_object
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.tasks import TASKS, Task
from crisislens.encoders.base import EncoderSpec, placed

__all__ = [
    "BUNDLE",
    "Bundle",
    "BundleConfig",
    "Calibration",
    "EvidenceKind",
    "TaskConfig",
    "packaged_bundles",
]

BUNDLE = "bundle.json"
FORMAT = 1
# what decides the answers; a card may be edited
_COUNTED = frozenset({".safetensors", ".json"})
_MOST_DECODE_PX = 1024
"""No encoder looks at more; what is decoded in memory grows with its square."""


class TaskConfig(Config):
    """One task of a bundle."""

    artifact: str
    """The folder of its model, relative to the bundle."""
    label_space: str
    """The name of its label space."""
    definition: Task | None = None
    """The task with its classes, where it is a user's own and not one that ships."""
    calibration: dict[EvidenceKind, Calibration]
    """For each kind of evidence; a kind that is not listed always abstains."""

    @property
    def space(self) -> Task:
        """The task that is answered.

        Raises:
            NotRegisteredError: If it is one that this version does not have.
        """
        return TASKS[self.label_space] if self.definition is None else self.definition


class BundleConfig(Config):
    """The content of `bundle.json`."""

    format: Literal[1] = 1
    name: str
    version: str
    description: str
    encoder: EncoderSpec
    rules: CleaningRules = CleaningRules()
    limits: ImageLimits = ImageLimits()
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages that the text models were trained on; empty for no check."""
    ranked_languages: tuple[str, ...] = ()
    """Codes of languages in which nothing was learned but the order of reading was measured: their
    posts get no sure answer, and the urgency that the models give. `und` stands for texts whose
    language nobody can tell.
    """
    unread_urgency: float = Field(default=0.3, ge=0, le=1)
    """The urgency of a post whose text the models do not read: the mean over posts of crises that
    they do.
    """
    limits_known: tuple[str, ...] = ()
    """What is known of the models' errors, one sentence each, for the report."""
    tasks: dict[str, TaskConfig]

    @field_validator("limits")
    @classmethod
    def _limits_of_the_program_hold(cls, limits: ImageLimits) -> ImageLimits:
        """A bundle may ask for less than the program allows, never for more."""
        # a bundle may come from a stranger, and a picture that bursts memory from another
        most = ImageLimits(decode_px=_MOST_DECODE_PX)
        names = ("max_bytes", "max_pixels", "max_frames", "decode_px")
        return limits.model_copy(update={n: min(getattr(limits, n), getattr(most, n)) for n in names})

    @model_validator(mode="after")
    def _label_spaces_exist(self) -> "BundleConfig":
        # urgency and the report find an answer by its question
        for name, task in self.tasks.items():
            if task.space.question != name:
                raise ValueError(f"label space {task.label_space!r} is not one of task {name!r}")
        return self


@dataclass(frozen=True)
class Bundle:
    """Models that answer together, ready to be loaded.

    Attributes:
        folder: Where they lie, for sentences.
        config: What they are.
        encoder: The encoder, its adapters named by their full paths.
        artifacts: The folder of each task's model.
        text: The model card as Markdown; empty where there is none.
        evidence_alone: Whether it is a joint rationale model, which answers from evidence alone.
    """

    folder: Path
    config: BundleConfig
    encoder: EncoderSpec
    artifacts: Mapping[str, Path]
    text: str = ""
    evidence_alone: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """A bundle on disk.

        Arguments:
            folder: The folder with `bundle.json`.

        Raises:
            ModelError: If the folder is not a bundle or its configuration does not fit.
        """
        path = folder / BUNDLE
        if not path.exists():
            raise ModelError(
                f"{folder} holds no readable {BUNDLE}; give a model's name (crisislens models "
                "list), or the folder of a bundle or of a run"
            )
        values = read_object(path, advice="the bundle is damaged, fetch or train it again")
        config = BundleConfig.parse(values, where=str(path))
        card = folder / "README.md"
        return cls(
            folder,
            config,
            placed(config.encoder, lambda name: str(_inside(folder, name))),
            {name: _inside(folder, task.artifact) for name, task in config.tasks.items()},
            card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        )

    def artifact(self, task: str) -> Path:
        """The folder of a task's model."""
        return self.artifacts[task]

    def fingerprint(self) -> str:
        """16 hex digits over the configuration and every weight file; where the bundle lies does
        not matter.
        """
        # relative names, so that a bundle that is copied elsewhere stays the same model
        if (self.folder / BUNDLE).is_file():
            files = sorted(p for p in self.folder.rglob("*") if p.suffix in _COUNTED)
            return fingerprint({p.relative_to(self.folder).as_posix(): fingerprint_file(p) for p in files})
        marks = {}
        for name, artifact in self.artifacts.items():
            for path in sorted(p for p in artifact.rglob("*") if p.suffix in _COUNTED):
                marks[f"{name}/{path.relative_to(artifact).as_posix()}"] = fingerprint_file(path)
        return fingerprint(marks)

    def card(self) -> str:
        """The model card as Markdown; empty where there is none."""
        return self.text


def _inside(folder: Path, name: str) -> Path:
    # resolved on both sides: a link or `..` may lead out of the folder
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ModelError(
            f"{folder} names {name!r}, which lies outside of it; a bundle may only use its own files"
        )
    return path


def packaged_bundles() -> dict[str, Path]:
    """The bundles that the package ships, by name."""
    return assets.shipped("bundles", BUNDLE)
