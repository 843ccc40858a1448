"""Kills `crisislens stream` many times while its file grows and rotates, and looks what became of the lines.

    PYTHONPATH=tests python benchmarks/stream_kills.py --lines 20000 --kills 40

One line of JSON with the counts; exit code 1 where anything was lost, twice or out of order.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from stream_chaos import run


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), lines=given.lines, kills=given.kills, seed=given.seed)
    print(json.dumps({**found, "seed": given.seed, "seconds": round(time.monotonic() - started, 1)}))
    wrong = ("lost", "invented", "twice", "out of order", "dead letters", "faults")
    sys.exit(any(found[name] for name in wrong))


if __name__ == "__main__":
    main()
