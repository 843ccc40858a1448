r"""A fusion model on cached features with a weight for each post: what the product's models are trained with.

$$L = \frac{\sum_i \omega_i\, w_{y_i} \operatorname{CE}_\epsilon(\ell_i, y_i)}{\sum_i \omega_i\, w_{y_i}},$$

with post weights ω (weak labels count less) and the class weights w of `nn.losses`. AdamW, cosine decay, a
fixed number of epochs: with weak and strong labels mixed there is no one development loss to stop by, and the
models are small.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pytorch_lightning as lightning
import torch
from jaxtyping import Float, Int
from pydantic import Field
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional

from crisislens.core.config import Config
from crisislens.features.cache import FeatureCache
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.losses import Balance, class_weights
from crisislens.training.lightning_adapter import quiet_trainer

__all__ = ["HeadConfig", "predict_logits", "train_head"]

Batch = tuple[FeatureBatch, Tensor, Tensor]


class HeadConfig(Config):
    """How a model is trained on cached features."""

    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate; cosine decay to zero."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""
    batch_posts: int = Field(default=128, gt=0)
    """Posts a step."""
    epochs: int = Field(default=12, gt=0)
    """Passes over all posts."""
    smoothing: float = Field(default=0.05, ge=0, lt=1)
    """Label smoothing ε."""
    balance: Balance = "none"
    """Class weights, see `nn.losses`."""
    seed: int = 0
    """Of shuffling, dropout and initial weights."""


class _HeadModule(lightning.LightningModule):
    def __init__(
        self, model: FusionModel, weights: Float[Tensor, " c"], config: HeadConfig, steps: int
    ) -> None:
        super().__init__()
        self.model, self.config, self.steps = model, config, steps
        self.register_buffer("weights", weights)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        features, y, weight = batch
        assert isinstance(self.weights, Tensor)
        weight = weight * self.weights[y]
        rows = functional.cross_entropy(
            self.model(features), y, label_smoothing=self.config.smoothing, reduction="none"
        )
        return (rows * weight).sum() / weight.sum()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train_head(
    model: FusionModel,
    cache: FeatureCache,
    rows: Sequence[int],
    y: Sequence[int],
    weights: Sequence[float],
    config: HeadConfig,
) -> None:
    """Trains a model in place and leaves it in evaluation mode.

    Arguments:
        model: With fresh weights.
        cache: The features.
        rows: Positions of the training posts in the cache.
        y: Their classes.
        weights: Their weights ω > 0.
        config: The recipe.
    """
    labels = torch.tensor(y)
    loader = _Shuffled(cache, np.asarray(rows), labels, torch.tensor(weights, dtype=torch.float32), config)
    classes = int(model(cache.batch(loader.rows[:2])).shape[1])
    module = _HeadModule(
        model, class_weights(labels, classes, config.balance), config, steps=len(loader) * config.epochs
    )
    model.train()
    quiet_trainer(max_epochs=config.epochs, gradient_clip=1.0, device="cpu").fit(module, loader)
    model.eval()


def predict_logits(
    model: FusionModel,
    cache: FeatureCache,
    rows: Sequence[int],
    *,
    hide: str | None = None,
    batch_posts: int = 256,
) -> Float[np.ndarray, "s c"]:
    """Logits of cached posts.

    Arguments:
        model: In evaluation mode.
        cache: The features.
        rows: Positions in the cache.
        hide: `text` or `image`, to take that modality away; None for none.
        batch_posts: Posts a batch.
    """
    parts = []
    with torch.inference_mode():
        for start in range(0, len(rows), batch_posts):
            batch = cache.batch(np.asarray(rows[start : start + batch_posts]))
            if hide is not None:
                gone = torch.ones(len(batch), dtype=torch.bool)
                batch = batch.map(**{hide: batch.modalities()[hide].without(gone)})
            parts.append(model(batch).float().numpy())
    return np.concatenate(parts)


class _Shuffled:
    """Random batches, others each epoch."""

    def __init__(
        self,
        cache: FeatureCache,
        rows: Int[np.ndarray, " s"],
        labels: Int[Tensor, " s"],
        weights: Float[Tensor, " s"],
        config: HeadConfig,
    ) -> None:
        self.cache, self.rows, self.labels, self.weights, self.size = (
            cache,
            rows,
            labels,
            weights,
            config.batch_posts,
        )
        self.generator = torch.Generator().manual_seed(config.seed)

    def __len__(self) -> int:
        return -(-len(self.rows) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for picked in torch.split(torch.randperm(len(self.rows), generator=self.generator), self.size):
            yield self.cache.batch(self.rows[picked.numpy()]), self.labels[picked], self.weights[picked]
