"""From a stream to an assessment, beside `analyze` on the same posts; and what happens at twice the rate.

    python benchmarks/stream_speed.py rate POSTS.jsonl --small 500 --large 3000
    python benchmarks/stream_speed.py lag POSTS.jsonl --rate 60 --seconds 120

`rate` runs both on the first so many posts, twice, and takes the difference, so that what a start costs does
not count: processor time and wall time a post, `analyze` over the stream as a ratio. The stream is
`streams.Pump` over a file into a store of SQLite with two assessing processes beside it, as `serve --assess
2` has them. `lag` sends lines at a rate through a pipe and prints, every five seconds, how old the oldest
text that waits is, how many wait, and the memory of all processes; it ends when everything is assessed and
says whether anything is missing. Give it twice the rate that `rate` found.
"""

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.store import Store, open_store
from crisislens.streams import Pump, StoreTarget
from crisislens.streams.pipe import PipeSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tail import FileSource


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("rate", "lag", "child"))
    parser.add_argument("posts", type=Path)
    parser.add_argument("--small", type=int, default=500)
    parser.add_argument("--large", type=int, default=3_000)
    parser.add_argument("--rate", type=float, default=60.0, help="posts a second")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--model", default=AnalystSpec().models[0])
    given = parser.parse_args()
    if given.what == "child":
        streamed(given.posts, given.model)
    elif given.what == "rate":
        rate(given)
    else:
        lag(given)


def rate(given: Any) -> None:
    """Both ways, on few posts and on many."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {count: first(given.posts, folder, count) for count in (given.small, given.large)}
        for way in ("analyze", "stream"):
            costs = [cost(way, files[count], folder / f"{way}-{count}", given.model) for count in files]
            more = given.large - given.small
            wall, processor = ((after - before) / more * 1_000 for before, after in zip(*costs, strict=True))
            found[way] = {"processor ms a post": round(processor, 2), "wall ms a post": round(wall, 2)}
    for kind in ("processor", "wall"):
        name = f"{kind} ms a post"
        found[f"analyze / stream, {kind}"] = round(found["analyze"][name] / found["stream"][name], 3)
    print(json.dumps(found, indent=1))


def first(posts: Path, folder: Path, count: int) -> Path:
    """The first lines of a file, each with an id of its own."""
    target = folder / f"first-{count}.jsonl"
    with posts.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
        for i, line in enumerate(itertools.islice(lines, count)):
            out.write(json.dumps({"id": str(i), "text": json.loads(line)["text"]}) + "\n")
    return target


def cost(way: str, posts: Path, folder: Path, model: str) -> tuple[float, float]:
    """Wall and processor time of one run, in seconds, with all its processes."""
    command = [sys.executable, __file__, "child", str(posts), "--model", model]
    if way == "analyze":
        command = [sys.executable, "-m", "crisislens", "analyze", str(posts), "--out", str(folder)]
        command += ["--model", model]
    before, began = _spent(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began, _spent() - before


def _spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def streamed(posts: Path, model: str) -> None:
    """Reads a file as a stream and assesses it, in this process and two others."""
    with tempfile.TemporaryDirectory() as name, open_store(f"{name}/crisis.db", least_free_bytes=0) as store:
        pool = AssessPool(store, AnalystSpec((model,)), processes=2)
        pool.start()
        Pump(FileSource(posts, "file", RowMaker(), once=True), StoreTarget(store)).run()
        drained(store)
        pool.stop()


def drained(store: Store) -> None:
    """Waits until nothing waits."""
    while True:
        depth = store.queue.depth()
        if not depth.queued + depth.leased + depth.photos:
            return
        # to ask costs the processor that is measured
        time.sleep(1.0)


def lag(given: Any) -> None:
    """Lines at a rate, and how far behind the answers are."""
    texts = itertools.cycle(json.loads(line)["text"] for line in given.posts.open(encoding="utf-8"))
    reading, writing = os.pipe()
    count = int(given.rate * given.seconds)

    def send() -> None:
        began = time.monotonic()
        with os.fdopen(writing, "wb") as out:
            for i in range(count):
                time.sleep(max(0.0, began + i / given.rate - time.monotonic()))
                out.write(json.dumps({"id": str(i), "text": next(texts)}).encode() + b"\n")
                out.flush()

    with tempfile.TemporaryDirectory() as name, open_store(f"{name}/crisis.db", least_free_bytes=0) as store:
        pool = AssessPool(store, AnalystSpec((given.model,)), processes=2)
        pool.start()
        source = PipeSource(os.fdopen(reading, "rb").readline, "pipe", RowMaker())
        pump = Pump(source, StoreTarget(store))
        threads = [threading.Thread(target=send), threading.Thread(target=pump.run)]
        for thread in threads:
            thread.start()
        began, next_at = time.monotonic(), 0.0
        while any(thread.is_alive() for thread in threads) or store.queue.depth().queued:
            if time.monotonic() - began >= next_at:
                print(json.dumps({"s": round(next_at), **sample(store)}), flush=True)
                next_at += 5.0
            time.sleep(0.2)
        drained(store)
        taken = pump.tally.created
        pool.stop()
    print(json.dumps({"sent": count, "taken": taken, "lost": count - taken}))


def sample(store: Store) -> dict[str, Any]:
    """How far behind the answers are, and the memory of this process and those below it."""
    depth = store.queue.depth()
    behind = 0.0 if depth.oldest is None else (datetime.now(UTC) - depth.oldest).total_seconds()
    each = [_resident(pid) for pid in (os.getpid(), *_below(os.getpid()))]
    own, files = (sum(one[kind] for one in each) for kind in (0, 1))
    return {
        "lag s": round(behind, 1),
        "waiting": depth.queued,
        # pages of weights and tables that are mapped are the system's to take back, and processes share them
        "MiB": round(own),
        "MiB of files": round(files),
        # this process first: which of them grows tells what grows
        "MiB by process": [round(one[0]) for one in each],
    }


def _below(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children = (task / "children").read_text().split()
        found += [int(child) for child in children]
    return found + [deeper for child in found for deeper in _below(child)]


def _resident(pid: int) -> tuple[float, float]:
    """MiB that a process has for itself, and MiB of files that it has mapped."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").split("\n")
    except OSError:
        return 0.0, 0.0
    sizes = {
        name: int(value.split()[0]) / 1024
        for name, _, value in (x.partition(":") for x in lines)
        if name in ("RssAnon", "RssFile", "RssShmem")
    }
    return sizes.get("RssAnon", 0.0), sizes.get("RssFile", 0.0) + sizes.get("RssShmem", 0.0)


if __name__ == "__main__":
    main()
