"""The one place that knows pytorch-lightning: a trainer without noise, and training of one network with all
that a run file asks for.

What lightning brings: the loop, optimizers and schedules at the right time, gradient clipping, mixed
precision, devices, early stopping, checkpoints that hold all of it. What is switched off: loggers, progress
bars, summaries, its own checkpoints and seeds; a step of a small model costs about as much as its arithmetic
then.

Runs repeat: shuffling depends on seed and epoch alone, and dropout is seeded anew at the start of every
epoch. So a run that was killed and goes on from its last finished epoch gives the numbers of an undisturbed
one.
"""

import logging
import math
import signal
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict
from pytorch_lightning.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.errors import ModelError
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.training.config import RunConfig
from crisislens.training.inputs import Inputs, LabeledBatches, epoch_batches
from crisislens.training.optimizer import build_optimizer, rate_factor
from crisislens.training.predict import evaluation_batches

__all__ = ["EpochRecord", "Outcome", "quiet_trainer", "train_network"]

_SEED_STRIDE = 1_000_003


class EpochRecord(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    """Counted from 1."""
    train_loss: float
    dev_loss: float
    """Cross-entropy of the development posts in nats, without weights and smoothing."""
    dev_accuracy: float
    dev_macro_f1: float
    dev_weighted_f1: float
    seconds: float


@dataclass
class Outcome:
    """What training left behind.

    Attributes:
        best_epoch: The epoch that was kept, counted from 1.
        history: All epochs.
        resumed_from: Epochs that an earlier, killed run had finished; 0 for a run in one piece.
    """

    best_epoch: int
    history: list[EpochRecord] = field(default_factory=list)
    resumed_from: int = 0


class _QuietTrainer(lightning.Trainer):
    """Undoes two habits of lightning 2.6.

    It builds a `LeafSpec`, which torch 2.13 deprecates with a warning; and it answers Ctrl-C by ignoring the
    signal from then on and exiting with code 1, where a caller expects a `KeyboardInterrupt`.
    """

    def fit(self, *args: Any, **kwargs: Any) -> None:
        handler = signal.getsignal(signal.SIGINT)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
                super().fit(*args, **kwargs)
        except SystemExit as stopped:
            if not isinstance(stopped.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None


class _AfterEpoch(Callback):
    def __init__(self, call: Callable[[int], None]) -> None:
        self.call = call

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.call(trainer.current_epoch + 1)


def quiet_trainer(
    *,
    max_epochs: int,
    gradient_clip: float | None = None,
    after_epoch: Callable[[int], None] | None = None,
    callbacks: Sequence[Callback] = (),
    device: str = "auto",
    precision: str = "32-true",
) -> lightning.Trainer:
    """A trainer that trains and does nothing else: no logs, no bars, no files.

    Arguments:
        max_epochs: Epochs to train.
        gradient_clip: Largest norm of the gradient; None does not clip.
        after_epoch: Called after each epoch with the epochs done.
        callbacks: More to call.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: As lightning names it.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return _QuietTrainer(
        accelerator=device,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=max_epochs,
        gradient_clip_val=gradient_clip,
        callbacks=[*callbacks, *([_AfterEpoch(after_epoch)] if after_epoch else [])],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


class _Module(lightning.LightningModule):
    def __init__(
        self, network: nn.Module, run: RunConfig, seed: int, weights: Float[Tensor, " c"], steps: int
    ) -> None:
        super().__init__()
        self.network, self.run, self.seed, self.steps = network, run, seed, steps
        self.register_buffer("weights", weights, persistent=False)
        self.history: list[EpochRecord] = []
        self._losses: list[Tensor] = []
        self._dev: list[tuple[Tensor, Tensor]] = []
        self._started, self.resumed_from = 0.0, 0

    def transfer_batch_to_device(
        self, batch: tuple[object, Tensor], device: torch.device, dataloader_idx: int
    ) -> tuple[object, Tensor]:
        """Inputs are where they belong already, or move in one piece."""
        inputs, y = batch
        return (inputs if device.type == "cpu" else inputs.to(device)), y.to(device)  # type: ignore[attr-defined]

    def on_train_epoch_start(self) -> None:
        """Seeds dropout for this epoch, whichever epochs this process has seen before."""
        torch.manual_seed(self.seed * _SEED_STRIDE + self.current_epoch)
        self._losses, self._started = [], time.perf_counter()

    def training_step(self, batch: tuple[object, Tensor], _: int) -> Tensor:
        inputs, y = batch
        assert isinstance(self.weights, Tensor)
        logits = self.network(inputs)
        loss = functional.cross_entropy(
            logits, y, weight=self.weights, label_smoothing=self.run.loss.smoothing
        )
        self._losses.append(loss.detach())
        return loss

    def validation_step(self, batch: tuple[object, Tensor], _: int) -> None:
        inputs, y = batch
        self._dev.append((self.network(inputs).float(), y))

    def on_validation_epoch_end(self) -> None:
        """Scores the development posts."""
        logits, y = (torch.cat(parts).cpu() for parts in zip(*self._dev, strict=True))
        self._dev = []
        if not logits.isfinite().all():
            raise ModelError(
                f"training diverged in epoch {self.current_epoch + 1}: logits are not finite; lower "
                f"optimizer.learning_rate"
            )
        c = logits.shape[1]
        cells = confusion_cells(y.numpy(), logits.argmax(1).numpy(), c)
        n = np.bincount(cells, minlength=c * c).reshape(c, c).astype(np.float64)
        record = EpochRecord(
            epoch=self.current_epoch + 1,
            train_loss=float(torch.stack(self._losses).mean()),
            dev_loss=float(functional.cross_entropy(logits, y)),
            **{f"dev_{name}": float(SCORES[name](n)) for name in ("accuracy", "macro_f1", "weighted_f1")},
            seconds=time.perf_counter() - self._started,
        )
        self.history.append(record)
        self.log(f"dev_{self.run.stopping.monitor}", getattr(record, f"dev_{self.run.stopping.monitor}"))
        if self.run.optimizer.schedule == "plateau" and self.run.stopping.monitor != "loss":
            self.log("dev_loss", record.dev_loss)

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule."""
        optimizer = build_optimizer(self.network, self.run.optimizer, fused=self.run.precision != "16-mixed")
        o = self.run.optimizer
        if o.schedule == "plateau":
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=0.1, patience=o.plateau_patience
            )
            return {
                "optimizer": optimizer,
                "lr_scheduler": {"scheduler": plateau, "interval": "epoch", "monitor": "dev_loss"},
            }
        if o.schedule == "constant" and o.warm_up == 0:
            return {"optimizer": optimizer}
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(o, self.steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Adds what happened so far."""
        checkpoint["history"] = [record.model_dump() for record in self.history]
        checkpoint["run"] = self.run.fingerprint()

    def on_load_checkpoint(self, checkpoint: dict[str, object]) -> None:
        """Takes up what happened before."""
        if checkpoint.get("run") != self.run.fingerprint():
            raise ModelError(
                "the checkpoint belongs to another run file; resume with the one it was started with, or "
                "start anew"
            )
        self.history = [EpochRecord.model_validate(record) for record in checkpoint["history"]]  # type: ignore[attr-defined]
        self.resumed_from = len(self.history)


class _KeepBest(Callback):
    """Holds the weights of the best epoch, also across a resume."""

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor
        self.epoch, self.value, self.weights = 0, math.nan, dict[str, Tensor]()

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, _Module)
        value = getattr(pl_module.history[-1], f"dev_{self.monitor}")
        value = -value if self.monitor == "loss" else value
        if self.epoch == 0 or value > self.value:
            self.epoch, self.value = pl_module.history[-1].epoch, value
            self.weights = {name: x.detach().clone() for name, x in pl_module.network.state_dict().items()}

    def state_dict(self) -> dict[str, object]:
        return {"epoch": self.epoch, "value": self.value, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        self.epoch, self.value, self.weights = (state_dict[key] for key in ("epoch", "value", "weights"))  # type: ignore[assignment]


class _Checkpoint(Callback):
    """Writes the whole state after each epoch, beside its place and then renamed, so that a kill leaves the
    old one or the new.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        trainer.save_checkpoint(part)
        part.replace(self.path)


class _StopEarly(Callback):
    """Stops after `patience` epochs in a row that were no better than the best before them.

    It reads the record of all epochs, which the checkpoint holds, and not a counter of its own: a run that
    was killed after its last epoch stays stopped when it is resumed.
    """

    def __init__(self, monitor: str, patience: int) -> None:
        self.monitor, self.patience = monitor, patience

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._check(trainer, pl_module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._check(trainer, pl_module)

    def _check(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, _Module)
        sign = -1 if self.monitor == "loss" else 1
        best, waited = -math.inf, 0
        for record in pl_module.history:
            value = sign * getattr(record, f"dev_{self.monitor}")
            best, waited = (value, 0) if value > best else (best, waited + 1)
        trainer.should_stop = trainer.should_stop or waited >= self.patience


def train_network(
    network: nn.Module,
    run: RunConfig,
    *,
    seed: int,
    train: tuple[Inputs, Int[Tensor, " s"]],
    dev: tuple[Inputs, Int[Tensor, " n"]],
    weights: Float[Tensor, " c"],
    checkpoint: Path | None = None,
    resume: bool = False,
    after_epoch: Callable[[EpochRecord], None] | None = None,
) -> Outcome:
    """Trains a network in place and leaves it with the weights of its best epoch on the development posts, in
    evaluation mode.

    Arguments:
        network: From a batch of the inputs to logits.
        run: The recipe.
        seed: Of shuffling and dropout.
        train: Inputs and classes of the posts to learn from.
        dev: Inputs and classes of the posts that decide when to stop.
        weights: The weight of each class in the loss.
        checkpoint: Where the state is written after each epoch; None keeps none.
        resume: Whether to go on from the checkpoint if it is there.
        after_epoch: Called with each epoch's record.

    Raises:
        ModelError: If training diverges, or the checkpoint belongs to another run.
    """
    # the published forms mix the posts of a batch, so theirs are drawn blindly, as the authors' were
    lengths, size = train[0].lengths * (not run.as_published), run.batch_posts
    count = len(epoch_batches(lengths, size, seed=seed, epoch=0))
    module = _Module(network, run, seed, weights, steps=count * run.epochs)
    best, callbacks = _KeepBest(run.stopping.monitor), list[Callback]()
    if run.stopping.patience is not None:
        callbacks.append(_StopEarly(run.stopping.monitor, run.stopping.patience))
    callbacks += [best, *([_Checkpoint(checkpoint)] if checkpoint else [])]
    trainer = quiet_trainer(
        max_epochs=run.epochs,
        gradient_clip=run.optimizer.gradient_clip,
        after_epoch=(lambda _: after_epoch(module.history[-1])) if after_epoch else None,
        callbacks=callbacks,
        device=run.device,
        precision=run.precision,
    )
    batches = LabeledBatches(
        *train,
        lambda: epoch_batches(
            lengths, size, seed=seed, epoch=0 if run.fixed_batches else trainer.current_epoch
        ),
        count=count,
    )
    rows = evaluation_batches(dev[0].lengths, run)
    # encoders come in evaluation mode, and lightning leaves every module in the mode that it finds
    network.train()
    going_on = str(checkpoint) if checkpoint and resume and checkpoint.is_file() else None
    trainer.fit(
        module,
        batches,
        LabeledBatches(*dev, lambda: rows, count=len(rows)),
        ckpt_path=going_on,
        weights_only=True,
    )
    network.load_state_dict(best.weights)
    network.eval()
    return Outcome(best.epoch, module.history, module.resumed_from)
