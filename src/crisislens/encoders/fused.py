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

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

__all__ = ["PackedConv", "serves"]


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


class PackedConv:
    """One convolution's weights as oneDNN wants them, packed again whenever they were written to.

    A copy of it is empty: what is packed belongs to one process and one module.
    """

    def __init__(self) -> None:
        self._packed: dict[tuple[int, ...], Tensor] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedConv, ()

    def __call__(
        self,
        x: Float[Tensor, "b i h w"],
        weight: Float[Tensor, "o ig k k"],
        bias: Float[Tensor, " o"] | None,
        *,
        stride: int,
        groups: int,
        missing: tuple[int, int],
        clip: bool,
    ) -> Float[Tensor, "b o hs ws"]:
        """Convolves a padded picture and, with `clip`, brings it into [0, 6].

        Arguments:
            x: What is convolved, as `serves` takes it.
            weight: The kernels.
            bias: Added to each output channel.
            stride: Step between outputs.
            groups: In how many parts channels are convolved.
            missing: Rows and columns of zeros to be added; of an odd number the end gets one more.
            clip: Whether ReLU6 is applied.
        """
        # the kernel pads both ends alike: where the end gets one more row, the kernel gets a row of
        # zeros in front and steps back by one, which costs less than a padded copy of the picture
        odd = (missing[0] % 2, missing[1] % 2)
        padding = [(missing[0] + odd[0]) // 2, (missing[1] + odd[1]) // 2]
        geometry = (padding, [stride, stride], [1, 1], groups)
        key = (weight.data_ptr(), weight._version, *odd, *padding)
        packed = self._packed.get(key)
        if packed is None:
            kernel = functional.pad(weight.detach(), (odd[1], 0, odd[0], 0))
            packed = torch.ops.mkldnn._reorder_convolution_weight(kernel, *geometry, [1, *x.shape[1:]])
            # old weights go; two threads that come here at once make the same
            self._packed = {key: packed}
        after = ("hardtanh", [0.0, 6.0]) if clip else ("none", [])
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, bias, *geometry, *after, "")
        return convolved
