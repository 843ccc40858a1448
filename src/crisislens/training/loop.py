"""The one training loop: a network, an objective, batches and a recipe in; the trained network out.

One LightningModule serves every trainer. What differs between them is the objective
(`training.objectives`), the batches (`training.batches`) and, where posts are kept apart to choose
an epoch by, the judge.

Runs repeat: where the recipe has a seed, dropout is seeded anew at the start of every epoch, and
batches come from an order of seed and epoch alone. So a run that was killed and goes on from its
last finished epoch gives the numbers of an undisturbed one; and one that was killed after its last
epoch stays stopped.

Where the recipe says so, a running average of the weights is what is judged and kept
(`training.averaging`).
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.loggers import Logger
from torch import nn

from crisislens.core.errors import ConfigError
from crisislens.training.batches import Batches, batch_count
from crisislens.training.module import TrainingModule
from crisislens.training.recipe import Judge, LossesOnly, Objective, Recipe, Trained
from crisislens.training.trainer import Machine, StopEarly, epoch_checkpoint, quiet_trainer

__all__ = ["train"]

T = TypeVar("T")
_COMPILER = ("torch._dynamo", "torch._inductor")


class _View(Generic[T]):
    """The batches as lightning asks for them: those of the epoch that it is in, and of this
    process.
    """

    def __init__(self, batches: Batches[T], module: TrainingModule) -> None:
        self.batches, self.module = batches, module

    def __len__(self) -> int:
        # by length lightning knows when an epoch has ended
        return len(self.batches) // self.module.trainer.world_size

    def __iter__(self) -> Iterator[T]:
        # a generator, which looks at the epoch when its first batch is taken: lightning makes the iterator of
        # a resumed run before it knows its epoch
        t = self.module.trainer
        yield from self.batches.epoch(t.current_epoch, rank=t.global_rank, world=t.world_size)


class _AfterEpoch(Checkpoint):
    """Tells the caller of each epoch. As one of the checkpoints it comes after the one that is
    written, so that a caller who stops here can go on from this epoch.
    """

    def __init__(self, call: Callable[[Any], None]) -> None:
        self.call = call

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, TrainingModule)
        self.call(pl_module.history[-1])


def train(
    network: nn.Module,
    objective: Objective,
    batches: Batches[Any],
    recipe: Recipe,
    *,
    machine: Machine,
    judge: Judge[Any] | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    after_epoch: Callable[[Any], None] | None = None,
    loggers: Sequence[Logger] = (),
) -> Trained[Any]:
    """Trains a network in place and leaves it in evaluation mode, on the CPU, with the weights of
    its best epoch; without a judge, of its last one.

    Arguments:
        network: What is trained; the objective knows how to call it.
        objective: What is minimized.
        batches: What it learns from.
        recipe: How.
        machine: What it runs on.
        judge: Scores each epoch; None scores none.
        checkpoint: Where the state is written after each epoch; None keeps none.
        resume: Whether to go on from the checkpoint if it is there.
        after_epoch: Called with each epoch's record; with several devices, once all have been
            trained.
        loggers: Where the numbers of each epoch go.

    Raises:
        ModelError: If training diverges, or the checkpoint belongs to another run.
        ConfigError: If the device is not there, or there are fewer batches than devices.
    """
    judge = judge or LossesOnly()
    module = TrainingModule(network, objective, recipe, judge, _steps(batches, recipe, machine))
    if machine.compile:
        module.compile_network()
    callbacks: list[Callback] = []
    if judge.monitor and recipe.patience is not None:
        callbacks.append(StopEarly(judge.monitor, mode=judge.mode, patience=recipe.patience))
    if checkpoint is not None:
        callbacks.append(epoch_checkpoint(checkpoint))
    # processes of their own cannot call back; they hand over the history when all have been trained
    if after_epoch is not None and machine.devices == 1:
        callbacks.append(_AfterEpoch(after_epoch))
    trainer = quiet_trainer(max_epochs=recipe.epochs, machine=machine, callbacks=callbacks, loggers=loggers)
    # encoders come in evaluation mode, and lightning leaves every module in the mode that it finds
    network.train()
    going_on = str(checkpoint) if checkpoint and resume and checkpoint.is_file() else None
    _fit(trainer, module, batches, going_on, machine)
    network.eval()
    history = module.history
    if after_epoch is not None and machine.devices > 1:
        for record in history[module.resumed_from :]:
            after_epoch(record)
    # without a judge the last epoch is kept, and counts as the best
    return Trained(module.best_epoch or len(history), history, module.resumed_from)


def _steps(batches: Batches[Any], recipe: Recipe, machine: Machine) -> int:
    """Steps of the whole run, which schedules need to know before the first."""
    shared = len(batches) // machine.devices
    if shared == 0:
        raise ConfigError(
            f"{len(batches)} batches cannot be shared by {machine.devices} devices; give more posts, smaller "
            f"batches or fewer devices"
        )
    return batch_count(shared, machine.accumulate) * recipe.epochs


def _fit(
    trainer: lightning.Trainer,
    module: TrainingModule,
    batches: Batches[Any],
    checkpoint: str | None,
    machine: Machine,
) -> None:
    try:
        trainer.fit(module, _View(batches, module), ckpt_path=checkpoint, weights_only=True)
    except RuntimeError as error:
        # the compiler's errors derive from RuntimeError, as those of the training itself do
        if not (machine.compile and type(error).__module__.startswith(_COMPILER)):
            raise
        raise ConfigError(
            f"torch cannot compile this network here ({type(error).__name__}); leave compile out"
        ) from error
