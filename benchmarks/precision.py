"""What bfloat16 changes: `python benchmarks/precision.py POSTS [--images DIR] [--limit 500] [--bits 100]`.

The same posts through the same bundle with encoders in single precision, and then with the text encoder,
the photo encoder or both in bfloat16: decisions (label, abstention) of all tasks that differ, the
largest difference of an urgency, and the cosine of the pooled vectors. With `--bits` the first posts are
encoded again alone, and with two threads within an operation, and those are counted whose numbers are
other bits than in the whole batch. The quotient of the processor times is printed only where the processor
multiplies in bfloat16: elsewhere the products are emulated, which says nothing about speed, and their
sums may be rounded elsewhere than in hardware.
"""

import argparse
import dataclasses
import json
import os
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
from crisislens.features.encode import PostEncoder, PostFeatures
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst

_CHUNK = 256
_PARTS: dict[str, tuple[str, ...]] = {"text": ("text",), "photo": ("image",), "both": ("text", "image")}


@dataclass(frozen=True)
class Looked:
    """Answers, pooled vectors by modality, seconds of processor time, and what encoded."""

    answers: list[Assessment]
    pooled: dict[str, list[torch.Tensor]]
    seconds: float
    encoder: PostEncoder


def looked(posts: Sequence[Post], root: Path, model: str, parts: Sequence[str]) -> Looked:
    """The posts with these encoders in bfloat16."""
    analyst = Analyst.load(model, image_root=root)
    pair = analyst.encoder.encoders
    trained = pair.known_as()
    for part in parts:
        getattr(pair, part).compute_in("bf16")
    analyst.encoder.encoders = dataclasses.replace(pair, trained=trained)
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
    return Looked(answers, pooled, seconds, analyst.encoder)


def compared(single: Looked, half: Looked) -> dict[str, object]:
    """What differs."""
    pairs = [
        ((a.label, a.abstained), (b.label, b.abstained))
        for one, other in zip(single.answers, half.answers, strict=True)
        for a, b in zip(one.tasks.values(), other.tasks.values(), strict=True)
    ]
    urgencies = [abs(a.urgency - b.urgency) for a, b in zip(single.answers, half.answers, strict=True)]
    differing = sum(a != b for a, b in pairs)
    line: dict[str, object] = {
        "decisions": len(pairs),
        "differing": differing,
        "share, %": round(100 * differing / len(pairs), 3),
        "other labels": sum(a[0] != b[0] for a, b in pairs),
        "largest difference of an urgency": round(max(urgencies), 4),
    }
    for name in single.pooled:
        if single.pooled[name]:
            a, b = torch.stack(single.pooled[name]), torch.stack(half.pooled[name])
            cosines = functional.cosine_similarity(a, b)
            line[f"least cosine, {name}"] = round(float(cosines.min()), 6)
            line[f"mean cosine, {name}"] = round(float(cosines.mean()), 6)
    return line


def other_bits(encoder: PostEncoder, posts: Sequence[Post]) -> dict[str, int]:
    """How many posts have other numbers alone, and with two threads, than in one call with one."""

    def fresh() -> PostEncoder:
        return PostEncoder(
            encoder.encoders, rules=encoder.rules, limits=encoder.limits, image_root=encoder.image_root
        )

    def equal(a: PostFeatures, b: PostFeatures) -> bool:
        pairs = ((a.text_tokens, b.text_tokens), (a.image_tokens, b.image_tokens))
        pairs += ((a.text_pooled, b.text_pooled), (a.image_pooled, b.image_pooled))
        return all(x is y if x is None or y is None else torch.equal(x, y) for x, y in pairs)

    together = fresh().encode(posts).features
    alone = [fresh().encode([post]).features[0] for post in posts]
    try:
        torch.set_num_threads(2)
        twice = fresh().encode(posts).features
        twice_alone = [fresh().encode([post]).features[0] for post in posts]
    finally:
        torch.set_num_threads(1)
    others = {"alone": alone, "two threads": twice, "two threads, alone": twice_alone}
    found = {"posts looked at": len(posts)}
    for name, features in others.items():
        found[f"other bits, {name}"] = sum(not equal(a, b) for a, b in zip(together, features, strict=True))
    return found


def main() -> None:
    """Prints a JSON line for each set of encoders in bfloat16."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--bits", type=int, default=0, help="how many posts to encode alone, too")
    parser.add_argument("--parts", nargs="+", choices=tuple(_PARTS), default=list(_PARTS))
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # what is compared is chosen below, whatever is asked for outside
    os.environ[ASKED] = "fp32"
    root = arguments.images or arguments.posts.resolve().parent
    posts = [row for row in read_posts(arguments.posts) if isinstance(row, Post)][: arguments.limit]
    native = choose("auto") == "bf16"
    single = looked(posts, root, arguments.model, ())
    said = {"posts": arguments.posts.name, "count": len(posts)}
    for name in arguments.parts:
        half = looked(posts, root, arguments.model, _PARTS[name])
        line = {**said, "in bfloat16": name, **compared(single, half)}
        ratio = round(half.seconds / single.seconds, 2)
        line["processor time, bf16 / fp32"] = ratio if native else "not measurable"
        if arguments.bits:
            line |= other_bits(half.encoder, posts[: arguments.bits])
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
