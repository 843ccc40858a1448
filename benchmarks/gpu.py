"""Posts a second on a graphics card and the share of its roof:
`python benchmarks/gpu.py [--posts 4096] [--device cuda]`.

Without a card one line says so and nothing is measured. The text encoder of the default bundle gets
made-up posts of 40 pieces in batches by pieces, copied from pinned memory while the card computes, in
single precision, in bfloat16, and in bfloat16 with `torch.compile` and CUDA graphs (its mode
`reduce-overhead`, since all batches have one shape); the photo encoder batches of 32. Training is that
of guided and differential attention on features of the shape of CLIP's (77 words and 50 patches of 512
and 768), in steps of 256 posts: forward, backward and AdamW, with autocast in bfloat16, and compiled. The
roof is a matrix product of 8,192 × 8,192 in the same precision. `--device cpu` runs the same lines small,
to see that they do.
"""

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.models.base import ModelSpec
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths
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


def made_up(device: torch.device, posts: int) -> FeatureBatch:
    """Features of the shape of CLIP's, which are on the card as the loader would have put them."""

    def one(tokens: int, width: int, pooled: int) -> ModalityBatch:
        states = torch.randn(posts, tokens, width, device=device)
        real = torch.ones(posts, tokens, dtype=torch.bool, device=device)
        return ModalityBatch(states, real, torch.randn(posts, pooled, device=device), real[:, 0])

    return FeatureBatch(text=one(77, 512, 512), image=one(50, 768, 512))


def measure_training(device: torch.device, precision: str, *, compiled: bool) -> None:
    """Prints a JSON line of training steps; the operations are those that torch counts."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    size = 256 if device.type == "cuda" else 2
    widths = FeatureWidths(text=512, text_pooled=512, image=768, image_pooled=512)
    model = ModelSpec(name="guided_differential").build(widths, 2).to(device).train()
    batch, labels = made_up(device, size), torch.randint(0, 2, (size,), device=device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.type == "cuda")
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16):
            loss = functional.cross_entropy(forward(batch).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    steps = 50 if device.type == "cuda" else 1
    seconds = waited(device, lambda: [step() for _ in range(steps)]) / steps
    with FlopCounterMode(display=False) as counter:
        loss = functional.cross_entropy(model(batch), labels)
        loss.backward()
    line = {
        "training in": precision,
        "compiled": compiled,
        "posts a second": round(size / seconds, 1),
        "share of the roof": round(counter.get_total_flops() / seconds / roof(device, kind), 3),
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
    measure_training(device, "fp32", compiled=False)
    measure_training(device, "bf16", compiled=False)
    if device.type == "cuda":
        measure_training(device, "bf16", compiled=True)


if __name__ == "__main__":
    main()
