"""What every training has in common: an objective, a recipe, a judge of its epochs, and what it
leaves behind.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from crisislens.training.config import OptimizerConfig

__all__ = ["EpochEnd", "Judge", "LossRecord", "LossesOnly", "Objective", "Recipe", "Trained"]

R = TypeVar("R", bound=BaseModel)


class Objective(nn.Module, ABC):
    """What a training minimizes. It is a module, since it may hold weights of classes, which move
    to a device, and layers that only training needs, which are trained along.

    Attributes:
        parts: Names of the losses that are added up, as records call them.
    """

    parts: tuple[str, ...] = ("train_loss",)

    @abstractmethod
    def loss(self, network: Any, batch: Any) -> Float[Tensor, "*k"]:
        """The loss of a batch: a number, or one number for each of `parts`, which are added up.

        Arguments:
            network: What is trained.
            batch: What the training's batches hold, on the network's device.
        """

    def reseed(self, seed: int) -> None:
        """Called at the start of each epoch; an objective with random numbers of its own seeds them
        here.
        """


@dataclass(frozen=True)
class Recipe:
    """How weights move, and which of them are kept.

    Attributes:
        epochs: Passes over the batches, at most.
        optimizer: Optimizer, rates, schedule and clipping.
        fused: Whether one kernel moves all weights; it rounds differently, so the trainers of
            shipped models stay without.
        encoders: How the names of parameters begin that have the encoder's rate.
        seed: From which dropout is seeded anew in each epoch; None goes on with torch's generator
            as it is.
        average: Largest decay a of the running average of the weights; 0 takes the weights as they
            are.
        patience: Epochs in a row that are no better than the best before them, after which training
            stops; None trains all epochs.
        mark: What a checkpoint must be marked with to go on from it.
    """

    epochs: int
    optimizer: OptimizerConfig
    fused: bool = False
    encoders: tuple[str, ...] = ("encoder.",)
    seed: int | None = None
    average: float = 0.0
    patience: int | None = None
    mark: str = ""


@dataclass(frozen=True)
class EpochEnd:
    """What a judge is told of an epoch.

    Attributes:
        epoch: Counted from 1.
        losses: Mean over the steps of each part of the objective.
        started: When it began, by `time.perf_counter`.
        device: Where the network is.
    """

    epoch: int
    losses: Mapping[str, float]
    started: float
    device: torch.device

    @property
    def seconds(self) -> float:
        """How long it has taken until now."""
        return time.perf_counter() - self.started


class LossRecord(BaseModel):
    """What an epoch without a judge came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the steps."""
    seconds: float


class Judge(ABC, Generic[R]):
    """Scores the network after each epoch on posts that were kept apart.

    Attributes:
        record: What it writes; has a field `epoch`.
        monitor: The field that chooses the epoch.
        mode: `min` or `max`: which values of it are better.
    """

    record: type[R]
    monitor: str
    mode: Literal["min", "max"]

    @abstractmethod
    def judge(self, network: Any, end: EpochEnd) -> R:
        """The record of an epoch.

        Arguments:
            network: In evaluation mode, in inference mode and in the training's precision.
            end: What is known of the epoch.

        Raises:
            ModelError: If training diverged.
        """


class LossesOnly(Judge[LossRecord]):
    """The judge where no posts are kept apart: the last epoch is kept."""

    record = LossRecord
    monitor = ""
    mode: Literal["min", "max"] = "min"

    def judge(self, network: Any, end: EpochEnd) -> LossRecord:
        return LossRecord(epoch=end.epoch, train_loss=sum(end.losses.values()), seconds=end.seconds)


@dataclass
class Trained(Generic[R]):
    """What training left behind beside the network.

    Attributes:
        best_epoch: The epoch that was kept, counted from 1.
        history: All epochs.
        resumed_from: Epochs that an earlier, killed run had finished; 0 for a run in one piece.
    """

    best_epoch: int
    history: list[R] = field(default_factory=list)
    resumed_from: int = 0
