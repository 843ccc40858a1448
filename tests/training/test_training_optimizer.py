"""Rates rise and fall as the run file says, and the encoder has its own."""

import pytest
import torch
from torch import nn

from crisislens.training.config import OptimizerConfig
from crisislens.training.optimizer import build_optimizer, rate_factor


def test_linear_rises_to_its_peak_and_falls_to_nothing() -> None:
    factor = rate_factor(OptimizerConfig(schedule="linear", warm_up=0.1), 100)
    assert [factor(s) for s in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert factor(55) == pytest.approx(0.5)
    assert factor(100) == 0
    assert max(factor(s) for s in range(101)) == 1


def test_constant_stays_after_the_warm_up() -> None:
    factor = rate_factor(OptimizerConfig(schedule="constant", warm_up=0.5), 10)
    assert [factor(s) for s in (0, 4, 9)] == pytest.approx([0.2, 1, 1])


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_encoder_has_its_own_rate_and_frozen_weights_none(name: str) -> None:
    network = nn.ModuleDict({"encoder": nn.Linear(2, 2), "model": nn.Linear(2, 2)})
    network["encoder"].bias.requires_grad_(False)
    o = OptimizerConfig(name=name, learning_rate=0.1, encoder_learning_rate=0.01)  # type: ignore[arg-type]
    groups = build_optimizer(network, o, fused=True).param_groups
    assert [(g["lr"], len(g["params"])) for g in groups] == [(0.01, 1), (0.1, 2)]


def test_sgd_is_the_papers_plain_step() -> None:
    network = nn.Linear(1, 1, bias=False)
    before = network.weight.detach().clone()
    o = OptimizerConfig(name="sgd", learning_rate=1e-3, weight_decay=0, momentum=0)
    optimizer = build_optimizer(network, o, fused=True)
    network(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    assert network.weight.item() == pytest.approx(before.item() - 1e-3, abs=1e-7)
