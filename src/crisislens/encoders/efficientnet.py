r"""EfficientNet-lite: mobile inverted bottlenecks with ReLU6, without squeeze-and-excitation, batch
norm folded into the convolutions.

A block with expansion $r$ computes $y = x + P(\sigma(D(\sigma(E(x)))))$, $\sigma = \min(\max(\cdot,
0), 6)$, where $E$ is a 1×1 convolution to $r$ times the width (absent for $r = 1$), $D$ a depthwise
one, $P$ a 1×1 one without activation; the sum only where the shape stays. At inference batch norm
is affine, so it is folded into the convolution before it:

$$\hat w = g w, \qquad \hat b = \beta - g \mu, \qquad g = \gamma / \sqrt{v + \varepsilon}, \qquad \varepsilon
= 10^{-3}.$$

Source: Tan and Le, EfficientNet, 2019, https://arxiv.org/abs/1905.11946; the lite variants (no
squeeze-and-excitation, ReLU6, stem and head not scaled):
https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite. Padding is
TensorFlow's "same": where the total is odd the extra row stands at the end, which PyTorch's
symmetric padding cannot say.

Where we differ: folding leaves no batch statistics, so fine-tuning trains folded weights (no
stochastic depth, no dropout either), and the classifier is left out. Folding is done in double
precision.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crisislens.encoders.fused import FusedConv, LastMade, serves

__all__ = ["EfficientNetLite", "fold_batch_norm"]

_EPSILON = 1e-3
_STEM, _HEAD = 32, 1280
# repeats, kernel, stride of the first block, expansion, width: the table of EfficientNet-B0
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class SameConv(nn.Module):
    """A convolution with bias and TensorFlow's "same" padding: $\\lceil n / s \\rceil$ outputs for
    $n$ inputs and stride $s$.

    Arguments:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the kernel, odd.
        stride: Step between outputs.
        depthwise: One kernel a channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=inputs if depthwise else 1)
        self.kernel, self.stride = kernel, stride

    def missing(self, size: tuple[int, int]) -> tuple[int, int]:
        """Rows and columns of zeros that "same" padding adds; of an odd number the end gets one more."""
        rows, columns = (max((-(-n // self.stride) - 1) * self.stride + self.kernel - n, 0) for n in size)
        return rows, columns

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o hs ws"]:
        """Pads as needed and convolves."""
        # numbers also while a graph is traced
        rows, columns = self.missing((int(x.shape[-2]), int(x.shape[-1])))
        if rows % 2 == 0 and columns % 2 == 0:
            padding = (rows // 2, columns // 2)
        else:
            x = functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            padding = (0, 0)
        return functional.conv2d(
            x, self.conv.weight, self.conv.bias, self.stride, padding, groups=self.conv.groups
        )

    def fused(self, size: tuple[int, int], *, clip: bool) -> tuple[FusedConv, tuple[int, int]]:
        """The same as a fused kernel, with ReLU6 where `clip` says so, and the size that comes out.

        Arguments:
            size: Rows and columns that come in.
            clip: Whether ReLU6 is applied.
        """
        conv = FusedConv(
            self.conv.weight,
            self.conv.bias,
            stride=self.stride,
            groups=self.conv.groups,
            size=size,
            missing=self.missing(size),
            clip=clip,
        )
        return conv, (-(-size[0] // self.stride), -(-size[1] // self.stride))

    def state(self) -> tuple[int, ...]:
        """Another one whenever weights were written to or replaced."""
        weight, bias = self.conv.weight, self.conv.bias
        mark = (weight.data_ptr(), weight._version)
        return mark if bias is None else (*mark, bias.data_ptr(), bias._version)


class Bottleneck(nn.Module):
    """A mobile inverted bottleneck.

    Arguments:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the depthwise kernel.
        stride: Its step.
        expansion: The factor $r$ between input and hidden channels.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv(inputs, hidden) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel=kernel, stride=stride, depthwise=True)
        self.project = SameConv(hidden, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o hs ws"]:
        """The block's output, with the input added where the shape stays."""
        y: Tensor = x if self.expand is None else _relu6(self.expand(x))
        y = self.project(_relu6(self.depthwise(y)))
        return x + y if self.residual else y

    def convolutions(self) -> list[SameConv]:
        """Its two or three convolutions, in order."""
        return [*([] if self.expand is None else [self.expand]), self.depthwise, self.project]


class _Program:
    """The network as fused kernels, for pictures of one size."""

    def __init__(self, network: "EfficientNetLite", size: tuple[int, int]) -> None:
        self.stem, size = network.stem.fused(size, clip=True)
        self.blocks: list[tuple[list[FusedConv], bool]] = []
        for block in network.bottlenecks():
            steps = []
            for conv in block.convolutions():
                # the projection has no activation
                step, size = conv.fused(size, clip=conv is not block.project)
                steps.append(step)
            self.blocks.append((steps, block.residual))
        self.head, _ = network.head.fused(size, clip=True)

    def run(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1280 g g"]:
        y = self.stem(images)
        for steps, residual in self.blocks:
            x = y
            for step in steps:
                y = step(y)
            if residual:
                # on the projection's own output, which nothing else reads
                y.add_(x)
        return self.head(y)


class EfficientNetLite(nn.Module):
    """The convolutional part of EfficientNet-lite: pictures into a grid of 1280 channels at a 32nd
    of the side (rounded up).

    Arguments:
        width: The factor on channels; lite2 has 1.1.
        depth: The factor on repeats; lite2 has 1.2.
    """

    def __init__(self, *, width: float = 1.1, depth: float = 1.2) -> None:
        super().__init__()
        self.stem = SameConv(3, _STEM, kernel=3, stride=2)
        blocks, inputs = [], _STEM
        for index, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            outputs = _round_channels(channels * width)
            # the lite variants scale neither the first nor the last stage's repeats
            count = repeats if index in (0, len(_STAGES) - 1) else -int(-repeats * depth // 1)
            for i in range(count):
                blocks.append(
                    Bottleneck(
                        inputs,
                        outputs,
                        kernel=kernel,
                        stride=stride if i == 0 else 1,
                        expansion=expansion,
                    )
                )
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = SameConv(inputs, _HEAD)
        self._program: LastMade[_Program] = LastMade()

    def forward(self, images: Float[Tensor, "b 3 s s"]) -> Float[Tensor, "b 1280 g g"]:
        """The grid after the head's activation, values in [0, 6].

        Arguments:
            images: RGB, scaled as the weights expect: (byte − 127) / 128.
        """
        if not serves(images, self.head.conv.weight):
            return _relu6(self.head(self.blocks(_relu6(self.stem(images)))))
        size = (images.shape[-2], images.shape[-1])
        source = (size, [conv.state() for conv in self._convolutions()])
        return self._program.get(source, lambda: _Program(self, size)).run(images)

    def bottlenecks(self) -> list[Bottleneck]:
        """Its blocks, in order."""
        return [block for block in self.blocks if isinstance(block, Bottleneck)]

    def _convolutions(self) -> list[SameConv]:
        inner = [conv for block in self.bottlenecks() for conv in block.convolutions()]
        return [self.stem, *inner, self.head]


def _relu6(x: Tensor) -> Tensor:
    # in place on the convolution's own output, which nothing else reads: saves a pass over memory,
    # and autograd allows it
    return functional.relu6(x, inplace=True)


def _round_channels(channels: float) -> int:
    """To a multiple of 8, never more than a tenth below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def fold_batch_norm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Turns a checkpoint in the layout of EfficientNet-PyTorch (`_blocks.0._expand_conv.weight`)
    into the state of `EfficientNetLite`.

    Arguments:
        state: The checkpoint; its classifier and counters are ignored.

    Raises:
        KeyError: If a tensor is missing.
    """
    pairs = [("_conv_stem", "_bn0", "stem"), ("_conv_head", "_bn1", "head")]
    for i in sorted({int(name.split(".")[1]) for name in state if name.startswith("_blocks.")}):
        parts = (
            ("_expand_conv", "_bn0", "expand"),
            ("_depthwise_conv", "_bn1", "depthwise"),
            ("_project_conv", "_bn2", "project"),
        )
        # the first block has no expansion, and its norms keep their names
        pairs += [
            (f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}", f"blocks.{i}.{name}")
            for conv, norm, name in parts
            if f"_blocks.{i}.{conv}.weight" in state
        ]
    folded = {}
    for conv, norm, name in pairs:
        gamma, beta, mean, variance = (
            state[f"{norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma * torch.rsqrt(variance + _EPSILON)
        folded[f"{name}.conv.weight"] = (
            state[f"{conv}.weight"].double() * scale[:, None, None, None]
        ).float()
        folded[f"{name}.conv.bias"] = (beta - mean * scale).float()
    return folded
