"""Draws docs/images/shapley.svg: error and cost of the permutation estimator against enumeration,
for k up to 10.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import torch

from crisislens.nn.shapley import antithetic_permutations, exact_shapley, permutation_shapley

mpl.use("svg")
from matplotlib import pyplot as plt

TARGET = Path(__file__).resolve().parent.parent / "docs" / "images" / "shapley.svg"
SAMPLES = (2, 4, 8, 16, 32, 64, 128)
REPEATS = 40


def error(k: int, samples: int, *, antithetic: bool) -> float:
    """Root mean squared error of a value, over games of k random cosines a target and over draws."""
    squares = []
    for seed in range(REPEATS):
        g = torch.Generator().manual_seed(seed)
        s = torch.rand(k, k, generator=g, dtype=torch.float64) * 2 - 1
        orders = (
            antithetic_permutations(samples, k, g)
            if antithetic
            else antithetic_permutations(2 * samples, k, g)[:samples]
        )
        squares.append((permutation_shapley(s, orders) - exact_shapley(s)).square().mean())
    return float(torch.stack(squares).mean().sqrt())


def milliseconds(call: object) -> float:
    """The fastest of five calls."""
    assert callable(call)
    best = float("inf")
    for _ in range(5):
        started = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - started)
    return 1000 * best


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=TARGET, help="the picture")
    target: Path = parser.parse_args(arguments).out
    torch.set_num_threads(1)
    mpl.rcParams.update({"svg.hashsalt": "crisislens", "font.size": 9})
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for k, color in ((4, "C0"), (7, "C1"), (10, "C2")):
        for antithetic, style in ((True, "-"), (False, ":")):
            values = [error(k, m, antithetic=antithetic) for m in SAMPLES]
            left.loglog(
                SAMPLES,
                values,
                style,
                color=color,
                label=f"k = {k}, {'antithetic' if antithetic else 'independent'}",
            )
            print(k, antithetic, [round(v, 4) for v in values])
    left.set(
        xlabel="permutations M",
        ylabel="root mean squared error of a value",
        title="Error of the estimate (cosines, τ = 0.1)",
    )
    left.legend(fontsize=7)
    sizes = range(2, 11)
    games = {k: torch.rand(k, k) * 2 - 1 for k in (*sizes, 16, 32)}
    exact = [milliseconds(lambda k=k: exact_shapley(games[k])) for k in sizes]
    right.semilogy(sizes, exact, "k.-", label="enumeration")
    for m in (32, 128):
        cost = [
            milliseconds(lambda k=k, m=m: permutation_shapley(games[k], antithetic_permutations(m, k)))
            for k in games
        ]
        right.semilogy(list(games), cost, ".-", label=f"M = {m}")
        print(m, [round(c, 3) for c in cost])
    print("exact", [round(c, 2) for c in exact])
    right.set(xlabel="players k", ylabel="milliseconds for k targets", title="Cost, one thread")
    right.legend(fontsize=7)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
