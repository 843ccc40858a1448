"""Chaos for a stream: `crisislens stream` follows a file that grows and rotates, and is killed with -9 at
seeded random points. Afterwards every line is there exactly once, in the order in which it was written.
`benchmarks/stream_kills.py` runs the long form, a test the short one.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from crisislens.store import open_store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check

_PATIENCE_S = 120


def run(folder: Path, *, lines: int, kills: int, seed: int) -> dict[str, Any]:
    """Runs it and says what was found; all must be zero but `posts` and `kills`."""
    db, feed, rng = folder / "crisis.db", folder / "posts.jsonl", random.Random(seed)
    open_store(str(db)).close()
    feed.touch()
    stops = sorted(rng.sample(range(lines // 20, lines), kills))
    process, written = _start(db, feed), 0
    for number, stop in enumerate([*stops, lines]):
        with feed.open("a", encoding="utf-8") as file:
            # more is there than is taken when the signal comes
            ahead = min(lines, stop + rng.randint(5, 60))
            for i in range(written, ahead):
                file.write(json.dumps({"id": i, "text": f"water rises at house {i}"}) + "\n")
            written = max(written, ahead)
        _wait_for(db, stop)
        if number == kills:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        if number % 2:
            feed.rename(folder / f"posts.jsonl.{number}")
            os.utime(folder / f"posts.jsonl.{number}", (number, number))
            feed.touch()
        process = _start(db, feed)
    process.send_signal(signal.SIGTERM)
    code = process.wait(timeout=30)
    return _found(db, lines) | {"kills": kills, "exit code": code}


def _start(db: Path, feed: Path) -> "subprocess.Popen[bytes]":
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "crisislens", "stream", str(feed), "--db", str(db), "--batch", "7"]
    with (db.parent / "stream.log").open("ab") as log:
        return subprocess.Popen(command, env=place, stderr=log, stdout=log)


def _wait_for(db: Path, count: int) -> None:
    end = time.monotonic() + _PATIENCE_S
    with open_store(str(db), write=False) as store:
        while store.posts.count(PostFilter(), most=count) < count:
            if time.monotonic() > end:
                log = (db.parent / "stream.log").read_text()
                raise TimeoutError(f"{count} posts did not come: {log[-500:]}")
            time.sleep(0.01)


def _found(db: Path, lines: int) -> dict[str, Any]:
    with open_store(str(db)) as store:
        rows = sorted(store.posts.stream(PostFilter()), key=lambda row: row.id)
        ids = [int(row.external_id) for row in rows]
        return {
            "posts": len(ids),
            "lost": len(set(range(lines)) - set(ids)),
            "invented": len(set(ids) - set(range(lines))),
            "twice": len(ids) - len(set(ids)),
            "out of order": sum(a >= b for a, b in pairwise(ids)),
            "dead letters": len(store.dead_letters.list()),
            "faults": [finding.said for finding in check(store)],
        }
