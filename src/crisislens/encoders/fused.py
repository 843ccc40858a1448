r"""Convolutions on processors by oneDNN's fused kernels: bias, ReLU6 and channels-last in one pass, from
weights that are packed once.

torch's own path packs a kernel's weights anew at every call, or takes an older kernel for a single
picture, and clamps in a second pass over memory; EfficientNet's pictures took a quarter longer by it
(docs/performance.md). The operators are those that torch's own compiler writes into what it compiles
(`torch.ops.mkldnn`); they are not promised to users, so whoever calls asks `serves` first and keeps
a plain path: for training, for graphics cards, other precisions, and a torch without them.

Sums are made in another order than on the plain path. Numbers differ in the sixth digit, as they did
between one thread and two before; here they are equal bit for bit with one thread or two, and for
a picture alone or in a batch, which tests hold.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["FusedConv", "LastMade", "serves"]

T = TypeVar("T")


def serves(x: Tensor, weight: Tensor) -> bool:
    """Whether the fused kernels take this: single precision on a processor with oneDNN, nothing to be
    differentiated, compiled or exported.
    """
    return (
        not torch.is_grad_enabled()
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        # whose changes could not be seen
        and not weight.is_inference()
        and hasattr(torch.ops.mkldnn, "_convolution_pointwise")
        and bool(torch.backends.mkldnn.enabled)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    )


class FusedConv:
    """One convolution with bias, its weights packed for pictures of one size; a batch may have any.

    Arguments:
        weight: The kernels, shape (outputs, inputs a group, kernel, kernel).
        bias: Added to each output channel.
        stride: Step between outputs.
        groups: In how many parts channels are convolved.
        size: Rows and columns that come in.
        missing: Rows and columns of zeros to be added; of an odd number the end gets one more.
        clip: Whether what comes out is brought into [0, 6] (ReLU6).
    """

    def __init__(
        self,
        weight: Float[Tensor, "o ig k k"],
        bias: Float[Tensor, " o"] | None,
        *,
        stride: int,
        groups: int,
        size: tuple[int, int],
        missing: tuple[int, int],
        clip: bool,
    ) -> None:
        # the kernel pads both ends alike: where the end gets one more row, the kernel gets a row of
        # zeros in front and steps back by one, which costs less than a padded copy of the picture
        rows, columns = missing[0] % 2, missing[1] % 2
        padding = [(missing[0] + rows) // 2, (missing[1] + columns) // 2]
        geometry = (padding, [stride, stride], [1, 1], groups)
        kernel = functional.pad(weight.detach(), (columns, 0, rows, 0))
        shape = [1, weight.shape[1] * groups, *size]
        packed = torch.ops.mkldnn._reorder_convolution_weight(kernel, *geometry, shape)
        after = ("hardtanh", [0.0, 6.0]) if clip else ("none", [])
        # all that does not change from picture to picture: a network has 64 of these, and what Python
        # does between them is a tenth of its time
        self._arguments = (packed, None if bias is None else bias.detach(), *geometry, *after, "")
        self._convolve = torch.ops.mkldnn._convolution_pointwise.default

    def __call__(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o hs ws"]:
        """Convolves what `serves` takes."""
        convolved: Tensor = self._convolve(x, *self._arguments)
        return convolved


class LastMade(Generic[T]):
    """The last thing that was made, as long as what it was made from stays; a copy of it is empty."""

    def __init__(self) -> None:
        self._made: tuple[object, T] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return LastMade, ()

    def get(self, source: object, make: Callable[[], T]) -> T:
        """What was made from an equal source, or what is made now; two threads that come at once
        make the same.
        """
        made = self._made
        if made is None or made[0] != source:
            self._made = made = (source, make())
        return made[1]
