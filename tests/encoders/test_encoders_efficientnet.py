"""EfficientNet-lite against a plain walk over an unfolded checkpoint."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from crisislens.encoders.efficientnet import EfficientNetLite, SameConv, fold_batch_norm

# repeats, kernel, stride, expansion of each stage for depth 1
STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))


def same(x: Tensor, w: Tensor, stride: int = 1, *, depthwise: bool = False) -> Tensor:
    """Convolves with TensorFlow's "same" padding, written out."""
    k, n = w.shape[-1], x.shape[-1]
    total = max((-(-n // stride) - 1) * stride + k - n, 0)
    before, after = total // 2, total - total // 2
    return functional.conv2d(
        functional.pad(x, (before, after, before, after)), w, stride=stride, groups=len(w) if depthwise else 1
    )


def checkpoint(width: float) -> dict[str, Tensor]:
    """A random checkpoint in the original layout, with norms that are far from the identity."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}

    def add(conv: str, norm: str, like: Tensor) -> None:
        state[f"{conv}.weight"] = torch.randn_like(like, dtype=torch.float64) * (2 / like[0].numel()) ** 0.5
        o = len(like)
        for part, value in (
            ("weight", torch.rand(o) + 0.5),
            ("bias", torch.randn(o)),
            ("running_mean", torch.randn(o)),
            ("running_var", torch.rand(o) + 0.5),
        ):
            state[f"{norm}.{part}"] = value.double()
        state[f"{norm}.num_batches_tracked"] = torch.tensor(1)

    shapes = EfficientNetLite(width=width, depth=1.0).state_dict()
    add("_conv_stem", "_bn0", shapes["stem.conv.weight"])
    add("_conv_head", "_bn1", shapes["head.conv.weight"])
    for i in range(sum(stage[0] for stage in STAGES)):
        for ours, conv, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            if f"blocks.{i}.{ours}.conv.weight" in shapes:
                add(f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}", shapes[f"blocks.{i}.{ours}.conv.weight"])
    state["_fc.weight"] = torch.zeros(10, 1280)
    return state


def plain(state: dict[str, Tensor], x: Tensor) -> Tensor:
    """The network as the checkpoint's authors compute it: convolution, batch norm, ReLU6."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=1e-3)

    x = norm(same(x, state["_conv_stem.weight"], 2), "_bn0").clamp(0, 6)
    i = 0
    for repeats, _, stride, expansion in STAGES:
        for r in range(repeats):
            name, y = f"_blocks.{i}", x
            if expansion > 1:
                y = norm(same(y, state[f"{name}._expand_conv.weight"]), f"{name}._bn0").clamp(0, 6)
            y = same(y, state[f"{name}._depthwise_conv.weight"], stride if r == 0 else 1, depthwise=True)
            y = norm(
                same(norm(y, f"{name}._bn1").clamp(0, 6), state[f"{name}._project_conv.weight"]),
                f"{name}._bn2",
            )
            x = x + y if r > 0 else y
            i += 1
    return norm(same(x, state["_conv_head.weight"]), "_bn1").clamp(0, 6)


@pytest.mark.parametrize("side", [33, 64])
def test_equals_the_unfolded_network(side: int) -> None:
    state = checkpoint(width=0.5)
    network = EfficientNetLite(width=0.5, depth=1.0).double()
    network.load_state_dict(fold_batch_norm(state))
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    expected = plain(state, x)
    assert expected.std() > 0.1
    # folding rounds each weight to single precision once
    torch.testing.assert_close(network(x), expected, atol=1e-4, rtol=0)


def test_lite2_has_its_published_size() -> None:
    network = EfficientNetLite(width=1.1, depth=1.2)
    # 6.09 M with the classifier's 1.281 M (the lite repository's table); batch norm's two vectors are one
    # bias here
    weights = sum(p.numel() for name, p in network.named_parameters() if name.endswith("weight"))
    biases = sum(p.numel() for name, p in network.named_parameters() if name.endswith("bias"))
    assert weights + 2 * biases + 1280 * 1000 + 1000 == 6_092_072


@pytest.mark.parametrize(("n", "kernel", "stride"), [(9, 3, 1), (9, 5, 2), (10, 3, 2), (10, 5, 2), (1, 3, 2)])
def test_same_padding_gives_the_rounded_up_quotient(n: int, kernel: int, stride: int) -> None:
    torch.manual_seed(0)
    conv = SameConv(2, 2, kernel=kernel, stride=stride, depthwise=True)
    x = torch.randn(1, 2, n, n)
    out = conv(x)
    assert out.shape[-1] == -(-n // stride)
    expected = same(x, conv.conv.weight, stride, depthwise=True) + conv.conv.bias[:, None, None]
    # the same sums in another order
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)


def test_a_checkpoint_with_a_hole_is_refused() -> None:
    state = checkpoint(width=0.5)
    del state["_blocks.3._bn1.running_var"]
    with pytest.raises(KeyError, match=r"_blocks.3._bn1.running_var"):
        fold_batch_norm(state)
