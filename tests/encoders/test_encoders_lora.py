"""Low-rank adaptation: it starts as nothing, learns, and merges into what it was."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crisislens.core.errors import ModelError
from crisislens.encoders.lora import (
    LoraLinear,
    LoraState,
    add_lora,
    lora_state,
    merge_lora,
    read_lora,
    write_lora,
)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.inner = nn.ModuleDict({"query": nn.Linear(8, 8), "value": nn.Linear(8, 8, bias=False)})
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.first(x))
        return self.norm(y + self.inner["value"](torch.tanh(self.inner["query"](y))))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().requires_grad_(False).eval()


def adapt(net: Net, *, train: bool = True) -> Net:
    adapted = copy.deepcopy(net)
    assert add_lora(adapted, rank=2, alpha=6, targets=["inner.*"]) == ["inner.query", "inner.value"]
    adapted.norm.requires_grad_()
    if train:
        x, y = torch.randn(32, 6), torch.randn(32, 8)
        optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.3)
        for _ in range(5):
            optimizer.zero_grad()
            (adapted(x) - y).square().mean().backward()
            optimizer.step()
    return adapted


def test_untrained_it_changes_nothing(net: Net) -> None:
    x = torch.randn(4, 6)
    assert torch.equal(adapt(net, train=False)(x), net(x))


def test_is_the_formula(net: Net) -> None:
    layer = LoraLinear(net.first, rank=3, alpha=12)
    nn.init.normal_(layer.b)
    x = torch.randn(5, 6)
    # the same product in another order
    torch.testing.assert_close(layer(x), net.first(x) + 4.0 * (x @ layer.a.T @ layer.b.T), atol=1e-5, rtol=0)


def test_only_the_difference_and_what_was_freed_learns(net: Net) -> None:
    adapted = adapt(net)
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert trained == {
        "inner.query.a",
        "inner.query.b",
        "inner.value.a",
        "inner.value.b",
        "norm.weight",
        "norm.bias",
    }
    for name, p in adapted.named_parameters():
        assert (p.grad is not None and p.grad.abs().max() > 0) == (name in trained), name
    assert torch.equal(adapted.inner["query"].base.weight, net.inner["query"].weight)


def test_merged_equals_adapted_also_through_a_file(net: Net, tmp_path: Path) -> None:
    adapted = adapt(net)
    write_lora(tmp_path / "adapter.safetensors", lora_state(adapted, base="abc"))
    state = read_lora(tmp_path / "adapter.safetensors")
    assert (state.base, state.scaling) == ("abc", 3.0)
    merged = copy.deepcopy(net)
    merge_lora(merged, state)
    x = torch.randn(16, 6)
    assert (adapted(x) - net(x)).abs().max() > 0.05
    # one product instead of two sums: a few units in the last place
    torch.testing.assert_close(merged(x), adapted(x), atol=1e-5, rtol=0)
    assert not any(p.requires_grad for p in merged.parameters())


def test_dropout_acts_in_training_only(net: Net) -> None:
    layer = LoraLinear(net.first, rank=2, alpha=2, dropout=0.5)
    nn.init.normal_(layer.b)
    x = torch.randn(5, 6)
    assert torch.equal(layer.eval()(x), layer(x))
    layer.train()
    assert not torch.equal(layer(x), layer(x))


def test_a_pattern_without_a_match_lists_names(net: Net) -> None:
    with pytest.raises(
        ModelError, match=r"no linear map matches \['attention.*'\]; their names are like first, inner.query"
    ):
        add_lora(net, rank=2, alpha=2, targets=["attention.*"])


def test_adapting_twice_is_refused(net: Net) -> None:
    with pytest.raises(ModelError, match="adapted already"):
        add_lora(adapt(net), rank=2, alpha=2, targets=["first"])


def test_nothing_adapted_has_no_state(net: Net) -> None:
    with pytest.raises(ModelError, match="found 0; call add_lora"):
        lora_state(net)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"nowhere.bias": torch.zeros(8)}, "changes nowhere.bias, which this encoder does not have"),
        ({"norm.bias": torch.zeros(7)}, r"has shape \(7,\) for norm.bias, the encoder \(8,\)"),
        ({"first.lora_a": torch.zeros(2, 6)}, "pair for first.weight is incomplete"),
        ({"first.lora_a": torch.zeros(2, 6), "first.lora_b": torch.zeros(8, 3)}, "ranks differ"),
        ({"first.lora_b": torch.zeros(8, 2)}, "pair for first.weight is incomplete"),
        ({"norm.bias": torch.full((8,), torch.nan)}, "tensor norm.bias holds values that are no finite"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    net: Net, tensors: dict[str, Tensor], message: str
) -> None:
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ModelError, match=message):
        merge_lora(net, LoraState({"norm.weight": torch.full((8,), 9.0), **tensors}, 1.0))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_files_that_are_no_adapters_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(ModelError, match="cannot be read as an adapter"):
        read_lora(path)
    path.write_bytes(b"not a file of tensors")
    with pytest.raises(ModelError, match="cannot be read as an adapter"):
        read_lora(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="not an adapter of crisislens"):
        read_lora(path)
    save_file({"a": torch.zeros(1)}, path, metadata={"format": "crisislens-lora-1"})
    with pytest.raises(ModelError, match="does not say its scaling"):
        read_lora(path)


@pytest.mark.parametrize("scaling", [float("nan"), float("inf")])
def test_a_scaling_that_is_no_number_is_refused_also_through_a_file(
    net: Net, scaling: float, tmp_path: Path
) -> None:
    before = copy.deepcopy(net.state_dict())
    pair = {"first.lora_a": torch.ones(2, 6), "first.lora_b": torch.ones(8, 2)}
    write_lora(tmp_path / "x.safetensors", LoraState(pair, scaling))
    with pytest.raises(ModelError, match=f"scaling is {scaling}, no finite number"):
        merge_lora(net, read_lora(tmp_path / "x.safetensors"))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
