r"""Training of both stages over one joint transformer (`models.rationale_joint`):

$$\text{Loss} = \underbrace{\text{CE}(\text{auxiliary}) + \alpha\, \text{Loss}_r + \alpha_s\, \text{Loss}_s}
_{\text{stage 1}} + \gamma\, \text{CE}(\ell) + \eta\, \text{Loss}_{\text{space}}.$$

In each step stage 1 reads a batch, chooses its evidence, and stage 2 reads what that leaves: it learns on
the model's own choice, as it will decide, and never on what a person marked. Nothing is learned through
the choice, which is not differentiable. Loss_space (`training.joint`) is that of texts and photos that
belong together, where a run gives such pairs: the words' encoder is not trained by it, so it costs
little, and the transformer keeps up with the encoder as that one changes.

Source of the first four terms: arXiv 2603.18611 as reported by secondary sources, with α = 0.09
there; that both stages are trained together, on the model's own choice, is our reconstruction. Loss_s
and Loss_space are ours. AdamW, warm-up and a slope; the development posts choose the epoch.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor
from torch.nn import functional

from crisislens.core.errors import DataError
from crisislens.encoders.lora import add_lora
from crisislens.evaluation.rationale_scores import token_f1
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.models.joint_tower import CompactTower, TowerSpec, build_tower
from crisislens.models.rationale_artifact import TransportConfig
from crisislens.models.rationale_joint import JointRationalizer
from crisislens.models.text_rationalizer import Decode
from crisislens.nn.rationale_head import word_states
from crisislens.nn.word_owners import WindowBatch
from crisislens.training.joint import JointBatch
from crisislens.training.joint_examples import (
    JointExamples,
    LabeledWindow,
    PairedPhoto,
    Pairs,
    batches_of,
    inputs,
    labeled,
)
from crisislens.training.loop import train
from crisislens.training.objectives import JointSpaceLoss
from crisislens.training.optimizer import adapter_recipe
from crisislens.training.rationale import RationaleConfig, free_norms
from crisislens.training.recipe import EpochEnd, Judge, Objective, Recipe, Trained
from crisislens.training.trainer import Machine
from crisislens.training.word_objectives import EvidenceLoss

__all__ = [
    "JointRationaleConfig",
    "JointRecord",
    "LabeledWindow",
    "PairedPhoto",
    "Pairs",
    "build_model",
    "check_examples",
    "labeled",
    "train_joint_rationales",
]


class JointRationaleConfig(RationaleConfig):
    """How both stages are trained."""

    gamma: float = Field(default=1.0, gt=0)
    """γ: weight of stage 2."""
    space: float = Field(default=0.5, ge=0)
    """η: weight of texts and photos that belong together, where a run has such pairs."""
    batch_pairs: int = Field(default=16, gt=1)
    """Such pairs a step, each other's negatives."""
    share: float = Field(default=0.25, gt=0, le=1)
    """κ: which share of a photo's patches may be evidence."""
    decode: Decode = "stretch"
    """How words are chosen."""
    transport: TransportConfig = TransportConfig()
    """How words' evidence is carried to patches."""
    patience: int = Field(default=3, gt=0)
    """Epochs without a better development score after which training stops."""

    @model_validator(mode="after")
    def _carries_by_aligned_states(self) -> "JointRationaleConfig":
        if self.transport.states != "aligned":
            raise ValueError(
                f"transport.states {self.transport.states!r} is not for this kind of model, which carries "
                f"evidence by aligned states; leave it out"
            )
        return self


class JointRecord(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the steps."""
    dev_token_f1: float
    """Of the chosen words against people."""
    dev_macro_f1: float
    """Of stage 2, on its own choice of words."""
    dev_score: float
    """The mean of both, which chooses the epoch."""
    seconds: float


class JointRationaleLoss(Objective):
    """The loss of both stages and, where there are pairs, of the joint space.

    Arguments:
        first: The loss of stage 1.
        gamma: Weight of stage 2.
        smoothing: Label smoothing of stage 2.
        space: The loss of pairs; None for none.
        eta: Its weight.
    """

    def __init__(
        self, first: EvidenceLoss, *, gamma: float, smoothing: float, space: JointSpaceLoss | None, eta: float
    ) -> None:
        super().__init__()
        self.first, self.space = first, space
        self.gamma, self.smoothing, self.eta = gamma, smoothing, eta

    def loss(self, network: JointRationalizer, batch: JointExamples) -> Float[Tensor, ""]:
        found = network(batch.words, batch.photos)
        loss = self.first.of(found.scores, found.classes, batch.words, batch.y, batch.stretches, batch.label)
        if (batch.label >= 0).any():
            left = network.reduced(batch.words, batch.photos, network.evidence(found, batch.words))
            second = functional.cross_entropy(
                network.decide(*left), batch.label, ignore_index=-1, label_smoothing=self.smoothing
            )
            loss = loss + self.gamma * second
        if self.space is not None and batch.pairs is not None:
            assert isinstance(network.tower, CompactTower)
            loss = loss + self.eta * self.space.loss(
                network.tower.joint, _space_batch(network.tower, *batch.pairs)
            )
        return loss


def _space_batch(tower: CompactTower, words: WindowBatch, patches: Tensor, groups: Tensor) -> JointBatch:
    with torch.no_grad():
        # as the encoder is now: the space follows it, and does not pull at it
        tokens, _ = tower.encoder(words.ids, words.mask)
        text = word_states(tokens, words.owner, words.words.shape[1])
    mask = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
    return text, words.words, patches, mask, groups


class _DevJudge(Judge[JointRecord]):
    """Token F1 and macro-F1 of development examples."""

    record = JointRecord
    monitor = "dev_score"
    mode: Literal["min", "max"] = "max"

    def __init__(self, examples: Sequence[LabeledWindow], classes: int, batch: int) -> None:
        self.examples, self.classes, self.batch = examples, classes, batch

    def judge(self, network: JointRationalizer, end: EpochEnd) -> JointRecord:
        f1, said = [], []
        for start in range(0, len(self.examples), self.batch):
            some = self.examples[start : start + self.batch]
            words, photos = inputs(network, some)
            evidence = network.evidence(network(words, photos), words)
            logits = network.decide(*network.reduced(words, photos, evidence))
            said += logits.argmax(1).tolist()
            for x, chosen in zip(some, evidence.chosen.numpy(), strict=True):
                f1.append(token_f1(np.array(x.marked, dtype=bool), chosen[: len(x.marked)]))
        macro = self._macro(said)
        [loss] = end.losses.values()
        return JointRecord(
            epoch=end.epoch,
            train_loss=loss,
            dev_token_f1=float(np.mean(f1)),
            dev_macro_f1=macro,
            dev_score=(float(np.mean(f1)) + macro) / 2,
            seconds=end.seconds,
        )

    def _macro(self, said: Sequence[int]) -> float:
        c = self.classes
        rows = [(x.label, s) for x, s in zip(self.examples, said, strict=True) if x.label >= 0]
        if not rows:
            return 0.0
        truth, found = (np.array(column) for column in zip(*rows, strict=True))
        n = np.bincount(confusion_cells(truth, found, c), minlength=c * c).reshape(c, c)
        return float(SCORES["macro_f1"](n.astype(np.float64)))


def build_model(
    spec: TowerSpec, config: JointRationaleConfig, *, classes: int, looks: bool
) -> JointRationalizer:
    """An untrained model whose text encoder is adapted where the recipe says so.

    Arguments:
        spec: The joint transformer.
        config: The recipe.
        classes: The number of classes.
        looks: Whether stage 2 is shown photos.
    """
    torch.manual_seed(config.seed)
    tower = build_tower(spec)
    if config.rank:
        add_lora(
            tower.encoder,
            rank=config.rank,
            alpha=config.lora_alpha,
            targets=config.targets,
            dropout=config.lora_dropout,
        )
        free_norms(tower.encoder)
    return JointRationalizer(
        tower,
        classes=classes,
        hidden=config.hidden,
        pair_width=config.pair_width,
        dropout=config.dropout,
        share=config.share,
        transport=config.transport,
        looks=looks,
        decode=config.decode,
    )


def check_examples(train_on: Sequence[LabeledWindow], dev: Sequence[LabeledWindow]) -> None:
    """Refuses examples that nothing can be learned from.

    Arguments:
        train_on: Examples to learn from.
        dev: Examples that choose the epoch.

    Raises:
        DataError: If nothing is marked, or there are no development examples.
    """
    if not any(any(x.marked) for x in train_on) or not dev:
        raise DataError(
            f"{len(train_on)} texts to learn from and {len(dev)} to choose the epoch by are not enough, "
            "or none has a marked word; give more texts with spans of evidence, such as crisislens "
            "annotate exports"
        )


def train_joint_rationales(
    model: JointRationalizer,
    train_on: Sequence[LabeledWindow],
    dev: Sequence[LabeledWindow],
    config: JointRationaleConfig,
    *,
    pairs: Pairs | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    mark: str = "",
    progress: Callable[[int], None] | None = None,
) -> Trained[JointRecord]:
    """Trains a model in place and leaves it with the weights of the best epoch, in evaluation mode.

    Arguments:
        model: From `build_model`.
        train_on: Examples to learn from.
        dev: Examples that choose the epoch.
        config: The recipe.
        pairs: Texts and photos that belong together, for a `compact` tower.
        checkpoint: Where the state is written after each epoch; None keeps none.
        resume: Whether to go on from the checkpoint.
        mark: What the checkpoint is marked with.
        progress: Called after each epoch with the epochs done.

    Raises:
        DataError: If nothing is marked, or there are no development examples.
        ModelError: If the checkpoint belongs to another run.
    """
    check_examples(train_on, dev)
    paired = pairs if config.space and isinstance(model.tower, CompactTower) else None
    space = None
    if paired is not None:
        space = JointSpaceLoss(width=model.tower.width, match=1.0, temperature=0.05)
    objective = JointRationaleLoss(
        EvidenceLoss(
            words=config.alpha,
            stretches=config.alpha_stretch,
            balance=config.balance,
            smoothing=config.smoothing,
        ),
        gamma=config.gamma,
        smoothing=config.smoothing,
        space=space,
        eta=config.space,
    )
    optimizer = adapter_recipe(
        learning_rate=config.learning_rate,
        head_learning_rate=config.head_learning_rate,
        weight_decay=config.weight_decay,
    )
    recipe = Recipe(
        epochs=config.epochs,
        optimizer=optimizer,
        encoders=("tower.encoder.",),
        seed=config.seed,
        patience=config.patience,
        mark=mark,
    )
    return train(
        model,
        objective,
        batches_of(
            model,
            train_on,
            paired,
            batch_texts=config.batch_texts,
            batch_pairs=config.batch_pairs,
            seed=config.seed,
        ),
        recipe,
        machine=Machine(device=config.device),
        judge=_DevJudge(dev, model.classifier.out_features, config.batch_texts),
        checkpoint=checkpoint,
        resume=resume,
        after_epoch=None if progress is None else lambda record: progress(record.epoch),
    )
