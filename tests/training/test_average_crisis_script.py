"""Half way between two adapters lies the mean of their differences, exactly."""

import importlib.util
from pathlib import Path

import torch

from crisislens.encoders.lora import LoraState

PATH = Path(__file__).parents[2] / "scripts" / "average_crisis.py"


def test_the_average_of_two_adapters_is_the_mean_of_their_differences() -> None:
    spec = importlib.util.spec_from_file_location("average_crisis", PATH)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    random = torch.Generator().manual_seed(0)

    def state() -> LoraState:
        a, b = torch.randn(2, 5, generator=random), torch.randn(4, 2, generator=random)
        return LoraState(
            {"q.lora_a": a, "q.lora_b": b, "norm.weight": torch.randn(5, generator=random)}, 2.0, "w"
        )

    first, second = state(), state()
    mean = script.averaged(first, second)
    products = [s.tensors["q.lora_b"] @ s.tensors["q.lora_a"] for s in (first, second, mean)]
    torch.testing.assert_close(products[2], (products[0] + products[1]) / 2)
    torch.testing.assert_close(
        mean.tensors["norm.weight"], (first.tensors["norm.weight"] + second.tensors["norm.weight"]) / 2
    )
    assert (mean.scaling, mean.base) == (2.0, "w")
