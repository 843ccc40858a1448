"""How `analyze` grows with the number of posts, apart from the encoders:
`python benchmarks/growth.py [--sizes 1000 10000 100000] [--million] [--folder KEEP]`.

Made-up posts, every text another one: words of a list, some names of places, numbers. Everything runs
as it does (reading, cleaning, tokens, four models, places, language, signatures, chunks,
near-duplicates, files, report) but for the layers of the text encoder: they are in memory, and a
sum of word vectors stands in for them, since they cost 90 % of the time and the same for every post.
So rates here are those of the rest alone. Each size runs in a process of its own on one thread;
printed are posts a second of processor time, the peak of resident memory as the system counted it,
and the share of the time that the search of near-duplicates took. On the way a line for every 20th of
the posts goes to stderr, which shows whether the rate stays what it was.

With `--folder` a run that was ended from outside goes on where it stood when it is started again: what
earlier starts took of processor time, and their peak, are kept in the folder and counted in.
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
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from crisislens.data.tabular import read_posts
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.annotators import load_annotators
from crisislens.pipeline.batch import run_analysis
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


def peak_mib() -> int:
    """The most memory that this process ever held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


class Spent:
    """Processor time and peak over all starts of a run, kept beside it.

    Arguments:
        folder: Where they are kept.
        rows: Posts of the run.
    """

    def __init__(self, folder: Path, rows: int) -> None:
        self._path, self._every, self._next = folder / "spent.json", max(rows // 20, 1), 0
        stored = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._earlier, self._peak = stored.get("processor_s", 0.0), stored.get("peak", 0)
        self._began, self._wall = time.process_time(), time.monotonic()

    def seconds(self) -> float:
        """Processor time since the first start."""
        return float(self._earlier + time.process_time() - self._began)

    def peak(self) -> int:
        """The highest peak of any start, in MiB."""
        return max(self._peak, peak_mib())

    def progress(self, done: int, _: int | None) -> None:
        """Keeps the figures after a chunk, and prints them for every 20th of the posts."""
        self._path.write_text(json.dumps({"processor_s": self.seconds(), "peak": self.peak()}))
        if done >= self._next:
            self._next = done - done % self._every + self._every
            line = {"done": done, "processor_s": round(self.seconds(), 1), "peak MiB": self.peak()}
            print(
                json.dumps(line | {"wall_s": round(time.monotonic() - self._wall)}),
                file=sys.stderr,
                flush=True,
            )


def measured(rows: int, folder: Path) -> dict[str, object]:
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
    posts = folder / "posts.jsonl"
    if not posts.exists():
        write_posts(posts, rows)
    spent = Spent(folder, rows)
    outcome = run_analysis(
        read_posts(posts), analyst, folder / "out", executor=Here(), progress=spent.progress
    )
    assessed = spent.seconds()
    write_outputs(outcome, analyst, source_name=posts.name)
    whole = spent.seconds()
    assert outcome.assessed == rows
    return {
        "posts": rows,
        "processor_s": round(whole, 1),
        "posts a second of the rest": round(rows / whole, 1),
        "without the report": round(rows / assessed, 1),
        "near-duplicates, % of the rest": round(100 * searched[0] / whole, 2),
        "peak MiB": spent.peak(),
    }


def main() -> None:
    """Prints a JSON line for each size."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(measured(int(sys.argv[2]), Path(sys.argv[3]))), flush=True)
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="1,000,000 too: an hour of one core")
    parser.add_argument("--folder", type=Path, help="keeps the runs, to go on with one that was ended")
    arguments = parser.parse_args()
    for rows in [*arguments.sizes, *([1_000_000] if arguments.million else [])]:
        # a process each: a peak is that of the whole life of one
        with ExitStack() as stack:
            kept = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (kept / str(rows)).mkdir(parents=True, exist_ok=True)
            child = [sys.executable, __file__, "--child", str(rows), str(kept / str(rows))]
            subprocess.run(child, check=True)


if __name__ == "__main__":
    main()
