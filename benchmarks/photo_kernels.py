"""What the fused kernels of the photo encoder save and change:
`python benchmarks/photo_kernels.py POSTS [--images DIR] [--limit 300] [--pairs 9]`.

Photos of posts, one thread, processor time. Each pair takes the same eight photos through torch's own
convolutions and through the fused ones (`encoders.fused`), in turns, within one process, so that what
else runs beside weighs on both. Printed are the median of the ratios and the least and the most of them,
the least cosine of pooled vectors, the largest difference in them (their values reach 6), and how many
decisions (label, abstention) of the default bundle differ over the posts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from crisislens.data.images import decode_image, resolve_image
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.encoders import efficientnet
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst

_EACH = 8


@contextmanager
def kernels(*, fused: bool) -> Iterator[None]:
    """Convolutions by the fused kernels, or by torch's own."""
    before = efficientnet.serves
    if not fused:
        efficientnet.serves = lambda x, weight: False
    try:
        yield
    finally:
        efficientnet.serves = before


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one call."""
    began = time.process_time()
    run()
    return time.process_time() - began


def ratios(encode: Callable[[Tensor], Tensor], photos: list[Tensor], pairs: int) -> tuple[list[float], float]:
    """How many times as fast the fused kernels are, a pair each, and their best time in ms a photo."""
    turning = cycle(photos)
    found, best = [], float("inf")
    for i in range(pairs + 1):
        some = list(islice(turning, _EACH))
        took = {}
        # the one that is second finds the photos in the cache: each is second in half of the pairs
        for fused in (True, False) if i % 2 else (False, True):
            with kernels(fused=fused):
                took[fused] = seconds(lambda: [encode(one[None]) for one in some])  # noqa: B023
        # the first pair packs weights
        if i:
            found.append(took[False] / took[True])
            best = min(best, took[True] / len(some))
    return found, 1000 * best


def answered(posts: list[Post], root: Path, model: str, *, fused: bool) -> list[Assessment]:
    """The posts as an analyst of its own has them, which remembers no photo."""
    with kernels(fused=fused):
        return Analyst.load(model, image_root=root).assess(posts)


def main() -> None:
    """Prints one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = arguments.images or arguments.posts.resolve().parent
    rows = (row for row in read_posts(arguments.posts) if isinstance(row, Post) and row.image is not None)
    posts = list(islice(rows, arguments.limit))
    analyst = Analyst.load(arguments.model, image_root=root)
    encoder = analyst.encoder.encoders.image
    files = [resolve_image(post.image, root) for post in posts if post.image is not None]
    photos = [encoder.preprocess(decode_image(file, analyst.limits).pixels) for file in files]

    def pooled(images: Tensor) -> Tensor:
        with torch.inference_mode():
            vector: Tensor = encoder(images)[1]
        return vector

    found, best = ratios(pooled, photos, arguments.pairs)
    vectors = []
    for fused in (False, True):
        with kernels(fused=fused):
            vectors.append(torch.cat([pooled(one[None]) for one in photos]))
    plain, new = (answered(posts, root, arguments.model, fused=fused) for fused in (False, True))
    decisions = [
        (a.label, a.abstained) == (b.label, b.abstained)
        for one, other in zip(plain, new, strict=True)
        for a, b in zip(one.tasks.values(), other.tasks.values(), strict=True)
    ]
    line = {
        "photos": len(photos),
        "pairs": len(found),
        "times as fast": round(statistics.median(found), 2),
        "least and most": [round(min(found), 2), round(max(found), 2)],
        "best ms a photo": round(best, 1),
        "least cosine": float(functional.cosine_similarity(*vectors).min()),
        "largest difference": f"{float((vectors[0] - vectors[1]).abs().max()):.1e}",
        "decisions": len(decisions),
        "differing": decisions.count(False),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
