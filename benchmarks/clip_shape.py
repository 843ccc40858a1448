"""CLIP ViT-B/32 of the true shape with random weights, by checkpoint, against transformers' own
model: `python benchmarks/clip_shape.py [--posts 24] [--precision bf16] [--threads 2]`.

Both get the same posts, each a made-up text and a made-up photo on disk. Theirs computes in single
precision, ours in what `--precision` says. Ours goes its whole way (`PostEncoder`: cleaning, tokens in
groups of one length, decoding of what is untrusted, photos one by one, pooled vectors); transformers'
is the plain loop of its documentation: decode with Pillow, processor, tokenizer, batches of 8 padded
to the longest. Printed are the times on the clock and of the processor, and their quotients. The
network is transformers' in both, so in single precision the quotient says what the way costs or saves,
and nothing of the layers.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder

_BATCH, _SIDES = 8, (1_280, 960)


def checkpoint(folder: Path) -> None:
    """A whole checkpoint in the layout of transformers; its words are letters."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    torch.manual_seed(0)
    # the default of the configuration is ViT-B/32
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    letters = [chr(code) for code in range(33, 127)]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    names = {
        "bos_token": pieces[-2],
        "eos_token": pieces[-1],
        "pad_token": pieces[-1],
        "unk_token": pieces[-1],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", **names}))


def made_up(folder: Path, count: int) -> list[Post]:
    """Posts with a photo each."""
    random = np.random.default_rng(0)
    posts = []
    for i in range(count):
        small = Image.fromarray(random.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        small.resize(_SIDES, Image.Resampling.BICUBIC).save(folder / f"{i}.jpg", quality=85)
        words = "".join(random.choice(list("aeionrst "), size=int(random.integers(8, 60))))
        posts.append(Post(id=str(i), text=f"post {i} {words}", image=ImageRef(path=f"{i}.jpg")))
    return posts


def plain(folder: Path, posts: Sequence[Post], photos: Path) -> tuple[float, float]:
    """Seconds of transformers' own loop, on the clock and of the processor."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer, processor = (kind.from_pretrained(folder) for kind in (CLIPTokenizer, CLIPImageProcessorPil))
    began = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for start in range(0, len(posts), _BATCH):
            group = posts[start : start + _BATCH]
            words = tokenizer(
                [post.text for post in group], padding=True, truncation=True, return_tensors="pt"
            )
            shown = [Image.open(photos / post.image.path).convert("RGB") for post in group if post.image]
            model.get_text_features(**words)
            model.get_image_features(processor(images=shown, return_tensors="pt")["pixel_values"])
    return time.perf_counter() - began[0], time.process_time() - began[1]


def ours(folder: Path, posts: Sequence[Post], photos: Path, precision: str) -> tuple[float, float]:
    """Seconds of the one path from posts to features, likewise."""
    spec = EncoderSpec(name="clip", options={"checkpoint": str(folder)})
    pair = load_encoders(spec).computing_in(precision)
    encoder = PostEncoder(
        pair, rules=CleaningRules(), limits=ImageLimits(), image_root=photos, keep_tokens=()
    )
    began = time.perf_counter(), time.process_time()
    encoder.encode(posts)
    return time.perf_counter() - began[0], time.process_time() - began[1]


def main() -> None:
    """Prints a JSON line a round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=24)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checkpoint(folder)
        posts = made_up(folder, arguments.posts)
        for _ in range(arguments.rounds):
            theirs = plain(folder, posts, folder)
            own = ours(folder, posts, folder, arguments.precision)
            line: dict[str, object] = {"posts": len(posts), "precision": arguments.precision}
            line["threads"] = arguments.threads
            for name, a, b in zip(("clock", "processor"), theirs, own, strict=True):
                line[f"transformers_s, {name}"], line[f"ours_s, {name}"] = round(a, 2), round(b, 2)
                line[f"times as fast, {name}"] = round(a / b, 2)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
