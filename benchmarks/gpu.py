"""Posts a second on a graphics card and the share of its roof:
`python benchmarks/gpu.py [--pieces 65536] [--posts FILE --images DIR] [--parts encoders whole training]`.

Without a card one line says so and nothing is measured. *Encoders*: the text encoder of the default
bundle gets made-up posts of 40 pieces in batches by pieces, copied from pinned memory while the card
computes; its layers alone run once more as one CUDA graph, replayed, and so does the photo encoder,
in batches of several sizes. In single precision, in bfloat16, and in bfloat16 with `torch.compile`.
*Whole*: the posts of a file from their text and photos to features on the card, decoding included, as
`features` and `analyze` make them. *Training*: guided and differential attention on features of the
shape of CLIP's (77 words and 50 patches of 512 and 768), in steps of 256 posts: forward, backward and
AdamW. The roof is a matrix product of 8,192 × 8,192 in the same precision, by torch as it is set (no
TF32). `--device cpu` runs the same lines small, to see that they do.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from crisislens.data.images import ImageLimits
from crisislens.data.tabular import read_posts
from crisislens.data.text import CleaningRules
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.models.base import ModelSpec
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths
from crisislens.pipeline.analyst import DEFAULT_BUNDLE
from crisislens.pipeline.joining import find_bundle

_PIECES = 40
KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def waited(device: torch.device, work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds on the clock until the device is done, the best of several tries."""
    tries = []
    for _ in range(repeats + 2 if device.type == "cuda" else 2):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        tries.append(time.perf_counter() - began)
    # the first ones compile, and warm up
    return min(tries[2:] or tries[1:])


def roof(device: torch.device, precision: str) -> float:
    """Operations a second of a large product."""
    side = 8_192 if device.type == "cuda" else 256
    a, b = (torch.randn(side, side, device=device, dtype=KINDS[precision]) for _ in range(2))
    times = 10
    return times * 2 * side**3 / waited(device, lambda: [a @ b for _ in range(times)])


def counted(work: Callable[[], object]) -> int:
    """Operations as torch counts them."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def replayed(device: torch.device, work: Callable[[], object]) -> Callable[[], object]:
    """The same as one CUDA graph; where there is no card, as it is."""
    if device.type != "cuda":
        return work
    side = torch.cuda.Stream()
    # a graph is captured from what has run before, on a stream of its own
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def tell(what: str, count: int, seconds: float, done: float, most: float, **more: object) -> None:
    """Prints a JSON line."""
    line = {"what": what, **more, "a second": round(count / seconds, 1)}
    share = {"TFLOP/s": round(done / seconds / 1e12, 2), "share of the roof": round(done / seconds / most, 3)}
    print(json.dumps(line | share), flush=True)


def measure_text(
    pair: EncoderPair, device: torch.device, precision: str, pieces: int, *, compiled: bool
) -> None:
    """Prints a line for the whole text encoder fed from pinned memory, and one for its layers alone."""
    size, most = max(1, pieces // _PIECES), roof(device, precision)
    batches = [torch.randint(5, 200_000, (size, _PIECES)) for _ in range(8 if device.type == "cuda" else 1)]
    if device.type == "cuda":
        batches = [batch.pin_memory() for batch in batches]
    bert = pair.text.bert
    assert isinstance(bert, nn.Module)
    if compiled:
        bert.compile()

    def fed() -> None:
        # the copy of a batch to the card runs beside what the card does
        for batch in batches:
            ids = batch.to(device, non_blocking=True)
            pair.text(ids, torch.ones_like(ids, dtype=torch.bool))

    embedded = bert.get_input_embeddings()(batches[0].to(device)).to(KINDS[precision])  # type: ignore[operator]
    layers = lambda: bert(inputs_embeds=embedded)  # noqa: E731
    work = operations(bert, size * _PIECES) + attention(bert, size, _PIECES)
    said = {"precision": precision, "compiled": compiled, "posts a batch": size}
    tell("texts", size * len(batches), waited(device, fed), work * len(batches), most, **said)
    graph = layers if compiled else replayed(device, layers)
    tell("texts, layers alone, one graph", size, waited(device, graph), work, most, **said)


def operations(module: nn.Module, places: int) -> int:
    """Two for each weight of a linear map and each piece."""
    return 2 * places * sum(m.weight.numel() for m in module.modules() if isinstance(m, nn.Linear))


def attention(bert: nn.Module, posts: int, pieces: int) -> int:
    """Of the two products of attention in every layer."""
    config = bert.config
    return 4 * posts * pieces**2 * config.hidden_size * config.num_hidden_layers  # type: ignore[union-attr,operator,return-value]


def measure_photos(
    pair: EncoderPair, device: torch.device, precision: str, size: int, *, compiled: bool
) -> None:
    """Prints a line for photos that are on the card, as one graph."""
    photos = torch.rand(size, 3, 260, 260, device=device) * 2 - 1
    image = torch.compile(pair.image) if compiled else pair.image
    work = counted(lambda: pair.image(photos))
    run = (lambda: image(photos)) if compiled else replayed(device, lambda: image(photos))
    said = {"precision": precision, "compiled": compiled, "photos a batch": size}
    tell("photos, one graph", size, waited(device, run), work, roof(device, precision), **said)


def measure_whole(pair: EncoderPair, precision: str, posts: Sequence[Post], images: Path, batch: int) -> None:
    """Prints a line for real posts, from what they are on disk to features."""
    tries = []
    for _ in range(3):
        # a fresh one, which remembers no photo
        encoder = PostEncoder(
            pair,
            rules=CleaningRules(),
            limits=ImageLimits(),
            image_root=images,
            batch_posts=batch,
            keep_tokens=(),
        )
        began = time.perf_counter()
        encoder.encode(posts)
        tries.append(time.perf_counter() - began)
    photos = sum(post.image is not None for post in posts)
    line = {"what": "whole posts", "precision": precision, "posts": len(posts), "with photo": photos}
    print(
        json.dumps(line | {"a batch": batch, "a second": round(len(posts) / min(tries[1:]), 1)}), flush=True
    )


def made_up(device: torch.device, posts: int) -> FeatureBatch:
    """Features of the shape of CLIP's, which are on the card as the loader would have put them."""

    def one(tokens: int, width: int, pooled: int) -> ModalityBatch:
        states = torch.randn(posts, tokens, width, device=device)
        real = torch.ones(posts, tokens, dtype=torch.bool, device=device)
        return ModalityBatch(states, real, torch.randn(posts, pooled, device=device), real[:, 0])

    return FeatureBatch(text=one(77, 512, 512), image=one(50, 768, 512))


def measure_training(device: torch.device, precision: str, *, compiled: bool) -> None:
    """Prints a JSON line of training steps."""
    size = 256 if device.type == "cuda" else 2
    widths = FeatureWidths(text=512, text_pooled=512, image=768, image_pooled=512)
    model = ModelSpec(name="guided_differential").build(widths, 2).to(device).train()
    batch, labels = made_up(device, size), torch.randint(0, 2, (size,), device=device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=device.type == "cuda")
    forward = torch.compile(model) if compiled else model

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = functional.cross_entropy(forward(batch).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    steps = 50 if device.type == "cuda" else 1
    seconds = waited(device, lambda: [step() for _ in range(steps)], 3) / steps
    work = counted(lambda: functional.cross_entropy(model(batch), labels).backward())
    said = {"precision": precision, "compiled": compiled, "posts a step": size}
    tell("training", size, seconds, work, roof(device, precision), **said)


def tried(work: Callable[[], object]) -> None:
    """One thing that fails must not keep the others from being measured."""
    try:
        work()
    except Exception as error:
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]}), flush=True)


def encoders_of(precision: str) -> EncoderPair:
    """Those of the default bundle."""
    return load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).computing_in(precision)


def main() -> None:
    """Prints the card, and a JSON line for each way to compute."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pieces", type=int, nargs="+", default=[16_384, 65_536])
    parser.add_argument("--photos", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--posts", type=Path, help="a file of real posts, for the part whole")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--parts", nargs="+", default=["encoders", "whole", "training"])
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("there is no card here that torch can use: nothing was measured")
        return
    device = torch.device(arguments.device)
    if device.type == "cuda":
        print(json.dumps({"card": torch.cuda.get_device_name(), "torch": torch.__version__}), flush=True)
    ways = [("fp32", False), ("bf16", False)] + [("bf16", True)] * (device.type == "cuda")
    for precision, compiled in ways:
        pair = encoders_of(precision).to(device)
        if "whole" in arguments.parts and arguments.posts and not compiled:
            posts = [row for row in read_posts(arguments.posts) if isinstance(row, Post)]
            images = arguments.images or arguments.posts.resolve().parent
            for batch in (32, 256):
                tried(lambda b=batch, p=pair, k=precision, x=posts, i=images: measure_whole(p, k, x, i, b))  # type: ignore[misc]
        if "encoders" in arguments.parts:
            with torch.inference_mode():
                for pieces in arguments.pieces:
                    tried(
                        lambda n=pieces, p=pair, k=precision, c=compiled: measure_text(
                            p, device, k, n, compiled=c
                        )
                    )  # type: ignore[misc]
                for size in arguments.photos:
                    tried(
                        lambda n=size, p=pair, k=precision, c=compiled: measure_photos(
                            p, device, k, n, compiled=c
                        )
                    )  # type: ignore[misc]
        if "training" in arguments.parts:
            tried(lambda k=precision, c=compiled: measure_training(device, k, compiled=c))  # type: ignore[misc]


if __name__ == "__main__":
    main()
