"""How much of the bare encoders' rate `analyze` keeps, and whether memory stays flat:
`python benchmarks/analyze_speed.py POSTS [--images DIR]`.

Rate: the posts' cleaned distinct texts (sorted by length, padded in batches of 32) and distinct
photos go straight through the two encoders, nothing else, once with all threads on each operation
(left out with `--side-by-side`) and once with one thread on each batch and batches side by side;
then the whole run (reading, cleaning, decoding, encoding, three models, language, signatures,
duplicates, writing, report) over the same posts, in turn, in one process. Times are those on the
clock, and beside them those of the processor, which tell something where other programs run, too.
With `--explain` the run is made once more with rationales, heat and contributions. Memory: whole
`analyze` processes over made-up posts of 10,000 and 100,000 rows, peak resident memory as the
operating system counted it.
"""

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from crisislens.core.errors import ImageError
from crisislens.data.images import decode_image, resolve_image
from crisislens.data.tabular import read_posts
from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair, load_encoders, pad_ids
from crisislens.encoders.precision import asked_precision
from crisislens.nn.device import one_thread_each, set_threads
from crisislens.pipeline.analyst import DEFAULT_BUNDLE, Analyst
from crisislens.pipeline.annotators import load_annotators, selected
from crisislens.pipeline.batch import clear_work, run_analysis
from crisislens.pipeline.joining import find_bundle
from crisislens.report.situation import write_outputs

_BETWEEN = """
import json, resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(json.dumps({"exit": code, "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))
"""


@dataclass(frozen=True)
class Times:
    """Seconds on the clock, and of the processor by all threads together."""

    clock: float
    processor: float


def timed(work: Callable[[], object]) -> Times:
    """What a piece of work takes."""
    began = time.perf_counter(), time.process_time()
    work()
    return Times(time.perf_counter() - began[0], time.process_time() - began[1])


def bare(
    encoders: EncoderPair, posts: list[Post], root: Path, analyst: Analyst, *, both: bool
) -> tuple[Times | None, Times, int, int]:
    """What the encoders alone take for the distinct texts and photos, prepared beforehand, in both ways or
    in the second alone; and how many they were.
    """
    texts = sorted({clean_text(p.text, analyst.bundle.config.rules) for p in posts} - {""})
    tokens = sorted(encoders.text.tokenize(texts), key=lambda x: len(x.ids))
    pixels = []
    for path in sorted({p.image.path for p in posts if p.image}):
        try:
            decoded = decode_image(
                resolve_image(next(p.image for p in posts if p.image and p.image.path == path), root),
                analyst.limits,
            )
        except ImageError:
            continue
        pixels.append(encoders.image.preprocess(decoded.pixels))
    batches = [pad_ids(tokens[i : i + 32], encoders.text.pad_id) for i in range(0, len(tokens), 32)]

    def one(x: object) -> None:
        with torch.inference_mode():
            if isinstance(x, torch.Tensor):
                encoders.image(x[None])
            else:
                encoders.text(*x)  # type: ignore[misc]

    work = [*batches[::-1], *pixels]
    whole_cores = timed(lambda: [one(x) for x in work]) if both else None
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        side_by_side = timed(lambda: list(pool.map(one, work)))
    return whole_cores, side_by_side, len(tokens), len(pixels)


def whole(posts: Path, analyst: Analyst) -> Times:
    """Of the run with its report."""

    def work() -> None:
        outcome = run_analysis(read_posts(posts), analyst, Path(folder) / "out")
        write_outputs(outcome, analyst, source_name=posts.name)
        clear_work(outcome.folder)

    with tempfile.TemporaryDirectory() as folder:
        return timed(work)


def peak_memory(rows: int) -> dict[str, float]:
    """Peak memory (MiB) and seconds of a whole `analyze` process over made-up posts."""
    words = sorted(set(re.findall("[a-z]{3,8}", Path(__file__).read_text())))
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "posts.jsonl"
        with path.open("w") as stream:
            for i in range(rows):
                text = " ".join(rng.choice(words) for _ in range(rng.randint(3, 8)))
                stream.write(json.dumps({"id": str(i), "text": text}) + "\n")
        started = time.perf_counter()
        command = [
            sys.executable,
            "-m",
            "crisislens",
            "analyze",
            str(path),
            "--out",
            f"{folder}/out",
        ]
        # a process's peak starts at the size of the one that forked it, which here is large: a
        # small one stands between
        between = [sys.executable, "-c", _BETWEEN, *command]
        result = json.loads(
            subprocess.run(between, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1]
        )
        return {"rows": rows, **result, "seconds": time.perf_counter() - started}


def main() -> None:
    """Prints one JSON line a measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side-by-side", action="store_true", help="leave the other bare way out")
    parser.add_argument("--explain", action="store_true", help="also time `analyze --explain`")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    threads = set_threads()
    root = arguments.images or arguments.posts.resolve().parent
    posts = [row for row in read_posts(arguments.posts) if isinstance(row, Post)]
    # in the precision that the analyst takes, too
    encoders = load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).computing_in(asked_precision())
    analyst = Analyst.load(DEFAULT_BUNDLE, image_root=root)
    ratios: dict[str, list[float]] = {}

    def note(what: str, over: Times, under: Times) -> None:
        ratios.setdefault(what, []).append(over.clock / under.clock)
        ratios.setdefault(f"{what}, processor time", []).append(over.processor / under.processor)

    for _ in range(arguments.repeats):
        cores, side_by_side, texts, photos = bare(
            encoders, posts, root, analyst, both=not arguments.side_by_side
        )
        # a fresh analyst: one that remembers photos would not decode and encode them again
        run = whole(
            arguments.posts,
            Analyst.load(DEFAULT_BUNDLE, image_root=root, annotators=load_annotators()),
        )
        line: dict[str, object] = {"posts": len(posts), "texts": texts, "photos": photos, "threads": threads}
        line |= {"bare side by side": vars(side_by_side), "analyze": vars(run)}
        note("of the bare rate side by side", side_by_side, run)
        if cores is not None:
            line["bare"] = vars(cores)
            note("analyze rate / bare rate", cores, run)
        if arguments.explain:
            with_rationale = load_annotators(selected(add=["rationale"]))
            slower = whole(
                arguments.posts, Analyst.load(DEFAULT_BUNDLE, image_root=root, annotators=with_rationale)
            )
            line["explained"] = vars(slower)
            note("time with --explain / time without", slower, run)
        print(json.dumps(line), flush=True)
    for what, found in ratios.items():
        spread = {"median": statistics.median(found), "min": min(found), "max": max(found)}
        print(json.dumps({what: {name: round(value, 3) for name, value in spread.items()}}))
    for rows in arguments.memory_rows:
        print(json.dumps(peak_memory(rows)), flush=True)


if __name__ == "__main__":
    main()
