r"""Optimizers and the learning rate over a run: the one place for all trainers.

With $n$ steps, a share $w$ of them to warm up, the rate of step $s = 0, 1, \dots$ is its peak times
$\min(1, (s + 1) / wn)$. The other schedules also bound it:

- `linear` by $(n - s) / (n - wn)$, which falls to zero from the end of the warm-up;
- `slope` by $1 - s / n$, which falls from the first step (the adapters and rationale models that
  ship were trained so);
- `cosine` by $(1 + \cos(\pi s / n)) / 2$ (Loshchilov and Hutter 2017,
  https://arxiv.org/abs/1608.03983, without restarts).

`plateau` follows the development loss instead and knows no warm-up.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, ReduceLROnPlateau

from crisislens.training.config import OptimizerConfig

__all__ = [
    "adapter_recipe",
    "build_optimizer",
    "build_plateau",
    "build_schedule",
    "head_recipe",
    "rate_factor",
]


def adapter_recipe(
    *, learning_rate: float, head_learning_rate: float, weight_decay: float
) -> OptimizerConfig:
    """The recipe of what is trained inside a text encoder together with what reads it.

    Arguments:
        learning_rate: Peak rate of the encoder's differences.
        head_learning_rate: Peak rate of all else.
        weight_decay: Of AdamW.
    """
    return OptimizerConfig(
        learning_rate=head_learning_rate,
        encoder_learning_rate=learning_rate,
        weight_decay=weight_decay,
        # not `linear`: the adapters and rationale models that ship were trained so
        schedule="slope",
        warm_up=0.06,
        gradient_clip=1.0,
    )


def head_recipe(*, learning_rate: float, weight_decay: float) -> OptimizerConfig:
    """The recipe of what is trained on features that stay as they are.

    Arguments:
        learning_rate: Peak rate.
        weight_decay: Of AdamW.
    """
    return OptimizerConfig(
        learning_rate=learning_rate, weight_decay=weight_decay, schedule="cosine", gradient_clip=1.0
    )


def build_optimizer(
    network: nn.Module,
    o: OptimizerConfig,
    *,
    fused: bool,
    encoders: tuple[str, ...] = ("encoder.",),
    beside: nn.Module | None = None,
) -> torch.optim.Optimizer:
    """The optimizer over all parameters that require a gradient; those of encoders have a rate of
    their own.

    Arguments:
        network: The network.
        o: The recipe.
        fused: Whether one kernel moves all weights: a step of a small model costs half. With a
            gradient scaler (precision `16-mixed`) it would not allow clipping.
        encoders: How the names of the encoders' parameters begin.
        beside: Layers that only training needs; they have the model's rate.
    """
    inner: list[nn.Parameter] = []
    outer: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (inner if name.startswith(encoders) else outer).append(parameter)
    if beside is not None:
        outer += [parameter for parameter in beside.parameters() if parameter.requires_grad]
    rates = ((inner, o.encoder_learning_rate), (outer, o.learning_rate))
    groups: list[dict[str, Any]] = [{"params": ps, "lr": rate} for ps, rate in rates if ps]
    if o.name == "sgd":
        return torch.optim.SGD(
            groups, lr=o.learning_rate, momentum=o.momentum, weight_decay=o.weight_decay, fused=fused
        )
    return torch.optim.AdamW(groups, lr=o.learning_rate, weight_decay=o.weight_decay, fused=fused)


def build_schedule(optimizer: torch.optim.Optimizer, o: OptimizerConfig, steps: int) -> LRScheduler | None:
    """What changes the rate after every step; None where nothing does.

    Arguments:
        optimizer: The optimizer.
        o: The recipe.
        steps: Steps of the whole run.
    """
    if o.schedule == "plateau" or (o.schedule == "constant" and o.warm_up == 0):
        return None
    if o.schedule == "cosine" and o.warm_up == 0:
        # torch's own, step by step: the closed form differs in the last bit, and shipped models have this one
        return CosineAnnealingLR(optimizer, steps)
    return LambdaLR(optimizer, rate_factor(o, steps))


def build_plateau(optimizer: torch.optim.Optimizer, o: OptimizerConfig) -> ReduceLROnPlateau | None:
    """What divides the rate by ten after epochs without a lower development loss; None for other
    schedules.
    """
    if o.schedule != "plateau":
        return None
    return ReduceLROnPlateau(optimizer, factor=0.1, patience=o.plateau_patience)


def rate_factor(o: OptimizerConfig, steps: int) -> Callable[[int], float]:
    """The learning rate's share of its peak at each step.

    Arguments:
        o: The recipe.
        steps: Steps of the whole run.
    """
    warm = max(1, round(o.warm_up * steps))

    def bound(step: int) -> float:
        if o.schedule == "linear":
            return max(0.0, (steps - step) / max(1, steps - warm))
        if o.schedule == "slope":
            return max(0.0, 1 - step / steps)
        if o.schedule == "cosine":
            return (1 + math.cos(math.pi * min(step, steps) / steps)) / 2
        return 1.0

    return lambda step: min(1.0, (step + 1) / warm, bound(step))
