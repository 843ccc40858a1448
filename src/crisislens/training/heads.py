r"""A fusion model on cached features with a weight for each post: what the product's models are
trained with.

$$L = \frac{\sum_i \omega_i\, w_{y_i} \operatorname{CE}_\epsilon(\ell_i, y_i)}{\sum_i \omega_i\, w_{y_i}},$$

with post weights ω (weak labels count less) and the class weights w of `nn.losses`. AdamW, cosine
decay, a fixed number of epochs: with weak and strong labels mixed there is no one development loss
to stop by, and the models are small.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.features.cache import FeatureCache
from crisislens.models.base import FusionModel
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.losses import Balance, class_weights
from crisislens.training.batches import Batches, StreamOrder, batch_count, random_batches
from crisislens.training.devices import Device
from crisislens.training.loop import train
from crisislens.training.objectives import WeightedPostsLoss
from crisislens.training.optimizer import head_recipe
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine

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
    """Of shuffling; dropout goes on with torch's generator as it is."""
    device: Device = "auto"
    """Where to train."""


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

    Raises:
        ConfigError: If the device is not there.
    """
    posts = np.asarray(rows)
    labels, post_weights = torch.tensor(y), torch.tensor(weights, dtype=torch.float32)
    # before training: a model in training mode would draw random numbers here
    classes = int(model(cache.batch(posts[:2])).shape[1])

    def collate(picked: Int[np.ndarray, " b"]) -> Batch:
        return cache.batch(posts[picked]), labels[picked], post_weights[picked]

    size = config.batch_posts
    order = StreamOrder(lambda generator: random_batches(len(posts), size, generator), config.seed)
    optimizer = head_recipe(learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    train(
        model,
        WeightedPostsLoss(class_weights(labels, classes, config.balance), smoothing=config.smoothing),
        Batches(order, collate, count=batch_count(len(posts), size)),
        Recipe(epochs=config.epochs, optimizer=optimizer),
        machine=Machine(device=config.device),
    )


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
