"""How `analyze` grows with the number of posts, apart from the encoders:
`python benchmarks/growth.py [--sizes 1000 10000 100000] [--million]`.

Made-up posts, every text another one: words of a list, some names of places, numbers. Everything runs
as it does (reading, cleaning, tokens, four models, places, language, signatures, chunks,
near-duplicates, files, report) but for the layers of the text encoder: they are in memory, and a
sum of word vectors stands in for them, since they cost 90 % of the time and the same for every post.
So rates here are those of the rest alone. Each size runs in a process of its own on one thread;
printed are posts a second of processor time, the peak of resident memory as the system counted it,
and the share of the time that the search of near-duplicates took.
"""

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor

from crisislens.data.tabular import read_posts
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.annotators import load_annotators
from crisislens.pipeline.batch import clear_work, run_analysis
from crisislens.pipeline.neighbors import NeighborStore
from crisislens.report.situation import write_outputs
from crisislens.runs.executor import Here

_WORDS = re.findall(
    r"\w+",
    """
    water road bridge house family people school hospital flood fire storm rain help need food roof
    power line car street river north south many two three please send today morning night stuck lost
    found safe broken damaged under over near close open shelter boat rescue team volunteers donate
    thanks watch news photo video still again nobody everybody children old sick medicine
    """,
)
_PLACES = (
    "Ponce",
    "Kathmandu",
    "Houston",
    "Manila",
    "Izmir",
    "Jakarta",
    "Lahore",
    "Quito",
    "Beira",
    "Chennai",
)


def write_posts(path: Path, rows: int) -> None:
    """Posts of 8 to 24 words, each with a number of its own."""
    draw = random.Random(rows)
    with path.open("w", encoding="utf-8") as stream:
        for i in range(rows):
            words = draw.choices(_WORDS, k=draw.randint(8, 24))
            words[draw.randrange(len(words))] = f"{draw.choice(_PLACES)} {i}"
            stream.write(json.dumps({"id": str(i), "text": " ".join(words)}) + "\n")


def stand_in(analyst: Analyst) -> None:
    """Takes the layers out of the text encoder's way; its weights stay in memory."""
    text = analyst.encoder.encoders.text
    vectors = torch.nn.Embedding.from_pretrained(torch.randn(1 << 12, text.width))

    def summed(ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = vectors(ids % (1 << 12)) * mask[..., None]
        return states, states.sum(1) / mask.sum(1, keepdim=True)

    text.forward = summed  # type: ignore[method-assign,assignment]


def measured(rows: int) -> dict[str, object]:
    """What one size costs, in this process."""
    torch.set_num_threads(1)
    searched = [0.0]
    clusters = NeighborStore.clusters

    def timed(store: NeighborStore):  # type: ignore[no-untyped-def]
        began = time.process_time()
        found = clusters(store)
        searched[0] += time.process_time() - began
        return found

    NeighborStore.clusters = timed  # type: ignore[method-assign]
    analyst = Analyst.load(DEFAULT_BUNDLE, annotators=load_annotators())
    stand_in(analyst)
    with tempfile.TemporaryDirectory() as folder:
        posts = Path(folder) / "posts.jsonl"
        write_posts(posts, rows)
        began = time.process_time()
        outcome = run_analysis(read_posts(posts), analyst, Path(folder) / "out", executor=Here())
        assessed = time.process_time() - began
        write_outputs(outcome, analyst, source_name=posts.name)
        clear_work(outcome.folder)
        whole = time.process_time() - began
    assert outcome.assessed == rows
    return {
        "posts": rows,
        "processor_s": round(whole, 1),
        "posts a second of the rest": round(rows / whole, 1),
        "without the report": round(rows / assessed, 1),
        "near-duplicates, % of the rest": round(100 * searched[0] / whole, 2),
        "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Prints a JSON line for each size."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(measured(int(sys.argv[2]))), flush=True)
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="1,000,000 too: an hour of one core")
    arguments = parser.parse_args()
    for rows in [*arguments.sizes, *([1_000_000] if arguments.million else [])]:
        # a process each: a peak is that of the whole life of one
        subprocess.run([sys.executable, __file__, "--child", str(rows)], check=True)


if __name__ == "__main__":
    main()
