r"""Optimizers and the learning rate over a run.

With $n$ steps, a share $w$ of them to warm up, the rate of step $s = 0, 1, \dots$ is its peak times
$\min(1, (s + 1) / wn)$; the schedule `linear` also bounds it by $(n - s) / (n - wn)$, which falls to zero.
"""

from collections.abc import Callable

import torch
from torch import nn

from crisislens.training.config import OptimizerConfig

__all__ = ["build_optimizer", "rate_factor"]


def build_optimizer(network: nn.Module, o: OptimizerConfig, *, fused: bool) -> torch.optim.Optimizer:
    """The optimizer over all parameters that require a gradient; those under `encoder.` have a rate of their
    own.

    Arguments:
        network: The network.
        o: The recipe.
        fused: Whether one kernel moves all weights.
    """
    # one kernel for all weights: a step of a small model costs half; with a gradient scaler it would not
    # allow clipping
    named = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if name.startswith("encoder.")], "lr": o.encoder_learning_rate},
        {"params": [p for name, p in named if not name.startswith("encoder.")], "lr": o.learning_rate},
    ]
    groups = [group for group in groups if group["params"]]
    if o.name == "sgd":
        return torch.optim.SGD(
            groups, lr=o.learning_rate, momentum=o.momentum, weight_decay=o.weight_decay, fused=fused
        )
    return torch.optim.AdamW(groups, lr=o.learning_rate, weight_decay=o.weight_decay, fused=fused)


def rate_factor(o: OptimizerConfig, steps: int) -> Callable[[int], float]:
    """The learning rate's share of its peak at each step: linear warm-up, then constant or linear to zero."""
    warm = max(1, round(o.warm_up * steps))

    def factor(step: int) -> float:
        rising = min(1.0, (step + 1) / warm)
        return (
            rising
            if o.schedule == "constant"
            else min(rising, max(0.0, (steps - step) / max(1, steps - warm)))
        )

    return factor
