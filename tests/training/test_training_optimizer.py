"""Rates rise and fall as the run file says, and the encoder has its own."""

import pytest
import torch
from torch import nn

from crisislens.training.config import OptimizerConfig
from crisislens.training.optimizer import build_optimizer, build_plateau, build_schedule, rate_factor


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


def test_a_slope_falls_from_the_first_step() -> None:
    factor = rate_factor(OptimizerConfig(schedule="slope", warm_up=0.06), 100)
    assert [factor(s) for s in (0, 5, 50, 100)] == pytest.approx([1 / 6, 0.95, 0.5, 0])


@pytest.mark.parametrize("warm_up", [0.0, 0.1])
def test_a_cosine_is_half_a_wave(warm_up: float) -> None:
    o = OptimizerConfig(schedule="cosine", warm_up=warm_up, learning_rate=1.0, name="sgd")
    optimizer = build_optimizer(nn.Linear(1, 1), o, fused=False)
    schedule = build_schedule(optimizer, o, 100)
    assert schedule is not None
    rates = []
    for _ in range(101):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    # torch's own and the closed form agree but for the last bits
    assert [rates[s] for s in (25, 50, 100)] == pytest.approx([0.853553, 0.5, 0], abs=1e-6)
    assert rates[0] == pytest.approx(0.1 if warm_up else 1.0)


def test_a_plateau_is_no_schedule_of_steps() -> None:
    o = OptimizerConfig(schedule="plateau", plateau_patience=0, learning_rate=1.0, name="sgd")
    optimizer = build_optimizer(nn.Linear(1, 1), o, fused=False)
    plateau = build_plateau(optimizer, o)
    assert build_schedule(optimizer, o, 10) is None
    assert plateau is not None
    for loss in (1.0, 0.5, 0.6):
        plateau.step(loss)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)
    assert build_plateau(optimizer, OptimizerConfig()) is None


def test_layers_that_only_training_needs_have_the_models_rate() -> None:
    network, beside = nn.ModuleDict({"encoder": nn.Linear(2, 2)}), nn.Linear(2, 1)
    o = OptimizerConfig(learning_rate=0.1, encoder_learning_rate=0.01)
    groups = build_optimizer(network, o, fused=True, beside=beside).param_groups
    assert [(g["lr"], len(g["params"])) for g in groups] == [(0.01, 2), (0.1, 2)]
