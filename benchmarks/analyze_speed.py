"""How much of the bare encoders' rate `analyze` keeps, and whether memory stays flat:
`python benchmarks/analyze_speed.py POSTS [--images DIR]`.

Rate: the posts' cleaned distinct texts (sorted by length, padded in batches of 32) and distinct
photos go straight through the two encoders, nothing else, once with all threads on each operation
and once with one thread on each batch and batches side by side; then the whole run (reading,
cleaning, decoding, encoding, three models, language, signatures, duplicates, writing, report) over
the same posts, in turn, in one process. With `--explain` the run is made once more with rationales,
heat and contributions. Memory: whole `analyze` processes over made-up posts of 10,000 and 100,000
rows, peak resident memory as the operating system counted it.
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
from concurrent.futures import ThreadPoolExecutor
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


def bare(
    encoders: EncoderPair, posts: list[Post], root: Path, analyst: Analyst
) -> tuple[float, float, int, int]:
    """Seconds that the encoders alone take for the distinct texts and photos, prepared beforehand,
    in both ways; and how many they were.
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
    started = time.perf_counter()
    for x in work:
        one(x)
    whole_cores = time.perf_counter() - started
    with one_thread_each() as threads, ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(one, work))
        side_by_side = time.perf_counter() - started
    return whole_cores, side_by_side, len(tokens), len(pixels)


def whole(posts: Path, analyst: Analyst) -> float:
    """Seconds of the run with its report."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        outcome = run_analysis(read_posts(posts), analyst, Path(folder) / "out")
        write_outputs(outcome, analyst, source_name=posts.name)
        clear_work(outcome.folder)
        return time.perf_counter() - started


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
    parser.add_argument("--explain", action="store_true", help="also time `analyze --explain`")
    parser.add_argument("--memory-rows", type=int, nargs="*", default=[])
    arguments = parser.parse_args()
    threads = set_threads()
    root = arguments.images or arguments.posts.resolve().parent
    posts = [row for row in read_posts(arguments.posts) if isinstance(row, Post)]
    # in the precision that the analyst takes, too
    encoders = load_encoders(find_bundle(DEFAULT_BUNDLE).encoder).computing_in(asked_precision())
    analyst = Analyst.load(DEFAULT_BUNDLE, image_root=root)
    ratios: list[float] = []
    strict: list[float] = []
    slower: list[float] = []
    for _ in range(arguments.repeats):
        cores, side_by_side, texts, photos = bare(encoders, posts, root, analyst)
        # a fresh analyst: one that remembers photos would not decode and encode them again
        run = whole(
            arguments.posts,
            Analyst.load(DEFAULT_BUNDLE, image_root=root, annotators=load_annotators()),
        )
        ratios.append(cores / run)
        strict.append(side_by_side / run)
        explained: dict[str, float] = {}
        if arguments.explain:
            names = selected(add=["rationale"])
            explained["explained_s"] = whole(
                arguments.posts,
                Analyst.load(DEFAULT_BUNDLE, image_root=root, annotators=load_annotators(names)),
            )
            slower.append(explained["explained_s"] / run)
        line = {"posts": len(posts), "texts": texts, "photos": photos, "threads": threads}
        print(
            json.dumps(
                {
                    **line,
                    "bare_s": cores,
                    "bare side by side_s": side_by_side,
                    "analyze_s": run,
                    **explained,
                }
            ),
            flush=True,
        )
    summary = lambda x: {"median": statistics.median(x), "min": min(x), "max": max(x)}  # noqa: E731
    print(
        json.dumps(
            {
                "analyze rate / bare rate": summary(ratios),
                "of the bare rate side by side": summary(strict),
            }
        )
    )
    if slower:
        print(json.dumps({"time with --explain / time without": summary(slower)}))
    for rows in arguments.memory_rows:
        print(json.dumps(peak_memory(rows)), flush=True)


if __name__ == "__main__":
    main()
