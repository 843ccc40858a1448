"""The one LightningModule: what happens in a step, at the end of an epoch, and in a checkpoint.

What differs between trainers is given to it (`training.recipe`, `training.objectives`); the loop
around it is `training.loop`.
"""

import time
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as lightning
import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from crisislens.core.errors import ModelError
from crisislens.training.averaging import RunningAverage
from crisislens.training.batches import EPOCH_STRIDE
from crisislens.training.optimizer import build_optimizer, build_plateau, build_schedule
from crisislens.training.recipe import EpochEnd, Judge, Objective, Recipe

__all__ = ["TrainingModule"]


class TrainingModule(lightning.LightningModule):
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
