"""What this processor can do at most, and how near to it the encoders come:
`python benchmarks/roof.py [--precision bf16]`.

The roof of arithmetic is a matrix product of 1,024 × 1,024 in the same precision on one thread, that
of memory a copy of 256 MiB; their quotient is the arithmetic intensity (operations a byte) from
which arithmetic bounds a stage. Then the shapes that the text encoder's layers have, and both
encoders whole over made-up inputs: operations are counted from their layers (two for each weight
and each place where it is applied; attention's own products left out, 3 % at 40 pieces). All in processor
time, the best of several tries: what else runs on the machine only ever slows one down.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from crisislens.encoders.base import load_encoders
from crisislens.pipeline.analyst import DEFAULT_BUNDLE
from crisislens.pipeline.joining import find_bundle

_PIECES = 40


def best(work: Callable[[], object], repeats: int = 7) -> float:
    """Seconds of processor time."""
    work()
    tries = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        tries.append(time.process_time() - began)
    return min(tries)


def operations(module: nn.Module, *inputs: Tensor) -> int:
    """Of all linear maps and convolutions that one pass goes through."""
    counted = [0]

    def count(layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        assert isinstance(layer, nn.Linear)
        counted[0] += 2 * layer.weight.numel() * (out.numel() // out.shape[-1])

    convolve = torch.nn.functional.conv2d

    def convolved(x: Tensor, weight: Tensor, *rest: object, **named: object) -> Tensor:
        out: Tensor = convolve(x, weight, *rest, **named)  # type: ignore[arg-type]
        counted[0] += 2 * weight.numel() * out.shape[0] * out.shape[2] * out.shape[3]
        return out

    hooks = [m.register_forward_hook(count) for m in module.modules() if isinstance(m, nn.Linear)]
    torch.nn.functional.conv2d = convolved  # type: ignore[assignment]
    try:
        # differentiated, so that photos take torch's own convolutions, which are counted here
        with torch.inference_mode(False), torch.enable_grad():
            module(*(x.clone() for x in inputs))
    finally:
        torch.nn.functional.conv2d = convolve
        for hook in hooks:
            hook.remove()
    return counted[0]


def roofs(kind: torch.dtype) -> tuple[float, float]:
    """Operations and bytes a second, in 10⁹."""
    a, b, out = (torch.randn(1024, 1024).to(kind) for _ in range(3))
    arithmetic = 2 * 1024**3 / best(lambda: torch.matmul(a, b, out=out)) / 1e9
    source = torch.zeros(1 << 26)
    target = torch.empty_like(source)
    return arithmetic, 2 * source.nbytes / best(lambda: target.copy_(source)) / 1e9


def main() -> None:
    """Prints a JSON line for the roofs, and one a stage."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # outside of inference mode, as the product loads them: see encoders.fused.serves
    encoders = load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).computing_in(arguments.precision)
    kind = torch.bfloat16 if arguments.precision == "bf16" else torch.float32
    with torch.inference_mode():
        arithmetic, memory = roofs(kind)
        roof = {"precision": arguments.precision, "GFLOP/s": round(arithmetic, 1), "GB/s": round(memory, 1)}
        print(json.dumps(roof | {"operations a byte where they meet": round(arithmetic / memory, 1)}))
        ids = torch.randint(5, 200_000, (arguments.batch, _PIECES))
        photo = torch.rand(1, 3, 260, 260) * 2 - 1
        stages: list[tuple[str, nn.Module, tuple[Tensor, ...], int]] = [
            (
                f"text encoder, {arguments.batch} posts of 40 pieces",
                encoders.text,
                (ids, torch.ones_like(ids, dtype=torch.bool)),
                arguments.batch,
            ),
            (
                "text encoder, one post",
                encoders.text,
                (ids[:1], torch.ones_like(ids[:1], dtype=torch.bool)),
                1,
            ),
            ("photo encoder, one photo", encoders.image, (photo,), 1),
        ]
        for name, module, inputs, posts in stages:
            work = operations(module, *inputs)
            seconds = best(lambda m=module, x=inputs: m(*x))  # type: ignore[misc]
            rate = work / seconds / 1e9
            weights = kind.itemsize * sum(p.numel() for p in module.parameters() if p.dim() > 1)
            print(
                json.dumps(
                    {
                        "stage": name,
                        "GFLOP a post": round(work / posts / 1e9, 2),
                        "ms a post": round(1000 * seconds / posts, 1),
                        "operations a byte of weights": round(work / weights),
                        "GFLOP/s": round(rate, 1),
                        "share of the roof": round(rate / arithmetic, 2),
                    }
                )
            )


if __name__ == "__main__":
    main()
