"""pytorch-lightning's trainer as this project wants it: quiet, interruptible, with checkpoints that
survive a kill, and with loggers by name.

What lightning brings: the loop, optimizers and schedules at the right time, mixed precision,
accumulation, devices, early stopping, checkpoints, loggers. What is switched off: its progress bar
(commands draw one bar over all seeds and epochs, and notebooks get the records), its summary, its
default logger and default checkpoints. A step of a small model then costs about as much as its
arithmetic.
"""

import logging
import os
import signal
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger, Logger
from pytorch_lightning.plugins.io import TorchCheckpointIO

from crisislens.core.optional import require
from crisislens.training.config import LoggerName
from crisislens.training.devices import resolve_device

__all__ = ["Machine", "StopEarly", "build_loggers", "epoch_checkpoint", "quiet_trainer"]

Precision = Literal["32-true", "bf16-mixed", "16-mixed"]

_SILENCED = (
    # lightning 2.6 builds a LeafSpec, which torch 2.13 deprecates
    (".*LeafSpec.*", FutureWarning),
    # an artifact's folder holds more than checkpoints, and may have been moved since
    ("Checkpoint directory .* exists and is not empty", UserWarning),
    ("The dirpath has changed from", UserWarning),
    # norms over a batch of a tuned image encoder are meant to be in evaluation mode
    (r"Found \d+ module\(s\) in eval mode", UserWarning),
    # a resumed run writes all of its epochs again
    ("Experiment logs directory .* exists and is not empty", UserWarning),
)


@dataclass(frozen=True)
class Machine:
    """What a training runs on. `devices` and `accumulate` make a step larger; the others change
    what is computed by rounding and, on other devices or compiled, by which random numbers dropout
    draws.

    Attributes:
        device: `auto`, `cpu`, `cuda` or `mps`.
        devices: How many; each takes batches of its own, and a step is over all of them.
        precision: As lightning names it.
        accumulate: Batches a step.
        compile: Whether the network is compiled before it is trained.
        double: Whether double precision is needed, which `mps` lacks.
    """

    device: str = "auto"
    devices: int = 1
    precision: Precision = "32-true"
    accumulate: int = 1
    compile: bool = False
    double: bool = False


class _QuietTrainer(lightning.Trainer):
    """Undoes two habits of lightning 2.6: warnings about what is meant to be so; and Ctrl-C, which
    it answers by ignoring the signal from then on and exiting with code 1, where a caller expects a
    `KeyboardInterrupt`.
    """

    def fit(self, *args: Any, **kwargs: Any) -> None:
        handler = signal.getsignal(signal.SIGINT)
        try:
            with warnings.catch_warnings():
                for message, category in _SILENCED:
                    warnings.filterwarnings("ignore", message=message, category=category)
                super().fit(*args, **kwargs)
        except SystemExit as stopped:
            if not isinstance(stopped.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None


class StopEarly(EarlyStopping):
    """Lightning's early stopping, and one thing more: a run that was killed after its last epoch
    stays stopped when it is resumed. Lightning's own would train one epoch before it looks at the
    count again.

    Arguments:
        monitor: What is watched, as it is logged.
        mode: `min` or `max`.
        patience: Epochs in a row without improvement after which training stops.
    """

    def __init__(self, monitor: str, *, mode: str, patience: int) -> None:
        super().__init__(monitor, mode=mode, patience=patience, check_on_train_epoch_end=True)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class _WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a kill leaves the old one or the
    new.

    Lightning's own writes to the system's temporary folder first; where that is another file
    system, the move to its place is a copy, and a kill in the middle of it leaves half a
    checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        place = Path(path)
        part = place.with_suffix(".part")
        super().save_checkpoint(checkpoint, part, storage_options)
        part.replace(place)


def epoch_checkpoint(path: Path) -> ModelCheckpoint:
    """Lightning's checkpoint of the whole state, after each epoch at one place."""
    return ModelCheckpoint(
        dirpath=path.parent,
        filename=path.stem,
        save_top_k=1,
        every_n_epochs=1,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def build_loggers(names: Sequence[LoggerName], folder: Path, run: str) -> list[Logger]:
    """Loggers by name.

    Arguments:
        names: `csv`, `tensorboard`, `wandb` or `mlflow`; each at most once.
        folder: Where they write; `csv` to `logs/csv/metrics.csv`.
        run: What the run is called there.

    Raises:
        MissingExtraError: If a logger's package is not installed.
    """
    return [_build_logger(name, folder / "logs", run) for name in names]


def _build_logger(name: LoggerName, folder: Path, run: str) -> Logger:
    if name == "csv":
        return CSVLogger(folder.parent, name=folder.name, version="csv", flush_logs_every_n_steps=1)
    require(name, extra=name)
    from pytorch_lightning import loggers

    folder.mkdir(parents=True, exist_ok=True)
    if name == "tensorboard":
        return loggers.TensorBoardLogger(folder, name="tensorboard", version="")
    if name == "wandb":
        return loggers.WandbLogger(name=run, project="crisislens", save_dir=folder)
    # runs lie beside the others unless the user's own setting names a server
    where = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    return loggers.MLFlowLogger(experiment_name="crisislens", run_name=run, tracking_uri=where)


def quiet_trainer(
    *,
    max_epochs: int,
    machine: Machine,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> lightning.Trainer:
    """A trainer that trains, and does nothing else that it is not asked for.

    Arguments:
        max_epochs: Epochs to train.
        machine: What it runs on.
        callbacks: What is called meanwhile.
        loggers: Where numbers go.

    Raises:
        ConfigError: If the device is not there.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    device = resolve_device(machine.device, double=machine.double)
    return _QuietTrainer(
        accelerator=device.type,
        devices=machine.devices if device.index is None else [device.index],
        # processes of their own, started anew: forked ones may not use CUDA, nor torch's threads
        strategy="ddp_spawn" if machine.devices > 1 else "auto",
        precision=machine.precision,
        accumulate_grad_batches=machine.accumulate,
        max_epochs=max_epochs,
        callbacks=list(callbacks),
        plugins=[_WholeFiles()],
        logger=list(loggers) or False,
        log_every_n_steps=1,
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
