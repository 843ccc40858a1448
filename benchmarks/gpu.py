"""Posts a second on a graphics card and the share of its roof:
`python benchmarks/gpu.py [--posts 4096] [--device cuda]`.

Without a card one line says so and nothing is measured. The text encoder of the default bundle gets
made-up posts of 40 pieces in batches by pieces, copied from pinned memory while the card computes, in
single precision, in bfloat16, and in bfloat16 with `torch.compile` and CUDA graphs (its mode
`reduce-overhead`, since all batches have one shape); the photo encoder batches of 32. The roof
is a matrix product of 8,192 × 8,192 in the same precision. `--device cpu` runs the same lines small, to
see that they do.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.pipeline.analyst import DEFAULT_BUNDLE
from crisislens.pipeline.joining import find_bundle

_PIECES, _BATCH_PIECES, _PHOTOS = 40, 16_384, 32


def waited(device: torch.device, work: Callable[[], object], repeats: int = 3) -> float:
    """Seconds on the clock until the device is done, the best of several tries."""
    tries = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        tries.append(time.perf_counter() - began)
    # the first compiles, and warms up
    return min(tries[1:])


def roof(device: torch.device, kind: torch.dtype) -> float:
    """Operations a second of a large product."""
    side = 8_192 if device.type == "cuda" else 512
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return 2 * side**3 / waited(device, lambda: a @ b)


def operations(module: nn.Module, places: int) -> int:
    """Two for each weight of a linear map and each piece."""
    return 2 * places * sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Linear))


def fed(device: torch.device, batches: list[tuple[Tensor, ...]], step: Callable[..., object]) -> None:
    """Every batch through a step; its copy to the card runs beside what the card does."""
    for batch in batches:
        step(*(part.to(device, non_blocking=True) for part in batch))


def measure(pair: EncoderPair, device: torch.device, posts: int, precision: str, *, compiled: bool) -> None:
    """Prints a JSON line for one way to compute."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    pinned = device.type == "cuda"
    size = max(1, min(_BATCH_PIECES // _PIECES, posts))
    ids = [torch.randint(5, 200_000, (size, _PIECES)) for _ in range(max(1, posts // size))]
    texts = [(one, torch.ones_like(one, dtype=torch.bool)) for one in ids]
    photos = [(torch.rand(_PHOTOS if pinned else 1, 3, 260, 260),) for _ in range(max(1, posts // 256))]
    if pinned:
        texts = [tuple(part.pin_memory() for part in batch) for batch in texts]  # type: ignore[misc]
        photos = [tuple(part.pin_memory() for part in batch) for batch in photos]  # type: ignore[misc]
    text, image = (
        torch.compile(side, mode="reduce-overhead") if compiled else side for side in (pair.text, pair.image)
    )
    with torch.inference_mode():
        most = roof(device, kind)
        text_s = waited(device, lambda: fed(device, texts, text)) / (len(texts) * size)
        image_s = waited(device, lambda: fed(device, photos, image)) / sum(len(x) for (x,) in photos)
    line = {
        "precision": precision,
        "compiled": compiled,
        "texts a second": round(1 / text_s, 1),
        "text: share of the roof": round(operations(pair.text, _PIECES) / text_s / most, 3),
        "photos a second": round(1 / image_s, 1),
        "roof, TFLOP/s": round(most / 1e12, 3),
    }
    print(json.dumps(line), flush=True)


def main() -> None:
    """Prints the card, and a JSON line for each way to compute."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=4_096)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no card here that torch can use: nothing was measured")
        return
    device = torch.device(arguments.device)
    if device.type == "cuda":
        print(json.dumps({"card": torch.cuda.get_device_name()}))
    pair = load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).to(device)
    measure(pair, device, arguments.posts, "fp32", compiled=False)
    pair = pair.computing_in("bf16")
    measure(pair, device, arguments.posts, "bf16", compiled=False)
    if device.type == "cuda":
        measure(pair, device, arguments.posts, "bf16", compiled=True)


if __name__ == "__main__":
    main()
