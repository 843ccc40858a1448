"""What decoding large JPEGs at a reduced scale changes and costs:
`python benchmarks/reduced_photos.py PHOTOS [--count 150] [--kinds collage enlarged]`.

`data.images` lets libjpeg scale a large picture inside its transform. Here every picture is decoded
in that way and whole, then scaled to the encoder's size; what is printed: the pixels' difference
there in levels of 255, the decisions (label, abstention) of every task that differ for a post of
this photo alone, and the processor time of decoding. Photos of phones were not to be had, so large ones
are made of small real ones: `collage` puts 7 by 7 real photos side by side (real detail at the
scale of a pixel), `enlarged` draws one up eightfold and lays grain over it (a soft photo with
noise). Both are saved with quality 85.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, JpegImagePlugin

from crisislens.data.images import decode_image
from crisislens.domain.post import ImageRef, Post
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst

_TILE, _TILES, _LARGER, _GRAIN = 224, 7, 8, 6.0


def collage(paths: Sequence[Path]) -> Image.Image:
    """Real photos side by side, in a square of 1,568 pixels."""
    whole = Image.new("RGB", (_TILES * _TILE, _TILES * _TILE))
    for i, path in enumerate(paths):
        with Image.open(path) as photo:
            tile = photo.convert("RGB").resize((_TILE, _TILE))
        whole.paste(tile, (i % _TILES * _TILE, i // _TILES * _TILE))
    return whole


def enlarged(path: Path, seed: int) -> Image.Image:
    """One real photo eight times as large, with grain."""
    with Image.open(path) as photo:
        small = photo.convert("RGB")
    large = small.resize((small.width * _LARGER, small.height * _LARGER), Image.Resampling.BICUBIC)
    levels = np.asarray(large, np.float32)
    grain = np.random.default_rng(seed).normal(0, _GRAIN, levels.shape)
    return Image.fromarray((levels + grain).clip(0, 255).astype(np.uint8))


@contextmanager
def whole_decoding() -> Iterator[None]:
    """Within, libjpeg decodes every picture at its own size."""
    reduced = JpegImagePlugin.JpegImageFile.draft
    JpegImagePlugin.JpegImageFile.draft = lambda self, mode, size: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        JpegImagePlugin.JpegImageFile.draft = reduced  # type: ignore[method-assign]


def looked_at(analyst: Analyst, folder: Path, names: Sequence[str]) -> tuple[list[object], np.ndarray, float]:
    """Decisions by photo, the encoder's inputs as bytes, and seconds of processor time of decoding."""
    started = time.process_time()
    decoded = [decode_image(folder / name, analyst.limits).pixels for name in names]
    spent = time.process_time() - started
    inputs = np.stack([analyst.encoder.encoders.image.preprocess(pixels).numpy() for pixels in decoded])
    found = analyst.assess([Post(id=name, image=ImageRef(path=name)) for name in names])
    decisions = [{task: (a.label, a.abstained) for task, a in one.tasks.items()} for one in found]
    return list(decisions), inputs * 128, spent


def main() -> None:
    """Prints a JSON line for each kind of large photo."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--kinds", nargs="+", default=["collage", "enlarged"])
    parser.add_argument("--model", default=DEFAULT_BUNDLE)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    paths = sorted(arguments.photos.rglob("*.jpg"))
    random.Random(0).shuffle(paths)
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            names = [f"{i}.jpg" for i in range(arguments.count)]
            for i, name in enumerate(names):
                tiles = [paths[(i * _TILES**2 + k) % len(paths)] for k in range(_TILES**2)]
                picture = collage(tiles) if kind == "collage" else enlarged(paths[i % len(paths)], i)
                picture.save(folder / name, quality=85)
            # an analyst each: one that remembers photos would not look at them again
            reduced, small, fast = looked_at(Analyst.load(arguments.model, image_root=folder), folder, names)
            with whole_decoding():
                full, exact, slow = looked_at(Analyst.load(arguments.model, image_root=folder), folder, names)
        pairs = [
            (a[task], b[task])
            for a, b in zip(reduced, full, strict=True)
            for task in a  # type: ignore[index,attr-defined]
        ]
        apart = np.abs(small - exact)
        print(
            json.dumps(
                {
                    "kind": kind,
                    "photos": len(names),
                    "decisions": len(pairs),
                    "differing": sum(a != b for a, b in pairs),
                    "mean difference, levels": round(float(apart.mean()), 2),
                    "worst photo's mean, levels": round(float(apart.mean((1, 2, 3)).max()), 2),
                    "99.9 % of pixels within, levels": round(float(np.quantile(apart, 0.999)), 1),
                    "decoding, time reduced / whole": round(fast / slow, 2),
                }
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
