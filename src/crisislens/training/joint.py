r"""Training of the compact joint encoder on texts and photos that belong together.

$$L = L_{\text{align}} + \lambda\, L_{\text{match}}, \qquad
  L_{\text{match}} = \frac{1}{2b} \sum_m \operatorname{BCE}(1, m(t_m, i_m)) + \operatorname{BCE}(0, m(t_m,
  i_{n(m)})),$$

the contrastive loss of aligned states (`nn.joint`) and image-text matching on the pooled mixed state (ViLT,
Sec. 3.2), the wrong picture n(m) drawn from the batch by similarity, never from the pair's own group (hard
negatives, Li et al. 2021, ALBEF, https://arxiv.org/abs/2107.07651, Sec. 3.2). The towers below are frozen, so
their states are made once. AdamW, cosine decay.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytorch_lightning as lightning
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional

from crisislens.core.config import Config
from crisislens.features.cache import FeatureCache
from crisislens.nn.joint import JointEncoder, JointStates, alignment_loss, alignment_scores
from crisislens.training.lightning_adapter import quiet_trainer

__all__ = ["JointPair", "JointTraining", "train_joint"]


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


Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


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
    """
    lightning.seed_everything(config.seed, verbose=False)
    joint = JointEncoder(
        text_width=pairs[0].texts[0].shape[1],
        image_width=photos.widths.image,
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        dropout=config.dropout,
    )
    loader = _Pairs(pairs, photos, config)
    module = _JointModule(joint, config, steps=len(loader) * config.epochs)
    quiet_trainer(max_epochs=config.epochs, gradient_clip=1.0, after_epoch=progress, device="cpu").fit(
        module, loader
    )
    return joint.eval()


class _JointModule(lightning.LightningModule):
    def __init__(self, joint: JointEncoder, config: JointTraining, steps: int) -> None:
        super().__init__()
        self.joint, self.config, self.steps = joint, config, steps
        self.matches = nn.Linear(joint.width, 1)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        text, text_mask, image, image_mask, groups = batch
        aligned = self.joint.aligned(text, text_mask, image, image_mask)
        scores = alignment_scores(aligned)
        loss = alignment_loss(scores, groups, temperature=self.config.temperature)
        if self.config.match:
            loss = loss + self.config.match * self._match(aligned, scores.detach(), groups)
        return loss

    def _match(
        self, aligned: JointStates, scores: Float[Tensor, "b b"], groups: Int[Tensor, " b"]
    ) -> Float[Tensor, ""]:
        allowed: Bool[Tensor, "b b"] = groups[:, None] != groups[None, :]
        p = (scores / self.config.temperature).masked_fill(~allowed, -30.0).softmax(
            1
        ) * allowed + 1e-9 * allowed
        usable = allowed.any(1)
        wrong = torch.multinomial(torch.where(usable[:, None], p, 1.0), 1)[:, 0]
        image, mask = (
            torch.cat([aligned.image, aligned.image[wrong]]),
            torch.cat([aligned.image_mask, aligned.image_mask[wrong]]),
        )
        both = JointStates(
            aligned.text.repeat(2, 1, 1), aligned.text_mask.repeat(2, 1), image, mask, aligned.pooled
        )
        logits = self.matches(self.joint.mix(both).pooled)[:, 0]
        y = torch.cat([torch.ones(len(scores)), torch.zeros(len(scores))])
        weight = torch.cat([usable, usable]).float()
        return (
            functional.binary_cross_entropy_with_logits(logits, y, reduction="none") * weight
        ).sum() / weight.sum().clamp(min=1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Pairs:
    """Random batches, others each epoch, with one random text a photo."""

    def __init__(self, pairs: Sequence[JointPair], photos: FeatureCache, config: JointTraining) -> None:
        self.pairs, self.photos, self.size = pairs, photos, config.batch_pairs
        self.random = np.random.default_rng(config.seed)

    def __len__(self) -> int:
        return max(1, len(self.pairs) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        order = self.random.permutation(len(self.pairs))
        for step in range(len(self)):
            rows = [self.pairs[i] for i in order[step * self.size : (step + 1) * self.size]]
            texts = [pair.texts[self.random.integers(len(pair.texts))] for pair in rows]
            image = self.photos.batch(np.array([pair.photo for pair in rows])).image
            text = torch.zeros(len(rows), max(len(x) for x in texts), texts[0].shape[1])
            mask = torch.zeros(text.shape[:2], dtype=torch.bool)
            for i, x in enumerate(texts):
                text[i, : len(x)] = x
                mask[i, : len(x)] = True
            yield text, mask, image.tokens, image.mask, torch.tensor([pair.group for pair in rows])
