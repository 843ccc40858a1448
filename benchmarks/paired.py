"""Whole runs of `analyze` in turns, on the clock: `python benchmarks/paired.py POSTS [--images DIR]
[--way fp32 --way bf16 --way before=CHECKOUT/src] [--pairs 5] [--threads 2] [--cores 0,1]`.

A way is what `CRISISLENS_PRECISION` says, or NAME=SOURCE[@PRECISION] for the sources of another
commit. Each round runs every way once as a process of its own, the order moved on by one a round, all on
the same cores; a run of the first post alone says what a start costs. Printed are the seconds of
each run and, for each way, the medians, the ratios of the first way's time to its own, pair by pair, and the
same without the start. The outputs of a way are compared with those of its first round, byte for byte.
It needs a quiet machine; other cores may work.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.encoders.precision import ASKED


@dataclass(frozen=True)
class Way:
    """A precision, and where the sources are if not here."""

    name: str
    precision: str
    source: str | None

    @classmethod
    def parse(cls, text: str) -> "Way":
        """`bf16`, or NAME=SOURCE[@PRECISION]."""
        name, _, rest = text.partition("=")
        source, _, precision = rest.partition("@")
        return cls(name, precision if rest else name, source or None)

    def environment(self) -> dict[str, str]:
        """What its process is started with."""
        own = dict(os.environ)
        own.pop(ASKED, None)
        if self.precision:
            own[ASKED] = self.precision
        if self.source is not None:
            own["PYTHONPATH"] = os.pathsep.join([self.source, *filter(None, [own.get("PYTHONPATH")])])
        return own


def run(way: Way, posts: Path, images: Path, threads: int) -> tuple[float, str]:
    """Seconds on the clock of a whole process, and a digest of the assessments.

    Raises:
        CalledProcessError: If it fails; what it said is printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, "-m", "crisislens", "analyze", str(posts)]
        command += ["--images", str(images), "--out", str(out), "--threads", str(threads)]
        began = time.perf_counter()
        done = subprocess.run(command, env=way.environment(), capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            print(done.stderr[-2000:], file=sys.stderr)
            done.check_returncode()
        return seconds, hashlib.sha256((out / "assessments.jsonl").read_bytes()).hexdigest()


def first_alone(posts: Path, folder: Path) -> Path:
    """A file with the text of the first post."""
    first = next(row for row in read_posts(posts) if isinstance(row, Post))
    path = folder / "one.jsonl"
    path.write_text(json.dumps({"id": first.id, "text": first.text or "water"}) + "\n")
    return path


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    middle = statistics.median(values)
    return {"median": round(middle, 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def summary(ways: list[Way], whole: dict[str, list[float]], start: dict[str, list[float]]) -> None:
    """Prints a JSON line for each way, over the rounds that all ways were run in."""
    rounds = min(len(took) for took in whole.values())
    base = ways[0].name
    starts = {name: statistics.median(took) for name, took in start.items()}
    for way in ways:
        took = whole[way.name][:rounds]
        pairs = list(zip(whole[base], took, strict=False))
        rest = [(a - starts[base]) / (b - starts[way.name]) for a, b in pairs if b > starts[way.name]]
        line: dict[str, object] = {"way": way.name, "rounds": rounds, "seconds": spread(took)}
        line["start, seconds"] = round(starts[way.name], 2)
        line[f"times as fast as {base}"] = spread([a / b for a, b in pairs])
        if rest:
            line["the same without the start"] = spread(rest)
        print(json.dumps(line), flush=True)


def main() -> None:
    """Prints a JSON line a run, and one for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("posts", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--way", action="append", type=Way.parse, help="default: fp32 and bf16")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cores", help="numbers of processors to stay on, as in 0,1")
    parser.add_argument(
        "--within", type=float, default=float("inf"), help="seconds after which no round begins"
    )
    arguments = parser.parse_args()
    ways: list[Way] = arguments.way or [Way.parse("fp32"), Way.parse("bf16")]
    if arguments.cores:
        os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    images = arguments.images or arguments.posts.resolve().parent
    whole: dict[str, list[float]] = {way.name: [] for way in ways}
    start: dict[str, list[float]] = {way.name: [] for way in ways}
    digests: dict[str, str] = {}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        one = first_alone(arguments.posts, Path(folder))
        for _ in range(2):
            for way in ways:
                start[way.name].append(run(way, one, images, arguments.threads)[0])
        for turn in range(arguments.pairs):
            if time.perf_counter() - began > arguments.within:
                break
            for way in ways[turn % len(ways) :] + ways[: turn % len(ways)]:
                seconds, digest = run(way, arguments.posts, images, arguments.threads)
                whole[way.name].append(seconds)
                same = digests.setdefault(way.name, digest) == digest
                line = {"way": way.name, "seconds": round(seconds, 2), "same bytes as before": same}
                print(json.dumps(line), flush=True)
            summary(ways, whole, start)


if __name__ == "__main__":
    main()
