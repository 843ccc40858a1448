r"""What is minimized: one objective for each kind of training, all of them under the one loop.

- `LabelLoss`: weighted cross-entropy with smoothing, one class a post.
- `SeveralLabelsLoss`: binary cross-entropy, any number of classes a post.
- `WeightedPostsLoss`: cross-entropy in which each post has a weight.
- `TextTasksLoss`: cross-entropies of several tasks over the same texts.
- `JointSpaceLoss`: texts and photos that belong together, in one space.

Those over single words, `EvidenceLoss` and `ExtractionLoss`, stand in `word_objectives`.

`HiddenModalities` is put around an objective over posts with two modalities and hides some of them.

For `SeveralLabelsLoss`, with logits $\ell \in \mathbb{R}^{b \times c}$, labels
$y \in \{0, 1\}^{b \times c}$, weights $w_k$ of a class where it holds and smoothing ε,

$$L = -\frac{1}{bc} \sum_{ik} w_k\, \tilde y_{ik} \log \sigma(\ell_{ik})
+ (1 - \tilde y_{ik}) \log \sigma(-\ell_{ik}), \qquad \tilde y = (1 - \epsilon)\, y + \epsilon / 2.$$
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from crisislens.nn.joint import JointEncoder, JointStates, alignment_loss, alignment_scores
from crisislens.nn.losses import Balance
from crisislens.training.inputs import hide_modalities
from crisislens.training.recipe import Objective

__all__ = [
    "HiddenModalities",
    "JointSpaceLoss",
    "LabelLoss",
    "SeveralLabelsLoss",
    "TextTasksLoss",
    "WeightedPostsLoss",
    "positive_weights",
]

_EXPONENT: dict[Balance, float] = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}


class LabelLoss(Objective):
    """Cross-entropy of batches of inputs and classes.

    Arguments:
        weights: Weight of each class; torch's way of weighing smoothed labels, as in all published
            runs.
        smoothing: Label smoothing ε.
    """

    def __init__(self, weights: Float[Tensor, " c"], *, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights, persistent=False)
        self.smoothing = smoothing

    def loss(self, network: nn.Module, batch: tuple[object, Tensor]) -> Float[Tensor, ""]:
        inputs, y = batch
        assert isinstance(self.weights, Tensor)
        return functional.cross_entropy(
            network(inputs), y, weight=self.weights, label_smoothing=self.smoothing
        )


class SeveralLabelsLoss(Objective):
    """Binary cross-entropy of batches of inputs and 0/1 labels, any number of them a post.

    Arguments:
        positive: Weight $w_k$ of a class where it holds; None for 1.
        smoothing: Label smoothing ε, towards one half.
    """

    def __init__(self, positive: Float[Tensor, " c"] | None = None, *, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("positive", positive, persistent=False)
        self.smoothing = smoothing

    def loss(self, network: nn.Module, batch: tuple[object, Tensor]) -> Float[Tensor, ""]:
        inputs, y = batch
        assert self.positive is None or isinstance(self.positive, Tensor)
        logits = network(inputs)
        # towards one half, since each label is a question of its own
        target = y.to(logits.dtype) * (1 - self.smoothing) + self.smoothing / 2
        return functional.binary_cross_entropy_with_logits(logits, target, pos_weight=self.positive)


def positive_weights(y: Float[Tensor, "s c"], balance: Balance) -> Float[Tensor, " c"]:
    r"""Weights $w_k = (n^-_k / n^+_k)^\gamma$ of classes where they hold, with $n^\pm_k$ posts with
    and without class k, at least one each.

    Arguments:
        y: 0/1 labels of the training posts.
        balance: `none` (γ = 0, all weights 1), `sqrt` (½) or `balanced` (1).
    """
    with_it = y.float().sum(0)
    without = len(y) - with_it
    return (without.clamp(min=1) / with_it.clamp(min=1)) ** _EXPONENT[balance]


class WeightedPostsLoss(Objective):
    """Cross-entropy of batches of features, classes and weights of posts.

    Arguments:
        weights: Weight of each class.
        smoothing: Label smoothing ε.
    """

    def __init__(self, weights: Float[Tensor, " c"], *, smoothing: float = 0.0) -> None:
        super().__init__()
        self.register_buffer("weights", weights)
        self.smoothing = smoothing

    def loss(self, network: nn.Module, batch: tuple[object, Tensor, Tensor]) -> Float[Tensor, ""]:
        features, y, weight = batch
        assert isinstance(self.weights, Tensor)
        # by hand and not by cross_entropy(weight=), which divides by the classes' weights alone
        weight = weight * self.weights[y]
        rows = functional.cross_entropy(
            network(features), y, label_smoothing=self.smoothing, reduction="none"
        )
        return (rows * weight).sum() / weight.sum()


class TextTasksLoss(Objective):
    """Cross-entropies of several tasks, summed over tasks and averaged over texts. Batches hold
    ids, mask and classes by task, -1 where a text has no label.

    Arguments:
        weights: By task, the weight of each class.
        smoothing: Label smoothing ε.
    """

    def __init__(self, weights: Mapping[str, Float[Tensor, " c"]], *, smoothing: float) -> None:
        super().__init__()
        self.tasks = list(weights)
        for i, name in enumerate(self.tasks):
            # tasks may have names that no buffer can have
            self.register_buffer(f"weights_{i}", weights[name])
        self.smoothing = smoothing

    def loss(
        self, network: nn.Module, batch: tuple[Tensor, Tensor, Mapping[str, Tensor]]
    ) -> Float[Tensor, ""]:
        ids, mask, labels = batch
        logits = network(ids, mask)
        losses = [
            self._of_task(logits[name], labels[name], self.get_buffer(f"weights_{i}"))
            for i, name in enumerate(self.tasks)
        ]
        return torch.stack(losses).sum() / len(ids)

    def _of_task(
        self, logits: Float[Tensor, "b c"], y: Int[Tensor, " b"], weights: Float[Tensor, " c"]
    ) -> Float[Tensor, ""]:
        rows = functional.cross_entropy(
            logits, y, ignore_index=-1, label_smoothing=self.smoothing, reduction="none"
        )
        # rows without a label are 0 already; the clamp only keeps -1 from being an index
        return (rows * weights[y.clamp(min=0)]).sum()


class JointSpaceLoss(Objective):
    """Contrastive loss of aligned states, and image-text matching with hard negatives; see
    `training.joint`. The layer that says whether two match is trained along and thrown away.

    Arguments:
        width: The joint encoder's width.
        match: λ, the weight of matching; 0 leaves it.
        temperature: θ of the contrastive loss.
    """

    def __init__(self, *, width: int, match: float, temperature: float) -> None:
        super().__init__()
        self.matches = nn.Linear(width, 1)
        self.match, self.temperature = match, temperature

    def loss(
        self, network: JointEncoder, batch: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    ) -> Float[Tensor, ""]:
        text, text_mask, image, image_mask, groups = batch
        aligned = network.aligned(text, text_mask, image, image_mask)
        scores = alignment_scores(aligned)
        loss = alignment_loss(scores, groups, temperature=self.temperature)
        if self.match:
            loss = loss + self.match * self._matching(network, aligned, scores.detach(), groups)
        return loss

    def _matching(
        self,
        network: JointEncoder,
        aligned: JointStates,
        scores: Float[Tensor, "b b"],
        groups: Int[Tensor, " b"],
    ) -> Float[Tensor, ""]:
        wrong, usable = self._hard_negatives(scores, groups)
        # each text twice: with its own picture, then with a wrong one
        pairs = JointStates(
            aligned.text.repeat(2, 1, 1),
            aligned.text_mask.repeat(2, 1),
            torch.cat([aligned.image, aligned.image[wrong]]),
            torch.cat([aligned.image_mask, aligned.image_mask[wrong]]),
            aligned.pooled,
        )
        logits = self.matches(network.mix(pairs).pooled)[:, 0]
        y = torch.cat([scores.new_ones(len(scores)), scores.new_zeros(len(scores))])
        weight = torch.cat([usable, usable]).float()
        rows = functional.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return (rows * weight).sum() / weight.sum().clamp(min=1)

    def _hard_negatives(
        self, scores: Float[Tensor, "b b"], groups: Int[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Bool[Tensor, " b"]]:
        """For each text a wrong picture, drawn by similarity, and whether there is any in the
        batch.
        """
        allowed = groups[:, None] != groups[None, :]
        logits = (scores / self.temperature).masked_fill(~allowed, -30.0)
        # the small term keeps a draw possible where every similarity underflows
        p = logits.softmax(1) * allowed + 1e-9 * allowed
        usable = allowed.any(1)
        return torch.multinomial(torch.where(usable[:, None], p, 1.0), 1)[:, 0], usable


class HiddenModalities(Objective):
    """An objective over posts, of which some lose a modality in training, never both.

    Arguments:
        inner: The objective; its batches begin with the inputs.
        rate: Probability that a post with both modalities loses one.
    """

    def __init__(self, inner: Objective, *, rate: float) -> None:
        super().__init__()
        self.inner, self.rate, self.parts = inner, rate, inner.parts

    def reseed(self, seed: int) -> None:
        self.inner.reseed(seed)

    def loss(self, network: nn.Module, batch: tuple[Any, ...]) -> Float[Tensor, "*k"]:
        inputs, *rest = batch
        return self.inner.loss(network, (hide_modalities(inputs, self.rate), *rest))
