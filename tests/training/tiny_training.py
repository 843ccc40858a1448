"""A training of milliseconds: points on a plane, and a network of one layer."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from training_cases import small_run

from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.losses import class_weights
from crisislens.training.classification import EpochRecord, train_network
from crisislens.training.config import RunConfig
from crisislens.training.recipe import Trained


class Points:
    """Posts whose pooled vectors of text and photo are given; lengths differ."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.lengths = x, np.arange(len(x)) % 5 + 1

    def batch(self, rows: np.ndarray) -> FeatureBatch:
        x = self.x[torch.from_numpy(rows)]
        return FeatureBatch(text=self._one(x), image=self._one(x))

    @staticmethod
    def _one(x: Tensor) -> ModalityBatch:
        everyone = torch.ones(len(x), dtype=torch.bool)
        return ModalityBatch(x[:, None], everyone[:, None], x, everyone)


class OneLayer(nn.Module):
    """Logits from both pooled vectors, with dropout, so that random numbers matter."""

    def __init__(self, classes: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.drop, self.layer = nn.Dropout(dropout), nn.Linear(4, classes)

    def forward(self, batch: FeatureBatch) -> Tensor:
        out: Tensor = self.layer(self.drop(torch.cat([batch.text.pooled, batch.image.pooled], 1)))
        return out


def points(posts: int, seed: int) -> tuple[Points, Tensor]:
    """Points, and to which sides of two lines they lie: two labels, any of which may hold."""
    x = torch.randn(posts, 2, generator=torch.Generator().manual_seed(seed))
    return Points(x), (x > 0.2).float()


def tiny_run(root: Path, **changes: Any) -> RunConfig:
    """The run file."""
    values: dict[str, Any] = {"optimizer": {"learning_rate": 3e-2}, "loss": {"balance": "none"}}
    return small_run(root, **{**values, **changes})


def tiny_training(
    run: RunConfig, *, several: bool = False, **more: Any
) -> tuple[Trained[EpochRecord], dict[str, Tensor], list[EpochRecord]]:
    """What a training came to, the weights it left, and the epochs that it told of."""
    torch.manual_seed(0)
    (train, y), (dev, z) = points(60, 0), points(40, 1)
    told: list[EpochRecord] = []
    call = more.pop("after_epoch", told.append)
    weights = None
    if not several:
        # one of four classes: which of the two labels hold
        y, z = ((2 * a[:, 0] + a[:, 1]).long() for a in (y, z))
        weights = class_weights(y, 4, run.loss.balance)
    network = OneLayer(2 if several else 4)
    outcome = train_network(
        network,
        run,
        seed=3,
        train=(train, y),
        dev=(dev, z),
        weights=weights,
        several=several,
        after_epoch=call,
        **more,
    )
    return outcome, network.state_dict(), told
