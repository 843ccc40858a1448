"""The run-time checks that every other test runs under."""

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.core.files import atomic_write, sole_writer
from crisislens.nn.attention import masked_mean
from typechecker import check_imports_of, checked

if TYPE_CHECKING:
    from elsewhere import Unknown


@checked
def half(number: float) -> float:
    return number / 2


@checked
def wrong(number: int) -> int:
    return str(number)  # type: ignore[return-value]


@checked
def product(left: Float[Tensor, "a b"], right: Float[Tensor, "b c"]) -> Float[Tensor, "a c"]:
    return left @ right


@checked
def lazy(given: "Unknown", number: "int") -> "list[Unknown]":
    return [given] * number


@checked
@dataclass(frozen=True)
class Row:
    name: str
    weights: Float[Tensor, " n"] | None = None


@pytest.mark.parametrize(
    "call",
    [
        lambda: half("four"),  # type: ignore[arg-type]
        lambda: wrong(1),
        lambda: product(torch.ones(2, 3), torch.ones(2, 3)),
        lambda: product(torch.ones(2, 3), torch.ones(3, 2, dtype=torch.long)),
        lambda: lazy(1, "two"),  # type: ignore[arg-type]
        lambda: Row(name=7),  # type: ignore[arg-type]
        lambda: Row("a", weights=torch.ones(2, 2)),
        # the package itself: one function without a shape, one generator, one with shapes
        lambda: atomic_write(Path("never"), 7),  # type: ignore[arg-type]
        lambda: sole_writer("folder").__enter__(),  # type: ignore[arg-type]
        lambda: masked_mean(torch.ones(2, 3, 4), torch.ones(2, 2, dtype=torch.bool)),
    ],
)
def test_what_a_signature_does_not_allow_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(TypeError):
        call()


def test_what_it_allows_passes() -> None:
    assert half(4) == half(4.0) == 2
    assert product(torch.ones(2, 3), torch.ones(3, 4)).shape == (2, 4)
    assert lazy("a", 2) == ["a", "a"]
    assert Row("a", weights=torch.ones(3)) != Row("b")


def test_signatures_are_read_as_they_were_written() -> None:
    assert lazy.__annotations__ == {"given": "Unknown", "number": "int", "return": "list[Unknown]"}
    assert list(inspect.signature(half).parameters) == ["number"]


def test_a_package_that_is_imported_already_is_refused() -> None:
    with pytest.raises(RuntimeError, match="torch is imported already"):
        check_imports_of("torch")


def test_checks_are_made_at_the_first_call_and_change_no_name() -> None:
    @checked
    def twice(number: int) -> int:
        return 2 * number

    waiting = twice.__code__
    assert twice(2) == 4
    made = twice.__code__
    assert made is not waiting
    assert twice(number=3) == 6
    assert twice.__code__ is made
    with pytest.raises(TypeError):
        twice("a")  # type: ignore[arg-type]


def test_a_first_call_may_come_from_many_threads() -> None:
    @checked
    def twice(number: int) -> int:
        return 2 * number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(twice, range(64))) == [2 * number for number in range(64)]
