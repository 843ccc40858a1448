"""What alignment costs a training step: `python benchmarks/alignment_cost.py DATA [--steps 12]`.

DATA is the folder that holds `mner`. The same batches of 32 tweets of Twitter-2017 with their
captions go through the extractor `context` (no alignment) and through InfoNCE and Shapley values (k
= 32 players, M = 32 permutations, both directions between texts and contexts), forward, backward
and AdamW; the systems take turns on each batch, so that a busy machine slows all of them. Printed
is the median of the ratios to the system without alignment, with its quartiles. `--images` adds
made-up patches, and with them the other two directions.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from torch import Tensor

from crisislens.models.extraction import Extractor
from crisislens.nn.device import set_threads
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.data import encode_posts, length_batches
from crisislens.training.extraction.fit import word_reader
from crisislens.training.extraction.mie import mie_run
from crisislens.training.extraction.splits import load_splits

SYSTEMS = ("context", "info_nce", "shap_ca")
K, WIDTH = 32, 1280


def step(extractor: Extractor, optimizer: torch.optim.Optimizer, batch: WordBatch, y: Tensor) -> float:
    """Seconds of one training step."""
    started = time.perf_counter()
    optimizer.zero_grad()
    task, align = extractor.loss(batch, y)
    (task + align).backward()
    optimizer.step()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()
    set_threads(args.threads)
    runs = {name: mie_run("twitter2017", name, args.data) for name in SYSTEMS}
    splits = load_splits(runs["context"].data)
    change = {"image_width": WIDTH} if args.images else {}
    extractors = {
        name: Extractor(run.extractor.model_copy(update=change)).train() for name, run in runs.items()
    }
    optimizers = {}
    for name, extractor in extractors.items():
        trained = [p for p in extractor.parameters() if p.requires_grad]
        optimizers[name] = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    examples = encode_posts(
        splits.train, extractors["context"], word_reader(extractors["context"]), splits.contexts
    )
    batches = length_batches(examples, size=K, seed=0, extractor=extractors["context"]).epoch(0)
    seconds: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for i in range(args.steps + 2):
        batch, y = next(batches)
        if args.images:
            batch = batch.replace(
                image=torch.rand(K, 81, WIDTH), image_mask=torch.ones(K, 81, dtype=torch.bool)
            )
        for name in SYSTEMS if i % 2 else SYSTEMS[::-1]:
            spent = step(extractors[name], optimizers[name], batch, y)
            # the first two steps warm caches up
            if i >= 2:
                seconds[name].append(spent)
    plain = torch.tensor(seconds["context"])
    for name in SYSTEMS:
        own = torch.tensor(seconds[name])
        low, middle, high = (own / plain).quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
        print(
            json.dumps(
                {
                    "system": name,
                    "step_ms": round(1000 * float(own.median())),
                    "ratio": [round(x, 3) for x in (low, middle, high)],
                }
            )
        )


if __name__ == "__main__":
    main()
