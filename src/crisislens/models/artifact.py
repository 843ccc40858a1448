"""A trained classifier on disk, in the form of `models.saved`.

Loading builds the model without drawing weights, compares names and shapes, and only then takes the weights:
a damaged or foreign file costs one sentence, and torch's random numbers are left alone.

The fingerprint of an artifact is over the configuration and the weight file's bytes; the card may
be edited without changing it, and so may the format.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.assessment import Modality
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.tasks import TASKS, Task
from crisislens.encoders.base import EncoderSpec, rooted
from crisislens.models.base import FusionModel, ModelSpec
from crisislens.models.card import Card, card_text
from crisislens.models.saved import Form, Saved, read_config, read_saved, short, write_saved
from crisislens.nn.hollow import hollow
from crisislens.nn.widths import FeatureWidths

__all__ = [
    "ArtifactMeta",
    "Card",
    "LoadedModel",
    "artifact_encoder",
    "load_artifact",
    "read_meta",
    "render_card",
    "save_artifact",
]


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
    task: Task | None = None
    """The task with its classes, where it is a user's own and not one that ships."""
    calibration: dict[EvidenceKind, Calibration] = Field(default_factory=dict)
    """τ and θ for each kind of evidence, chosen on development posts that offer it. A kind that is
    not listed was in too few of them, and is answered with "not sure"; models of before kinds were
    told apart (`rules` is null) have `temperature` and `abstain_below` alone.
    """
    rules: CleaningRules | None = None
    """How text was cleaned in training; null in models of before it was kept."""
    limits: ImageLimits | None = None
    """Within which pictures were decoded in training; null as above."""
    modalities: tuple[Modality, ...] = ("text", "image")
    """What the model was given; anything else is kept from it."""
    knowledge: str = ""
    """The texts that stood beside the posts in training, such as captions; empty for none."""
    languages: tuple[str, ...] = ()
    """ISO 639-1 codes of the languages of the training texts; empty for no check."""
    version: str = "1"
    """The model's version, set by whoever trains it."""
    card: Card = Card()
    """The model card."""

    @property
    def space(self) -> Task:
        """The task that the model answers.

        Raises:
            NotRegisteredError: If it is of a task that this version does not have.
        """
        return TASKS[self.label_space] if self.task is None else self.task


class _Classifier(Config):
    """What `config.json` of a classifier holds beside its header."""

    model: ModelSpec
    meta: ArtifactMeta


_FORM = Form("classifier", _Classifier, "model")
# keys that models of before did not have, with what says nothing: those models keep their fingerprints
_LATER: dict[str, object] = {
    "task": None,
    "calibration": {},
    "rules": None,
    "limits": None,
    "modalities": ["text", "image"],
    "knowledge": "",
    "languages": [],
}


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
    """Writes a model.

    Arguments:
        folder: Made where missing; adapters of the encoder that `meta` names stand in it already.
        model: The model.
        spec: What it was built from.
        meta: What it says of itself.
        dtype: float16 halves the file; weights come back as float32 either way.

    Raises:
        ModelError: If the model is not what `spec` and `meta` build, or a weight is not finite or
            too large for `dtype`.
    """
    weights = model.state_dict()
    # before a byte is written: what cannot be loaded again must not replace what can
    if fault := _misfit(_hollow(spec, meta), weights):
        raise ModelError(
            f"the model to save is not the {spec.name!r} that its specification builds ({fault}); save it "
            f"with its own"
        )
    write_saved(
        folder, _FORM, _Classifier(model=spec, meta=meta), weights, card=render_card(meta, spec), dtype=dtype
    )


def load_artifact(folder: Path) -> LoadedModel:
    """Reads a model.

    Raises:
        ModelError: If a file is missing, damaged or of a newer format, the model is unknown, or the
            weights do not fit the configuration.
    """
    saved = read_saved(folder, _FORM)
    spec, meta = saved.config.model, saved.config.meta
    weights = saved.tensors()
    try:
        model = _hollow(spec, meta)
    except ConfigError as error:
        raise ModelError(
            f"{folder} cannot be loaded: {error}; it is damaged or of another version of crisislens"
        ) from error
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{folder} cannot be read ({short(error)}); train the model again") from error
    if fault := _misfit(model, weights):
        raise ModelError(
            f"the weights in {folder} do not fit its configuration ({fault}); train the model again"
        )
    # assigned, which spares a copy
    model.load_state_dict(weights, assign=True)
    model.eval()
    return LoadedModel(model, spec, meta, _fingerprint(saved))


def read_meta(folder: Path) -> tuple[ModelSpec, ArtifactMeta]:
    """What a saved model says of itself; its weights are not looked at.

    Raises:
        ModelError: If the configuration is missing, damaged, of another kind or a newer format.
    """
    config = read_config(folder, _FORM)
    return config.model, config.meta


def artifact_encoder(folder: Path, meta: ArtifactMeta) -> EncoderSpec:
    """The encoder of an artifact; an adapter that lies in its folder is named by its full path."""
    return rooted(EncoderSpec.parse(meta.encoder, where=str(folder)), folder)


def _fingerprint(saved: Saved[_Classifier]) -> str:
    # as format 1 wrote it, so that a model keeps its fingerprint when it is saved again
    config = {"format": 1, **saved.config.model_dump(mode="json", exclude={"meta": {"card"}})}
    for key, unsaid in _LATER.items():
        if config["meta"][key] == unsaid:
            del config["meta"][key]
    return fingerprint({"config": config, "weights": saved.mark()})


def _hollow(spec: ModelSpec, meta: ArtifactMeta) -> FusionModel:
    """The model with names and shapes, its weights not drawn."""
    with hollow():
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
        # assigning takes any type: integers in place of weights would compute something
        if x.is_floating_point() != expected[name].is_floating_point() or not x.isfinite().all():
            return f"{name} does not hold finite numbers of the right kind"
    return ""


def render_card(meta: ArtifactMeta, spec: ModelSpec) -> str:
    """The model card as Markdown."""
    facts = {
        "classes": ", ".join(meta.classes),
        "encoder": f"{meta.encoder.get('name')} ({meta.encoder_fingerprint})",
        "temperature": f"{meta.temperature:.3f}",
        "abstains below": f"{meta.abstain_below:.2f}",
        "version": meta.version,
    }
    return card_text(f"{spec.name} for {meta.label_space}", meta.card, facts)
