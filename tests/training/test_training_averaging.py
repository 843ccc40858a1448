"""The average of weights follows its formula, and stands in the network only while it is asked for; recipes
of optimizers are what shipped models were trained with.
"""

import pytest
import torch
from torch import nn

from crisislens.training.averaging import RunningAverage
from crisislens.training.optimizer import adapter_recipe, head_recipe, rate_factor


def network() -> nn.Linear:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(0.0)
    return layer


def move(layer: nn.Linear, by: float) -> None:
    with torch.no_grad():
        layer.weight += by


def test_the_average_grows_into_its_decay() -> None:
    layer = network()
    average = RunningAverage(layer, decay=0.5)
    expected = 1.0
    for step in range(1, 40):
        move(layer, 1.0)
        average.update(step)
        a = min(0.5, (1 + step) / (10 + step))
        expected = a * expected + (1 - a) * (1.0 + step)
    assert average.average["weight"].flatten().tolist() == pytest.approx([expected] * 2)
    # the first steps weigh nearly alone: untrained weights are soon forgotten
    early = RunningAverage(network(), decay=0.999)
    move(early.network, 1.0)  # type: ignore[arg-type]
    early.update(1)
    assert float(early.average["weight"][0, 0]) == pytest.approx(2 / 11 * 1 + 9 / 11 * 2)


def test_batches_without_a_step_are_not_counted() -> None:
    """With several batches a step the weights stand still between them."""
    layer = network()
    average = RunningAverage(layer, decay=0.5)
    move(layer, 1.0)
    average.update(1)
    once = average.average["weight"].clone()
    average.update(1)
    assert torch.equal(average.average["weight"], once)
    average.update(2)
    assert not torch.equal(average.average["weight"], once)


def test_averaged_weights_stand_in_the_network_for_a_while() -> None:
    layer = network()
    average = RunningAverage(layer, decay=0.5)
    move(layer, 3.0)
    last = layer.weight.detach().clone()
    with average.in_place():
        assert layer.weight.flatten().tolist() == [1, 1]
        # what was trained last waits outside
        assert torch.equal(average.average["weight"], last)
    assert torch.equal(layer.weight, last)
    assert average.average["weight"].flatten().tolist() == [1, 1]


def test_after_an_error_the_network_has_its_own_weights() -> None:
    layer = network()
    average = RunningAverage(layer, decay=0.5)
    move(layer, 3.0)

    def fail() -> None:
        with average.in_place():
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert layer.weight.flatten().tolist() == [4, 4]


def test_frozen_weights_are_not_averaged() -> None:
    layer = network()
    layer.bias.requires_grad_(False)
    average = RunningAverage(layer, decay=0.5)
    assert list(average.state_dict()) == ["weight"]
    with average.in_place():
        assert float(layer.bias.detach()[0]) == 0


def test_a_resumed_average_goes_on_as_an_undisturbed_one() -> None:
    averages, layers = [], []
    for stops_at in (None, 3):
        layer = network()
        average = RunningAverage(layer, decay=0.9)
        for step in range(1, 7):
            move(layer, 0.5)
            average.update(step)
            if step == stops_at:
                kept = {name: x.clone() for name, x in average.state_dict().items()}
                average = RunningAverage(layer, decay=0.9)
                average.load_state_dict(kept, step=step)
                average.follow()
        averages.append(average.average["weight"])
        layers.append(layer.weight)
    assert torch.equal(averages[0], averages[1])
    assert torch.equal(layers[0], layers[1])


def test_the_recipe_of_adapters_is_the_one_that_ships() -> None:
    o = adapter_recipe(learning_rate=5e-4, head_learning_rate=1e-3, weight_decay=0.01)
    assert (o.name, o.learning_rate, o.encoder_learning_rate) == ("adamw", 1e-3, 5e-4)
    assert (o.weight_decay, o.gradient_clip) == (0.01, 1.0)
    factor = rate_factor(o, 100)
    # six steps up to the peak, which a slope has left by then
    assert [round(factor(step), 3) for step in (0, 2, 5, 6, 50, 99)] == [0.167, 0.5, 0.95, 0.94, 0.5, 0.01]


def test_the_recipe_of_heads_falls_along_a_half_wave_from_the_start() -> None:
    o = head_recipe(learning_rate=1e-3, weight_decay=0.05)
    assert (o.learning_rate, o.weight_decay, o.schedule, o.warm_up) == (1e-3, 0.05, "cosine", 0)
    assert o.gradient_clip == 1.0
