"""What a worker loses against `analyze` on the same posts: processor time and wall time, side by side.

    python benchmarks/worker_loss.py posts.csv --posts 5000 --rounds 10

The posts of a table (columns id and text) go in rounds, first to one and then to the other, so that
whatever else the machine does hits both alike: to a store on SQLite with one worker process, from the
first post sent to the last answer written, and to `analyze` with one thread (no report is written).
Models are loaded before the clock starts. Processor time is that of the process with the store and of the
worker together; the ratio is what is to be looked at.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.pipeline.batch import run_analysis
from crisislens.store import Store, open_store
from crisislens.store.records import NewPost

STEP = 200


def cpu_of(pid: int) -> float:
    """Seconds of processor time that another process used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def by_worker(store: Store, pool: AssessPool, posts: list[Post], name: str) -> tuple[float, float]:
    """Processor and wall seconds of accepting and assessing."""
    [pid] = pool.pids()
    began, cpu = time.perf_counter(), time.process_time() + cpu_of(pid)
    for first in range(0, len(posts), STEP):
        part = posts[first : first + STEP]
        store.posts.accept(name, [NewPost(external_id=post.id, text=post.text[:10_000]) for post in part])
    while store.queue.depth().queued or store.queue.depth().leased:
        time.sleep(0.1)
    return time.process_time() + cpu_of(pid) - cpu, time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--posts", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    posts = [row for row in read_posts(given.table) if isinstance(row, Post)][: given.posts]
    size = -(-len(posts) // given.rounds)
    spent = {"worker": [0.0, 0.0], "analyze": [0.0, 0.0]}
    with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/store.db") as store:
        [analyst] = AnalystSpec().build(store.blobs.folder)
        pool = AssessPool(store, AnalystSpec(), processes=1, renew=False)
        pool.start()
        for number in range(given.rounds):
            part = posts[number * size : (number + 1) * size]
            cpu, wall = by_worker(store, pool, part, f"round {number}")
            spent["worker"][0] += cpu
            spent["worker"][1] += wall
            table = Path(folder) / f"{number}.jsonl"
            table.write_text("".join(json.dumps({"id": p.id, "text": p.text}) + "\n" for p in part))
            began, cpu = time.perf_counter(), time.process_time()
            run_analysis(read_posts(table), analyst, Path(folder) / f"out-{number}", workers=1)
            spent["analyze"][0] += time.process_time() - cpu
            spent["analyze"][1] += time.perf_counter() - began
            done = min(len(posts), (number + 1) * size)
            ratios = [spent["worker"][i] / spent["analyze"][i] - 1 for i in (0, 1)]
            told = {name: f"{1000 * cpu / done:.1f} ms CPU a post" for name, (cpu, _) in spent.items()}
            print(f"{done} posts, {told}: {ratios[0]:+.0%} CPU, {ratios[1]:+.0%} wall", flush=True)
        pool.stop()


if __name__ == "__main__":
    main()
