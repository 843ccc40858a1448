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

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytorch_lightning as lightning
import torch
from pydantic import BaseModel
from pytorch_lightning.callbacks import Callback, Checkpoint
from pytorch_lightning.loggers import Logger
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from crisislens.core.errors import ConfigError, ModelError
from crisislens.training.averaging import RunningAverage
from crisislens.training.batches import EPOCH_STRIDE, Batches, batch_count
from crisislens.training.objectives import Objective
from crisislens.training.optimizer import build_optimizer, build_plateau, build_schedule
from crisislens.training.recipe import EpochEnd, Judge, LossesOnly, Recipe, Trained
from crisislens.training.trainer import Machine, StopEarly, epoch_checkpoint, quiet_trainer

__all__ = ["train"]

T = TypeVar("T")
_COMPILER = ("torch._dynamo", "torch._inductor")


class _TrainingModule(lightning.LightningModule):
    """The one module. The history is part of its state, so that processes of their own can hand it
    over.
    """

    def __init__(
        self, network: nn.Module, objective: Objective, recipe: Recipe, judge: Judge[Any], steps: int
    ) -> None:
        super().__init__()
        self.network, self.objective = network, objective
        self.recipe, self.judge, self.steps = recipe, judge, steps
        self.average = RunningAverage(network, decay=recipe.average) if recipe.average else None
        self.history: list[BaseModel] = []
        self.best_epoch, self.resumed_from = 0, 0
        self._best_weights: dict[str, Tensor] = {}
        # what the objective calls: the network or its compiled form; in a list, so that it is no submodule
        self._called: list[Any] = [network]
        self._losses: list[Tensor] = []
        self._started = 0.0
        self._plateau: ReduceLROnPlateau | None = None
        self._plateau_state: dict[str, Any] = {}

    def compile_network(self) -> None:
        """Has the network compiled when it is first called."""
        self._called = [torch.compile(self.network)]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        # on the CPU a batch is where it belongs already
        if device.type == "cpu":
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)

    def configure_optimizers(self) -> Any:
        r = self.recipe
        optimizer = build_optimizer(
            self.network, r.optimizer, fused=r.fused, encoders=r.encoders, beside=self.objective
        )
        self._plateau = build_plateau(optimizer, r.optimizer)
        if self._plateau is not None and self._plateau_state:
            self._plateau.load_state_dict(self._plateau_state)
        schedule = build_schedule(optimizer, r.optimizer, self.steps)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        # lightning's own refuses fused optimizers in mixed precision, also where nothing scales the gradient
        norm = self.recipe.optimizer.gradient_clip
        if norm is not None:
            clipped = [p for group in optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(clipped, norm)

    def on_train_start(self) -> None:
        # made, or read from a checkpoint, before lightning moved the weights
        if self.average is not None:
            self.average.follow()
        # loggers that begin anew on a resumed run get the epochs of before
        for record in self.history:
            self._log(record)

    def on_train_epoch_start(self) -> None:
        if self.recipe.seed is not None:
            # whichever epochs this process has seen before
            seed = self.recipe.seed * EPOCH_STRIDE + self.current_epoch
            torch.manual_seed(seed)
            self.objective.reseed(seed)
        self._losses, self._started = [], time.perf_counter()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.objective.loss(self._called[0], batch)
        self._losses.append(loss.detach())
        return loss.sum()

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.average is not None:
            self.average.update(self.global_step)

    def on_train_epoch_end(self) -> None:
        """Judges the epoch; early stopping, checkpoint and callers come after this."""
        record = self._judged()
        self.history.append(record)
        self._log(record)
        if not self.judge.monitor:
            return
        # in double precision, so that scores which differ are told apart; Apple's GPUs have none
        exact = torch.float32 if self.device.type == "mps" else torch.float64
        value = torch.tensor(getattr(record, self.judge.monitor), dtype=exact)
        # all processes judge all posts and so agree; asking them keeps lightning from advising it
        together = self.trainer.world_size > 1
        self.log(self.judge.monitor, value, logger=False, batch_size=1, sync_dist=together)
        if self._plateau is not None:
            # not by lightning, which steps it after the checkpoint: a resumed run would miss an epoch
            self._plateau.step(record.model_dump()["dev_loss"])

    def _judged(self) -> BaseModel:
        """The record of the epoch that has ended; keeps its weights if they are the best so far."""
        columns = torch.stack(self._losses).reshape(len(self._losses), -1).unbind(1)
        means = [float(column.contiguous().mean()) for column in columns]
        end = EpochEnd(
            epoch=self.current_epoch + 1,
            losses=dict(zip(self.objective.parts, means, strict=True)),
            started=self._started,
            device=self.device,
        )
        with self.average.in_place() if self.average is not None else nullcontext():
            self.network.eval()
            with self.trainer.precision_plugin.forward_context(), torch.inference_mode():
                record: BaseModel = self.judge.judge(self.network, end)
            if self._is_best(record):
                self.best_epoch, self._best_weights = end.epoch, self._weights()
        self.network.train()
        return record

    def _is_best(self, record: BaseModel) -> bool:
        monitor = self.judge.monitor
        if not monitor or self.best_epoch == 0:
            return bool(monitor)
        now, before = getattr(record, monitor), getattr(self.history[self.best_epoch - 1], monitor)
        return bool(now > before if self.judge.mode == "max" else now < before)

    def _weights(self) -> dict[str, Tensor]:
        """A copy of all that training may change: weights in training, and buffers."""
        frozen = {name for name, p in self.network.named_parameters() if not p.requires_grad}
        state = self.network.state_dict()
        return {name: x.detach().clone() for name, x in state.items() if name not in frozen}

    def _log(self, record: BaseModel) -> None:
        values = record.model_dump()
        epoch = values.pop("epoch")
        for logger in self.trainer.loggers:
            logger.log_metrics(values, step=epoch)

    def on_fit_end(self) -> None:
        """Leaves the network with the weights of its best epoch."""
        if self._best_weights:
            self.network.load_state_dict(self._best_weights, strict=False)

    def get_extra_state(self) -> dict[str, Any]:
        """What happened so far."""
        history = [record.model_dump() for record in self.history]
        return {"history": history, "best_epoch": self.best_epoch, "resumed_from": self.resumed_from}

    def set_extra_state(self, state: Any) -> None:
        """Takes up what happened before."""
        self.history = [self.judge.record.model_validate(record) for record in state["history"]]
        self.best_epoch, self.resumed_from = state["best_epoch"], state["resumed_from"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["crisislens"] = {
            "mark": self.recipe.mark,
            "best_weights": self._best_weights,
            "average": {} if self.average is None else self.average.state_dict(),
            "plateau": {} if self._plateau is None else self._plateau.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint.get("crisislens", {})
        if kept.get("mark") != self.recipe.mark:
            raise ModelError(
                "the checkpoint belongs to another run file; resume with the one it was started with and the "
                "same data, or give another folder to start anew"
            )
        self._best_weights, self._plateau_state = kept["best_weights"], kept["plateau"]
        if self.average is not None:
            self.average.load_state_dict(kept["average"], step=checkpoint["global_step"])
        state = checkpoint["state_dict"]["_extra_state"]
        state["resumed_from"] = len(state["history"])


class _View(Generic[T]):
    """The batches as lightning asks for them: those of the epoch that it is in, and of this
    process.
    """

    def __init__(self, batches: Batches[T], module: _TrainingModule) -> None:
        self.batches, self.module = batches, module

    def __len__(self) -> int:
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
        assert isinstance(pl_module, _TrainingModule)
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
    shared = len(batches) // machine.devices
    if shared == 0:
        raise ConfigError(
            f"{len(batches)} batches cannot be shared by {machine.devices} devices; give more posts, smaller "
            f"batches or fewer devices"
        )
    steps = batch_count(shared, machine.accumulate) * recipe.epochs
    module = _TrainingModule(network, objective, recipe, judge, steps)
    if machine.compile:
        module.compile_network()
    callbacks: list[Callback] = []
    if judge.monitor and recipe.patience is not None:
        callbacks.append(StopEarly(judge.monitor, mode=judge.mode, patience=recipe.patience))
    if checkpoint is not None:
        callbacks.append(epoch_checkpoint(checkpoint))
    if after_epoch is not None and machine.devices == 1:
        callbacks.append(_AfterEpoch(after_epoch))
    trainer = quiet_trainer(max_epochs=recipe.epochs, machine=machine, callbacks=callbacks, loggers=loggers)
    # encoders come in evaluation mode, and lightning leaves every module in the mode that it finds
    network.train()
    going_on = str(checkpoint) if checkpoint and resume and checkpoint.is_file() else None
    try:
        trainer.fit(module, _View(batches, module), ckpt_path=going_on, weights_only=True)
    except RuntimeError as error:
        if not (machine.compile and type(error).__module__.startswith(_COMPILER)):
            raise
        raise ConfigError(
            f"torch cannot compile this network here ({type(error).__name__}); leave compile out"
        ) from error
    network.eval()
    history = module.history
    if after_epoch is not None and machine.devices > 1:
        for record in history[module.resumed_from :]:
            after_epoch(record)
    return Trained(module.best_epoch or len(history), history, module.resumed_from)
