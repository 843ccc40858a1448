"""Training from the cache against re-encoding every post in every epoch:
`python benchmarks/training_speed.py DATA [--sample 320] [--set precision=bf16-mixed]`.

One: guided + differential attention on A1 from cached features with the default recipe: seconds of
the whole training and of its fastest epoch; the designed form (words and patches) and the published
form (pooled vectors). Two, in the same run: the plain way of the published scripts, an epoch in
which every post goes through both encoders (frozen, batches of 32 in file order, padded, photo
decoded anew) and then through the same model, forward and backward. It is measured on a sample of
training posts and scaled to the epoch. In CrisisMMD every post has a photo; where most are not at
hand, `with stand-in photos` gives each post one of those that are. Cached pooled vectors cost the
same whether a photo stands behind them or not, so that is the comparison for the published form;
words and patches are compared on the photos that are there. With `--sample 0` only the trainings run.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional

from crisislens.core.errors import ImageError
from crisislens.data.catalog import load_labeled
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.labeled import LabeledData
from crisislens.data.text import clean_text
from crisislens.domain.post import ImageRef
from crisislens.encoders.base import load_encoders, pad_ids
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.device import set_threads
from crisislens.training.config import RunConfig
from crisislens.training.fit import fit


def plain_epoch(run: RunConfig, data: LabeledData, sample: int, stand_ins: Sequence[ImageRef]) -> float:
    """Seconds of an epoch that re-encodes, measured on the first `sample` training posts and
    scaled.

    Arguments:
        run: The model.
        data: The posts.
        sample: Posts to measure on.
        stand_ins: Photos to give to posts in turn; empty for the posts' own.
    """
    encoders = load_encoders(run.encoder)
    model = run.model.build(encoders.widths(), len(data.space)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    posts = [labeled.post for labeled in data.splits["train"][:sample]]
    labels = torch.from_numpy(data.labels("train"))
    if stand_ins:
        posts = [
            post.model_copy(update={"image": stand_ins[i % len(stand_ins)]}) for i, post in enumerate(posts)
        ]
    started = time.perf_counter()
    for i in range(0, len(posts), 32):
        chunk = posts[i : i + 32]
        with torch.no_grad():
            ids, mask = pad_ids(
                encoders.text.tokenize([clean_text(p.text) for p in chunk]), encoders.text.pad_id
            )
            states, pooled = encoders.text(ids, mask)
            tokens: list[torch.Tensor | None] = []
            vectors: list[torch.Tensor | None] = []
            for p in chunk:
                try:
                    assert p.image is not None
                    pixels = decode_image(resolve_image(p.image, data.image_root)).pixels
                    patch, vector = encoders.image(encoders.image.preprocess(pixels)[None])
                    tokens.append(patch[0])
                    vectors.append(vector[0])
                except ImageError:
                    tokens.append(None)
                    vectors.append(None)
        image = ModalityBatch.collate(
            tokens, vectors, width=encoders.image.width, pooled_width=encoders.image.pooled_width
        )
        batch = FeatureBatch(text=ModalityBatch(states, mask, pooled, mask.any(1)), image=image)
        loss = functional.cross_entropy(model(batch), labels[i : i + len(chunk)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return (time.perf_counter() - started) * len(data.splits["train"]) / len(posts)


def main() -> None:
    """Prints a JSON line a model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--sample", type=int, default=320)
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"))
    parser.add_argument(
        "--set", action="append", default=[], help="as in precision=bf16-mixed or device=cuda"
    )
    arguments = parser.parse_args()
    threads = set_threads()
    for name in ("a1_guided_differential_published", "a1_guided_differential"):
        settings = [f"data.root={arguments.data}", *arguments.set]
        run = RunConfig.load(Path(f"configs/runs/{name}.yaml"), settings)
        data = load_labeled(run.data, run.task)
        photos = [
            p.post.image
            for p in data.splits["train"]
            if p.post.image is not None and _there(p.post.image, data)
        ]
        with tempfile.TemporaryDirectory() as out:
            found = fit(run, seed=0, out=Path(out), cache=arguments.cache, data=data)
        cached = min(r.seconds for r in found.history)
        line: dict[str, object] = {
            "run": name,
            "set": arguments.set,
            "threads": threads,
            "train posts": len(data.splits["train"]),
            "with photo": len(photos),
            "training_s": round(found.seconds, 1),
            "epochs": len(found.history),
            "epoch from cache_s": round(cached, 2),
        }
        if arguments.sample:
            own = plain_epoch(run, data, arguments.sample, [])
            line |= {"plain epoch_s": round(own, 1), "ratio": round(own / cached, 1)}
        if arguments.sample and run.as_published:
            all_photos = plain_epoch(run, data, arguments.sample, photos)
            line |= {
                "plain epoch with stand-in photos_s": round(all_photos, 1),
                "ratio with stand-in photos": round(all_photos / cached, 1),
            }
        print(json.dumps({**line, "test": found.test.headline()}), flush=True)


def _there(image: ImageRef, data: LabeledData) -> bool:
    try:
        return bool(resolve_image(image, data.image_root))
    except ImageError:
        return False


if __name__ == "__main__":
    main()
