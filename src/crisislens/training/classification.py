"""Training of one network with all that a run file asks for: one class a post, or several labels.

The development posts choose the epoch. With several labels a post, a label is given where its
probability is at least one half (its logit at least 0); the scores are scikit-learn's, and the
accuracy is the share of posts all of whose labels are right.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.errors import ModelError
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.evaluation.several import held_logits
from crisislens.training.batches import Batches, EpochOrder
from crisislens.training.config import RunConfig
from crisislens.training.inputs import Inputs, Labeled
from crisislens.training.loop import train as run_loop
from crisislens.training.objectives import HiddenModalities, LabelLoss, SeveralLabelsLoss
from crisislens.training.predict import evaluation_batches
from crisislens.training.recipe import EpochEnd, Judge, Objective, Recipe, Trained
from crisislens.training.trainer import Machine, build_loggers

__all__ = ["EpochRecord", "LabelJudge", "SeveralLabelsJudge", "train_network"]


class EpochRecord(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    """Counted from 1."""
    train_loss: float
    dev_loss: float
    """Cross-entropy of the development posts in nats, without weights and smoothing; with several
    labels a post its mean over labels.
    """
    dev_accuracy: float
    """Share of posts that are right, with several labels a post in all of them."""
    dev_macro_f1: float
    dev_weighted_f1: float
    seconds: float


class _DevJudge(Judge[EpochRecord]):
    """Gathers the logits of the development posts; what they come to is said by those below.

    Arguments:
        inputs: The development posts.
        y: Their labels.
        run: The run file: how batches are made, and what chooses the epoch.
    """

    record = EpochRecord

    def __init__(self, inputs: Inputs, y: Tensor, run: RunConfig) -> None:
        self.inputs, self.y = inputs, y
        self.rows = evaluation_batches(inputs.lengths, run)
        self.monitor = f"dev_{run.stopping.monitor}"
        self.mode: Literal["min", "max"] = "min" if run.stopping.monitor == "loss" else "max"

    def judge(self, network: nn.Module, end: EpochEnd) -> EpochRecord:
        # scores are computed in single precision, whatever the network was trained in
        parts = [network(self.inputs.batch(rows).to(end.device)).float().cpu() for rows in self.rows]
        logits = torch.cat(parts)
        if not logits.isfinite().all():
            raise ModelError(
                f"training diverged in epoch {end.epoch}: logits are not finite; lower "
                f"optimizer.learning_rate"
            )
        y = self.y[torch.from_numpy(np.concatenate(self.rows))]
        [train_loss] = end.losses.values()
        return EpochRecord(
            epoch=end.epoch, train_loss=train_loss, **self._scores(logits, y), seconds=end.seconds
        )

    @abstractmethod
    def _scores(self, logits: Float[Tensor, "n c"], y: Tensor) -> dict[str, float]:
        """The scores of one epoch, by the names of `EpochRecord`."""


class LabelJudge(_DevJudge):
    """Scores of posts of one class each."""

    def _scores(self, logits: Float[Tensor, "n c"], y: Int[Tensor, " n"]) -> dict[str, float]:
        c = logits.shape[1]
        cells = confusion_cells(y.numpy(), logits.argmax(1).numpy(), c)
        n = np.bincount(cells, minlength=c * c).reshape(c, c).astype(np.float64)
        found = {f"dev_{name}": float(SCORES[name](n)) for name in ("accuracy", "macro_f1", "weighted_f1")}
        return {"dev_loss": float(functional.cross_entropy(logits, y)), **found}


class SeveralLabelsJudge(_DevJudge):
    """Scores of posts with any number of labels each.

    The loss is that of the logits as they are trained; a label is given as the product gives it, held
    to the one that it lies within.

    Arguments:
        inputs: The development posts.
        y: 1 where a label holds, 0 where not.
        run: The recipe.
        outer: For each label the position of the one that it lies within; None where none does.
    """

    def __init__(self, inputs: Inputs, y: Tensor, run: RunConfig, outer: Sequence[int] | None = None) -> None:
        super().__init__(inputs, y, run)
        self.outer = tuple(range(y.shape[1])) if outer is None else outer

    def _scores(self, logits: Float[Tensor, "n c"], y: Float[Tensor, "n c"]) -> dict[str, float]:
        from sklearn.metrics import accuracy_score, f1_score

        truth, said = y.numpy() > 0.5, held_logits(logits.numpy(), self.outer) >= 0
        return {
            "dev_loss": float(functional.binary_cross_entropy_with_logits(logits, y.float())),
            "dev_accuracy": float(accuracy_score(truth, said)),
            # a label that nobody has and nobody is given counts 0, as scikit-learn has it
            "dev_macro_f1": float(f1_score(truth, said, average="macro", zero_division=0)),
            "dev_weighted_f1": float(f1_score(truth, said, average="weighted", zero_division=0)),
        }


def train_network(
    network: nn.Module,
    run: RunConfig,
    *,
    seed: int,
    train: tuple[Inputs, Int[Tensor, " s"] | Float[Tensor, "s c"]],
    dev: tuple[Inputs, Int[Tensor, " n"] | Float[Tensor, "n c"]],
    weights: Float[Tensor, " c"] | None,
    checkpoint: Path | None = None,
    resume: bool = False,
    after_epoch: Callable[[EpochRecord], None] | None = None,
    several: bool = False,
    outer: Sequence[int] | None = None,
) -> Trained[EpochRecord]:
    """Trains a network in place and leaves it with the weights of its best epoch on the development
    posts, in evaluation mode.

    Arguments:
        network: From a batch of the inputs to logits.
        run: The recipe.
        seed: Of shuffling and dropout.
        train: Inputs and labels of the posts to learn from.
        dev: Inputs and labels of the posts that decide when to stop.
        weights: The weight of each class in the loss; with several labels a post its weight where
            it holds (`objectives.positive_weights`), None for 1.
        checkpoint: Where the state is written after each epoch; None keeps none. Loggers write
            beside it.
        resume: Whether to go on from the checkpoint if it is there.
        after_epoch: Called with each epoch's record.
        several: Whether a post may have several labels: `y` is then a matrix of 0 and 1, a row a
            post.
        outer: With several labels, for each the position of the one that it lies within
            (`domain.task.Task.outer`); None where none lies within another.

    Raises:
        ModelError: If training diverges, or the checkpoint belongs to another run.
        MissingExtraError: If a logger's package is not installed.
    """
    # the published forms mix the posts of a batch, so theirs are drawn blindly, as the authors' were
    lengths = train[0].lengths * (not run.as_published)
    order = EpochOrder(lengths, run.batch_posts, seed, fixed=run.fixed_batches)
    # one loop for both kinds of task; what differs is the loss and what counts as right
    judge = SeveralLabelsJudge(*dev, run, outer) if several else LabelJudge(*dev, run)
    folder = Path() if checkpoint is None else checkpoint.parent
    return run_loop(
        network,
        _objective(run, weights, several=several),
        Batches(order, Labeled(*train), count=len(order(0))),
        _recipe(run, seed),
        machine=_machine(run),
        judge=judge,
        checkpoint=checkpoint,
        resume=resume,
        after_epoch=after_epoch,
        loggers=build_loggers(run.loggers, folder, f"{run.name}-seed-{seed}"),
    )


def _objective(run: RunConfig, weights: Float[Tensor, " c"] | None, *, several: bool) -> Objective:
    objective: Objective
    if several:
        objective = SeveralLabelsLoss(weights, smoothing=run.loss.smoothing)
    else:
        assert weights is not None, "one class a post needs the classes' weights"
        objective = LabelLoss(weights, smoothing=run.loss.smoothing)
    if run.modality_dropout:
        return HiddenModalities(objective, rate=run.modality_dropout)
    return objective


def _recipe(run: RunConfig, seed: int) -> Recipe:
    return Recipe(
        epochs=run.epochs,
        optimizer=run.optimizer,
        # the gradient scaler of half precision does not allow clipping beside a fused optimizer
        fused=run.precision != "16-mixed",
        seed=seed,
        patience=run.stopping.patience,
        mark=run.fingerprint(),
    )


def _machine(run: RunConfig) -> Machine:
    return Machine(
        device=run.device,
        devices=run.devices,
        precision=run.precision,
        accumulate=run.accumulate,
        compile=run.compile,
    )
