"""Fused convolutions: the plain numbers, the same bits in any company, and only where they serve."""

import copy
import pickle
import warnings

import pytest
import torch
from torch import Tensor

from crisislens.encoders.compact import EfficientNetImage
from crisislens.encoders.efficientnet import EfficientNetLite, SameConv
from crisislens.encoders.fused import serves


def made(kernel: int, stride: int, *, depthwise: bool) -> SameConv:
    torch.manual_seed(kernel + stride)
    return SameConv(8, 8 if depthwise else 12, kernel=kernel, stride=stride, depthwise=depthwise)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


@pytest.mark.parametrize("shape", [(9, 9), (10, 10), (9, 12), (2, 3)])
@pytest.mark.parametrize(
    ("kernel", "stride", "depthwise"),
    [(1, 1, False), (3, 1, True), (3, 2, True), (5, 2, True), (3, 2, False)],
)
@pytest.mark.parametrize("clip", [False, True])
def test_equals_the_plain_convolution(
    shape: tuple[int, int], kernel: int, stride: int, depthwise: bool, clip: bool
) -> None:
    conv = made(kernel, stride, depthwise=depthwise)
    x = torch.randn(1, 8, *shape) * 4
    exact = copy.deepcopy(conv).double()(x.double())
    exact = exact.clamp(0, 6) if clip else exact
    with torch.inference_mode():
        step, size = conv.fused(shape, clip=clip)
        found = step(x)
    assert found.shape == exact.shape
    assert found.shape[-2:] == size
    assert apart(found, exact) < 2e-5


def test_pictures_are_the_same_bits_alone_in_a_batch_and_with_two_threads() -> None:
    encoder = EfficientNetImage()
    pictures = torch.rand(2, 3, 260, 260) * 2 - 1
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            with torch.inference_mode():
                batch, _ = encoder(pictures)
                found += [batch[1], encoder(pictures[1:2])[0][0]]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])
    # what is differentiated takes torch's own path, whose sums are made in another order
    plain, _ = encoder.requires_grad_()(pictures[1:2])
    assert plain.requires_grad
    assert apart(found[0], plain[0]) < 1e-4


def small() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite(width=0.25, depth=1.0)


@pytest.mark.parametrize("change", ["in place", "loaded", "another tensor"])
def test_changed_weights_are_packed_again(change: str) -> None:
    network, other = small(), small()
    x = torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        before = network(x)
        other.stem.conv.weight *= 2
        if change == "in place":
            network.stem.conv.weight *= 2
        elif change == "loaded":
            network.load_state_dict(other.state_dict())
        else:
            network.stem.conv.weight.data = other.stem.conv.weight.data.clone()
        assert torch.equal(network(x), other(x))
        assert not torch.equal(network(x), before)
        # another size, and the first one again
        assert network(x[..., :20, :20]).shape[-2:] == (1, 1)
        assert torch.equal(network(x), other(x))


def test_a_copy_holds_nothing_that_is_packed() -> None:
    network = small()
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = network(x)
    assert network._program._made is not None
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert twin._program._made is None
        with torch.no_grad():
            assert torch.equal(twin(x), expected)
    assert all(name.endswith(("weight", "bias")) for name in network.state_dict())


def test_serves_only_what_the_kernels_are_made_for() -> None:
    conv = made(1, 1, depthwise=False)
    x, weight = torch.randn(1, 8, 4, 4), conv.conv.weight
    # as in training
    assert not serves(x, weight)
    with torch.no_grad():
        assert serves(x, weight)
        assert not serves(x.double(), weight.double())
        assert not serves(x.bfloat16(), weight.bfloat16())
        assert not serves(x.to("meta"), weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(small().requires_grad_(False), torch.zeros(1, 3, 32, 32))
    # an exported graph names no operator that others do not know
    assert "mkldnn::" not in str(traced.graph)
    with torch.inference_mode():
        assert not serves(x, weight.clone())
