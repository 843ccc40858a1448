"""What locked contexts save of a training of `bench run mie`:
`python benchmarks/extraction_speed.py DATA [--data-set mnre-v1] [--steps 12]`.

The same batches of 32 posts go through one system whose contexts are read inside the graph and through
the same system with locked contexts, forward, backward and AdamW; the two take turns on each batch, so
that a busy machine slows both. Dev posts are read by both likewise. Printed are milliseconds of
processor time a post, how often the whole is as fast (median over batches with quartiles), and what a
training of so many posts and passes comes to: its steps, a reading of dev after each pass, and one of
dev and two of test at its end.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crisislens.models.extraction import Extractor
from crisislens.nn.device import set_threads
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.checks import with_labels_of
from crisislens.training.extraction.data import Example, collate_examples, encode_posts, length_batches
from crisislens.training.extraction.fit import word_reader
from crisislens.training.extraction.splits import ExtractionSplits, load_splits
from crisislens.training.extraction.systems import mie_run

WAYS = {"inside the graph": False, "locked": True}
SIZE = 32


def step(extractor: Extractor, optimizer: torch.optim.Optimizer, batch: WordBatch, y: Tensor) -> float:
    """Seconds of one training step."""
    started = time.process_time()
    optimizer.zero_grad()
    task, align = extractor.train().loss(batch, y)
    (task + align).backward()
    optimizer.step()
    return time.process_time() - started


def reading(extractor: Extractor, batch: WordBatch) -> float:
    """Seconds of saying what stands in a batch."""
    started = time.process_time()
    extractor.eval().predict(batch, with_scores=False)
    return time.process_time() - started


def encoded(
    splits: ExtractionSplits, extractor: Extractor, locked: bool
) -> tuple[list[list[Example]], float]:
    """Training and dev posts as numbers, and the seconds a post that it took."""
    started = time.process_time()
    reader = word_reader(extractor)
    parts = [
        encode_posts(splits.part(split), extractor, reader, splits.contexts, locked_contexts=locked)
        for split in ("train", "dev")
    ]
    return parts, (time.process_time() - started) / sum(map(len, parts))


def main() -> None:
    """Prints a JSON line a way, and one with the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--data-set", default="twitter2017")
    parser.add_argument("--system", default="info_nce")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--train-posts", type=int, default=1700)
    parser.add_argument("--passes", type=int, default=5)
    args = parser.parse_args()
    set_threads(1)
    run = mie_run(args.data_set, args.system, args.data, train_posts=args.train_posts)
    splits = load_splits(run.data)
    run = with_labels_of(run, splits)
    extractors, optimizers, posts, before = {}, {}, {}, {}
    for way, locked in WAYS.items():
        torch.manual_seed(0)
        extractors[way] = Extractor(run.extractor)
        trained = [p for p in extractors[way].parameters() if p.requires_grad]
        optimizers[way] = torch.optim.AdamW(trained, lr=1e-5, fused=True)
        posts[way], before[way] = encoded(splits, extractors[way], locked)
    plain = extractors["inside the graph"]
    order = length_batches(posts["locked"][0], size=SIZE, seed=0, extractor=plain).order(0)[: args.steps + 1]
    steps: dict[str, list[float]] = {way: [] for way in WAYS}
    readings: dict[str, list[float]] = {way: [] for way in WAYS}
    for i, rows in enumerate(order):
        for way in WAYS if i % 2 else reversed(WAYS):
            train, dev = posts[way]
            batch, y = collate_examples([train[j] for j in rows.tolist()], plain)
            spent = step(extractors[way], optimizers[way], batch, y) / len(rows)
            # dev posts by length, as they are read after a pass
            near = sorted(dev, key=lambda e: len(e.words))[i * len(dev) // len(order) :][:SIZE]
            read = reading(extractors[way], collate_examples(near, plain)[0]) / len(near)
            # the first batch warms caches up
            if i:
                steps[way].append(spent)
                readings[way].append(read)
    dev_test = len(splits.dev) * (args.passes + 1) + 2 * len(splits.test)
    whole = {}
    for way in WAYS:
        learned, read = float(np.mean(steps[way])), float(np.mean(readings[way]))
        once = before[way] * (len(splits.train) + 2 * len(splits.dev) + len(splits.test))
        whole[way] = args.passes * len(splits.train) * learned + dev_test * read + once
        line = {
            "contexts": way,
            "step_ms_a_post": round(1000 * learned, 1),
            "reading_ms_a_post": round(1000 * read, 1),
            "before_ms_a_post": round(1000 * before[way], 1),
            "training_s": round(whole[way]),
        }
        print(json.dumps(line), flush=True)
    ratios = {
        name: np.quantile(np.array(spent["inside the graph"]) / np.array(spent["locked"]), [0.25, 0.5, 0.75])
        .round(2)
        .tolist()
        for name, spent in (("step", steps), ("reading", readings))
    }
    print(json.dumps({**ratios, "training": round(whole["inside the graph"] / whole["locked"], 2)}))


if __name__ == "__main__":
    main()
