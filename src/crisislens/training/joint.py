r"""Training of the compact joint encoder on texts and photos that belong together.

$$L = L_{\text{align}} + \lambda\, L_{\text{match}}, \qquad
  L_{\text{match}} = \frac{1}{2b} \sum_m \operatorname{BCE}(1, m(t_m, i_m)) + \operatorname{BCE}(0, m(t_m,
  i_{n(m)})),$$

the contrastive loss of aligned states (`nn.joint`) and image-text matching on the pooled mixed
state (ViLT, Sec. 3.2), the wrong picture n(m) drawn from the batch by similarity, never from the
pair's own group (hard negatives, Li et al. 2021, ALBEF, https://arxiv.org/abs/2107.07651, Sec.
3.2). The towers below are frozen, so their states are made once. AdamW, cosine decay.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from crisislens.core.config import Config
from crisislens.features.cache import FeatureCache
from crisislens.nn.joint import JointEncoder
from crisislens.training.batches import Batches
from crisislens.training.devices import Device
from crisislens.training.loop import train
from crisislens.training.objectives import JointSpaceLoss
from crisislens.training.optimizer import head_recipe
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine

__all__ = ["JointBatch", "JointPair", "JointTraining", "train_joint"]


class JointTraining(Config):
    """How the joint encoder is trained."""

    width: int = Field(default=128, gt=0)
    """The width inside."""
    layers: int = Field(default=2, ge=0)
    """Blocks above the inlets."""
    heads: int = Field(default=4, gt=0)
    """Heads of their attention."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Of the inlets."""
    match: float = Field(default=1.0, ge=0)
    """λ: weight of image-text matching; 0 leaves it, and the blocks untrained."""
    temperature: float = Field(default=0.05, gt=0)
    """θ of the contrastive loss."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate; cosine decay to zero."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""
    batch_pairs: int = Field(default=64, gt=1)
    """Pairs a step, each other's negatives."""
    epochs: int = Field(default=6, gt=0)
    """Passes over all photos."""
    seed: int = 0
    """Of shuffling, dropout and initial weights."""
    device: Device = "auto"
    """Where to train."""


@dataclass(frozen=True)
class JointPair:
    """A photo with the texts that belong to it, of which each epoch draws one.

    Attributes:
        texts: States of the words of each text.
        photo: The photo's position in the cache.
        group: Pairs of one group are no negatives of each other.
    """

    texts: tuple[Float[Tensor, "w d"], ...]
    photo: int
    group: int


JointBatch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""States of words with their mask, states of patches with theirs, and groups."""


def train_joint(
    pairs: Sequence[JointPair],
    photos: FeatureCache,
    config: JointTraining,
    *,
    progress: Callable[[int], None] | None = None,
) -> JointEncoder:
    """Trains a joint encoder and returns it in evaluation mode.

    Arguments:
        pairs: Texts and photos.
        photos: Patch states of the photos.
        config: The recipe.
        progress: Called after each epoch with the epochs done.

    Raises:
        ConfigError: If the device is not there.
    """
    torch.manual_seed(config.seed)
    joint = JointEncoder(
        text_width=pairs[0].texts[0].shape[1],
        image_width=photos.widths.image,
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        dropout=config.dropout,
    )
    objective = JointSpaceLoss(width=config.width, match=config.match, temperature=config.temperature)
    optimizer = head_recipe(learning_rate=config.learning_rate, weight_decay=config.weight_decay)
    train(
        joint,
        objective,
        _batches(pairs, photos, config),
        Recipe(epochs=config.epochs, optimizer=optimizer),
        machine=Machine(device=config.device),
        after_epoch=None if progress is None else lambda record: progress(record.epoch),
    )
    return joint


def _batches(pairs: Sequence[JointPair], photos: FeatureCache, config: JointTraining) -> Batches[JointBatch]:
    """Random batches, others each epoch, with one random text a photo; pairs left over wait for the
    next.
    """
    random = np.random.default_rng(config.seed)
    size = config.batch_pairs
    count = max(1, len(pairs) // size)

    def order(epoch: int) -> list[Int[np.ndarray, " b"]]:
        permuted = random.permutation(len(pairs))
        return [permuted[i * size : (i + 1) * size] for i in range(count)]

    def collate(rows: Int[np.ndarray, " b"]) -> JointBatch:
        chosen = [pairs[i] for i in rows]
        # another wording of the photo in each epoch, so that none is learned by heart
        texts = [pair.texts[random.integers(len(pair.texts))] for pair in chosen]
        image = photos.batch(np.array([pair.photo for pair in chosen])).image
        text = pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([len(x) for x in texts])
        mask = torch.arange(text.shape[1]) < lengths[:, None]
        return text, mask, image.tokens, image.mask, torch.tensor([pair.group for pair in chosen])

    return Batches(order, collate, count=count)
