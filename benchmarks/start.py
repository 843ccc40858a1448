"""What a start costs: `python benchmarks/start.py [--runs 5] [--before CHECKOUT]`.

Runs `crisislens analyze` on one post, each time in a process of its own, and prints the median of
its processor time, its time on the clock and its peak resident memory. With `--before`, the folder of
another checkout, both take turns and the ratio is printed too. The first run of each is not counted: it
fills the caches of the system and the one for places.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).resolve().parents[1] / "src"


class Cost(NamedTuple):
    """Seconds of processor time, seconds on the clock, MiB."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def one_start(source: Path, posts: Path, out: Path) -> Cost:
    """What one start of the package in a folder costs; asked in a process of its own, whose children are
    this one alone.
    """
    command = [sys.executable, __file__, "--child", str(source), str(posts), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(*map(float, done.stdout.split()))


def child(source: str, posts: str, out: str) -> None:
    """Starts the command and prints its cost."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "crisislens", "analyze", posts, "--out", out]
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / 1024)


def main() -> None:
    """Prints the medians."""
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--before", type=Path, help="folder of another checkout")
    args = parser.parse_args()
    sources = {"now": SOURCE, **({"before": args.before / "src"} if args.before else {})}
    costs: dict[str, list[Cost]] = {name: [] for name in sources}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        posts = folder / "posts.csv"
        posts.write_text("id,text\n1,Bridge destroyed in Ponce\n", encoding="utf-8")
        for run in range(args.runs + 1):
            for name, source in sources.items():
                cost = one_start(source, posts, folder / f"{name}-{run}")
                if run:
                    costs[name].append(cost)
    medians = {name: Cost(*map(statistics.median, zip(*each, strict=True))) for name, each in costs.items()}
    for name, cost in medians.items():
        print(f"{name}: {cost.cpu_s:.1f} s of processor time, {cost.wall_s:.1f} s, {cost.peak_mib:.0f} MiB")
    if "before" in medians:
        print(f"processor time now / before: {medians['now'].cpu_s / medians['before'].cpu_s:.2f}")


if __name__ == "__main__":
    main()
