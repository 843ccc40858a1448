"""What it costs to do a run's work elsewhere, and that it changes no byte:
`python benchmarks/engines.py POSTS.csv [--photos DIR] [--rows 5000] [--only-kills]`.

1. Overhead: a step that does nothing, over 5,000 and 50,000 posts, in threads here, in two
   processes, and in two actors of Ray: microseconds a post beyond those of threads, and seconds until
   the hosts are up.
2. Whole `analyze` commands over the posts, a photo in every tenth where `--photos` is given: seconds
   on the clock, posts a second, and whether the outputs equal those of threads byte for byte.
3. The same command over Ray killed with -9 when it has finished a chunk, started again, killed when it
   has finished another one, and started again: whether the outputs are still the same.
   `--only-kills` runs threads for comparison and this.

Ray listens on all interfaces: run this in a network of its own,
`unshare -n sh -c 'ip link set lo up && python benchmarks/engines.py …'`.
"""

import argparse
import csv
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from crisislens.domain.post import Post
from crisislens.runs.engine import run_step
from crisislens.runs.executor import Executor, Threads
from crisislens.runs.hosts import Hosts, RemoteStep, beside
from crisislens.runs.ledger import Through
from crisislens.runs.processes import Processes
from crisislens.runs.ray_actors import RayActors
from crisislens.runs.sinks import Feed
from crisislens.runs.step import Step

CHUNK = 512
SIZES = (5_000, 50_000)
ENGINES = {
    "threads": [],
    "one process": ["--processes", "1"],
    "two processes": ["--processes", "2"],
    "Ray, one actor": ["--engine", "ray", "--processes", "1"],
    "Ray, two actors": ["--engine", "ray", "--processes", "2"],
}
OUTPUTS = ("assessments.jsonl", "failed.jsonl", "duplicates.jsonl")


class Nothing:
    """A step that says each post's id; also what its hosts hold."""

    name = "nothing"
    failure = "could not be passed on"

    def fingerprint(self) -> str:
        """See `runs.step.Step`."""
        return "0" * 16

    def map(self, posts: Sequence[Post]) -> list[str]:
        """See `runs.step.Step`."""
        return [post.id for post in posts]


def pass_through(count: int, hosts: Hosts | None) -> float:
    """Seconds that a run of posts takes whose step does nothing."""
    posts = [Post(id=str(i), text=f"Flood {i} in Ponce, the bridge is gone") for i in range(count)]
    step: Step[str] = Nothing()
    executor: Executor = Threads(2)
    if hosts is not None:
        step, executor = RemoteStep(step, partial(hosts.call, "map")), beside(hosts)
    began = time.perf_counter()
    feed: Feed[str] = Feed([])
    run_step(posts, step, Through(feed, line=str, where="nowhere"), executor=executor, chunk_posts=CHUNK)
    return time.perf_counter() - began


def overheads() -> None:
    """Prints what hosts cost a post whose step does nothing."""
    print("| hosts | seconds to start | " + " | ".join(f"µs a post, {n:,}" for n in SIZES) + " |")
    print("| --- | --- | " + " | ".join("---" for _ in SIZES) + " |")
    print(
        "| threads here | 0 | " + " | ".join(f"{pass_through(n, None) / n * 1e6:.0f}" for n in SIZES) + " |"
    )
    for name, make in (("two processes", Processes), ("Ray, two actors", RayActors)):
        began = time.perf_counter()
        with make(Nothing, 2) as hosts:
            up = time.perf_counter() - began
            cells = [f"{pass_through(n, hosts) / n * 1e6:.0f}" for n in SIZES]
        print(f"| {name} | {up:.1f} | " + " | ".join(cells) + " |", flush=True)


def write_posts(source: Path, photos: Path | None, rows: int, folder: Path) -> Path:
    """The posts, with a photo in every tenth where there are any."""
    pictures = itertools.cycle(sorted(photos.rglob("*.jpg"))) if photos else None
    path = folder / "posts.csv"
    with (
        source.open(encoding="utf-8", newline="") as given,
        path.open("w", encoding="utf-8", newline="") as out,
    ):
        table = csv.writer(out)
        table.writerow(["id", "text", "image"])
        for i, row in enumerate(itertools.islice(csv.DictReader(given), rows)):
            picture = next(pictures) if pictures is not None and i % 10 == 0 else ""
            table.writerow([i, row["text"], picture])
    return path


def command(posts: Path, photos: Path | None, out: Path, options: Sequence[str]) -> list[str]:
    """The command line of a run."""
    root = ["--images", str(photos)] if photos else []
    return [sys.executable, "-m", "crisislens", "analyze", str(posts), "--out", str(out), *root, *options]


def outputs(out: Path) -> dict[str, bytes]:
    """The files that must be equal."""
    return {name: (out / name).read_bytes() for name in OUTPUTS}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("posts", type=Path, help="CSV with a column `text`")
    parser.add_argument("--photos", type=Path, help="folder of photos (JPEG)")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--only-kills", action="store_true")
    args = parser.parse_args()
    # equal times in the records of all runs
    os.environ["SOURCE_DATE_EPOCH"] = "1767225600"
    if not args.only_kills:
        overheads()
    engines = dict([*ENGINES.items()][:1]) if args.only_kills else ENGINES
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        posts = write_posts(args.posts, args.photos, args.rows, folder)
        print(f"\n| engine, {args.rows:,} posts | seconds | posts a second | same bytes |")
        print("| --- | --- | --- | --- |")
        wanted: dict[str, bytes] = {}
        for name, options in engines.items():
            out = folder / name.replace(" ", "-")
            began = time.perf_counter()
            subprocess.run(command(posts, args.photos, out, options), check=True, capture_output=True)
            seconds = time.perf_counter() - began
            wanted = wanted or outputs(out)
            print(
                f"| {name} | {seconds:.1f} | {args.rows / seconds:.1f} | {outputs(out) == wanted} |",
                flush=True,
            )
        killed(posts, args.photos, folder / "killed", wanted)


def killed(posts: Path, photos: Path | None, out: Path, wanted: dict[str, bytes]) -> None:
    """Kills a run over Ray at its first and at its second chunk, and lets the third start end."""
    asked = command(posts, photos, out, ENGINES["Ray, two actors"])
    for chunks in (1, 2):
        process = subprocess.Popen(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while finished(out) < chunks and process.poll() is None:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"killed with {finished(out)} chunks done", flush=True)
    ended = subprocess.run(asked, check=True, capture_output=True, text=True)
    print(ended.stdout.splitlines()[0])
    print(f"the outputs of the third start are the same: {outputs(out) == wanted}")


def finished(out: Path) -> int:
    """The chunks of a run that have their file."""
    return len([*out.rglob("[0-9][0-9][0-9][0-9][0-9][0-9].jsonl")])


if __name__ == "__main__":
    main()
