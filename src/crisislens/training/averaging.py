r"""A running average of the weights, which is judged and kept instead of the last weights.

$$\bar\theta_s = a_s \bar\theta_{s-1} + (1 - a_s)\, \theta_s, \qquad a_s = \min(a, (1 + s) / (10 + s))$$

(Polyak and Juditsky, 1992, https://doi.org/10.1137/0330046; the growing decay as in TensorFlow's
moving averages). The training library's own average has a constant decay, with which the first
epochs would be judged by nearly untrained weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["RunningAverage"]


class RunningAverage:
    """The average of a network's weights that are trained.

    Arguments:
        network: The network.
        decay: The largest decay a in [0, 1).
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        self.network, self.decay, self.steps = network, decay, 0
        self.average = {name: p.detach().clone() for name, p in self._trained()}

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.network.named_parameters() if p.requires_grad]

    def follow(self) -> None:
        """Moves the average to the device of the weights."""
        self.average = {name: self.average[name].to(p.device) for name, p in self._trained()}

    def update(self, step: int) -> None:
        """Takes in the weights after a step; nothing where the optimizer has not stepped since.

        Arguments:
            step: Steps so far.
        """
        if step == self.steps:
            return
        self.steps = step
        decay = min(self.decay, (1 + step) / (10 + step))
        trained = self._trained()
        averages = [self.average[name] for name, _ in trained]
        torch._foreach_lerp_(averages, [p.data for _, p in trained], 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside, the network has the averaged weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, p in self._trained():
            p.data, self.average[name] = self.average[name], p.data

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by name."""
        return self.average

    def load_state_dict(self, average: dict[str, Tensor], *, step: int) -> None:
        """Takes up the averages of a checkpoint that was written after so many steps."""
        self.average, self.steps = average, step
