"""What bfloat16 changes: `python benchmarks/precision.py POSTS [--images DIR] [--limit 500]`.

The same posts through the same bundle twice, with encoders in single precision and in bfloat16:
decisions (label, abstention) of all tasks that differ, the largest difference of an urgency, and the
cosine of the pooled vectors. The quotient of the processor times is printed only where the processor
multiplies in bfloat16: elsewhere the products are emulated, which says nothing about speed, and their
sums may be rounded elsewhere than in hardware.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.encoders.precision import ASKED, choose
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst

_CHUNK = 256


@dataclass(frozen=True)
class Looked:
    """Answers, pooled vectors by modality, and seconds of processor time."""

    answers: list[Assessment]
    pooled: dict[str, list[torch.Tensor]]
    seconds: float


def looked(
    posts: Sequence[Post], root: Path, model: str, precision: str, environment: dict[str, str]
) -> Looked:
    """The posts as one precision has them."""
    environment[ASKED] = precision
    analyst = Analyst.load(model, image_root=root)
    pooled: dict[str, list[torch.Tensor]] = {"text": [], "image": []}
    answers: list[Assessment] = []
    began = time.process_time()
    for start in range(0, len(posts), _CHUNK):
        answers += analyst.assess(posts[start : start + _CHUNK])
    seconds = time.process_time() - began
    for one in analyst.encoder.encode(posts).features:
        for name, vector in (("text", one.text_pooled), ("image", one.image_pooled)):
            if vector is not None:
                pooled[name].append(vector)
    return Looked(answers, pooled, seconds)


def main() -> None:
    """Prints one JSON line."""
    import os

    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = arguments.images or arguments.posts.resolve().parent
    posts = [row for row in read_posts(arguments.posts) if isinstance(row, Post)][: arguments.limit]
    environment = os.environ  # what Analyst reads when it loads encoders
    single, half = (
        looked(posts, root, arguments.model, precision, environment)  # type: ignore[arg-type]
        for precision in ("fp32", "bf16")
    )
    pairs = [
        ((a.label, a.abstained), (b.label, b.abstained))
        for one, other in zip(single.answers, half.answers, strict=True)
        for a, b in zip(one.tasks.values(), other.tasks.values(), strict=True)
    ]
    urgencies = [abs(a.urgency - b.urgency) for a, b in zip(single.answers, half.answers, strict=True)]
    line: dict[str, object] = {
        "posts": len(posts),
        "decisions": len(pairs),
        "differing": sum(a != b for a, b in pairs),
        "other labels": sum(a[0] != b[0] for a, b in pairs),
        "largest difference of an urgency": round(max(urgencies), 4),
    }
    for name in single.pooled:
        if single.pooled[name]:
            a, b = torch.stack(single.pooled[name]), torch.stack(half.pooled[name])
            line[f"least cosine, {name}"] = round(float(functional.cosine_similarity(a, b).min()), 6)
    native = choose("auto") == "bf16"
    line["processor time, bf16 / fp32"] = (
        round(half.seconds / single.seconds, 2) if native else "not measurable"
    )
    print(json.dumps(line))


if __name__ == "__main__":
    main()
