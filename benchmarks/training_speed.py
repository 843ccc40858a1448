"""Training from the cache against re-encoding every post in every epoch: `python benchmarks/training_speed.py DATA [--encoded-posts 300]`.

One: guided + differential attention on A1 from cached features with the default recipe, seconds of the whole training and of an epoch.
Two, in the same run: the plain way of the published scripts, an epoch in which every post goes through both encoders (frozen, batches of
32 in file order, padded, photo decoded anew) and then through the same model, forward and backward. It is measured on a sample and scaled
to the epoch; the sample's size is printed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional

from crisislens.core.errors import ImageError
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.text import clean_text
from crisislens.encoders.base import load_encoders, pad_ids
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.device import set_threads
from crisislens.training.config import RunConfig
from crisislens.training.data import TaskData, load_data
from crisislens.training.fit import fit


def plain_epoch(run: RunConfig, data: TaskData, sample: int) -> float:
    """Seconds that re-encoding and training take for the first `sample` training posts."""
    encoders = load_encoders(run.encoder)
    model = run.model.build(encoders.widths(), len(data.space)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4)
    posts = data.splits["train"][:sample]
    started = time.perf_counter()
    for i in range(0, len(posts), 32):
        chunk = posts[i : i + 32]
        with torch.no_grad():
            ids, mask = pad_ids(encoders.text.tokenize([clean_text(p.post.text) for p in chunk]), encoders.text.pad_id)
            states, pooled = encoders.text(ids, mask)
            tokens: list[torch.Tensor | None] = []
            vectors: list[torch.Tensor | None] = []
            for p in chunk:
                try:
                    assert p.post.image is not None
                    pixels = decode_image(resolve_image(p.post.image, data.image_root)).pixels
                    patch, vector = encoders.image(encoders.image.preprocess(pixels)[None])
                    tokens.append(patch[0])
                    vectors.append(vector[0])
                except ImageError:
                    tokens.append(None)
                    vectors.append(None)
        image = ModalityBatch.collate(tokens, vectors, width=encoders.image.width, pooled_width=encoders.image.pooled_width)
        batch = FeatureBatch(text=ModalityBatch(states, mask, pooled, mask.any(1)), image=image)
        loss = functional.cross_entropy(model(batch), torch.tensor([data.space.index(p.label) for p in chunk]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    """Prints one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--encoded-posts", type=int, default=320)
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"))
    arguments = parser.parse_args()
    threads = set_threads()
    run = RunConfig.load(Path("configs/runs/a1_guided_differential.yaml"), [f"data.root={arguments.data}"])
    data = load_data(run.data)
    with tempfile.TemporaryDirectory() as out:
        found = fit(run, seed=0, out=Path(out), cache=arguments.cache, data=data)
    epoch_s = min(r.seconds for r in found.history)
    plain_s = plain_epoch(run, data, arguments.encoded_posts) * len(data.splits["train"]) / arguments.encoded_posts
    photos = sum(_there(p.post, data) for p in data.splits["train"])
    print(
        json.dumps(
            {
                "threads": threads,
                "train_posts": len(data.splits["train"]),
                "with_photo": photos,
                "training_s": round(found.seconds, 1),
                "epochs": len(found.history),
                "epoch_from_cache_s": round(epoch_s, 2),
                "plain_epoch_s (scaled)": round(plain_s, 1),
                "encoded_posts": arguments.encoded_posts,
                "ratio": round(plain_s / epoch_s, 1),
                "test": found.test.headline(),
            }
        )
    )


def _there(post, data) -> bool:
    try:
        return bool(resolve_image(post.image, data.image_root))
    except ImageError:
        return False


if __name__ == "__main__":
    main()
