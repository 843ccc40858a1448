"""How many posts a second a store accepts and finishes, and what workers lose against `analyze`.

    PYTHONPATH=tests python benchmarks/store_speed.py --db /tmp/speed.db --posts posts.csv
    PYTHONPATH=tests python benchmarks/store_speed.py --postgres --posts posts.csv

Accepting: threads that each send one post after the other and wait until it is on disk, without HTTP.
Finishing: answers made up beforehand, in batches of 64. With `--posts`, the posts of a table are assessed by
one worker process and by `analyze` with one thread, models loaded before the clock starts.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post
from crisislens.pipeline.batch import run_analysis
from crisislens.store import Store, open_store
from crisislens.store.records import NewPost
from postgres_server import DURABLE, PostgresServer
from store_posts import PONCE, done, new


def accepting(store: Store, clients: int, seconds: float) -> str:
    """Posts a second, and how long each waited."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    def send(number: int) -> None:
        i = 0
        while time.perf_counter() < end:
            began = time.perf_counter()
            store.posts.accept("api", [new(f"{clients}-{number}-{i}", "the bridge is down, we need water")])
            took.append(time.perf_counter() - began)
            i += 1

    threads = [threading.Thread(target=send, args=(i,)) for i in range(clients)]
    cpu = time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu = (time.process_time() - cpu) / len(took) * 1000
    cuts = statistics.quantiles(took, n=100)
    p50, p95, p99 = (cuts[i] * 1000 for i in (49, 94, 98))
    rate = len(took) / seconds
    times = f"p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms"
    return f"accept, {clients:2} clients: {rate:6.0f}/s, {times}, {cpu:.2f} ms CPU a post"


def finishing(store: Store) -> str:
    """Posts a second through claim and finish, the models left out."""
    count, spent = 0, 0.0
    while True:
        began = time.perf_counter()
        jobs = store.queue.claim("w")
        spent += time.perf_counter() - began
        if not jobs or count > 5_000:
            break
        found = [done(job, place=PONCE, needs=["water"], urgency=job.post_id % 97 / 97) for job in jobs]
        began = time.perf_counter()
        count += store.queue.finish("w", found)
        spent += time.perf_counter() - began
    store.queue.release("w")
    return f"claim and finish: {count / spent:6.0f}/s, {spent / count * 1000:.2f} ms a post"


def against_analyze(store: Store, table: Path, folder: Path) -> str:
    """Posts a second of one worker process and of `analyze` in one thread."""
    while jobs := store.queue.claim("rest", 512):
        store.queue.finish("rest", [done(job) for job in jobs])
    source = read_posts(table)
    posts = [row for row in source if isinstance(row, Post)]
    pool = AssessPool(store, AnalystSpec(), processes=1, renew=False)
    pool.start()
    began = time.perf_counter()
    for first in range(0, len(posts), 500):
        part = [
            NewPost(external_id=f"t{i}", text=p.text[:10_000])
            for i, p in enumerate(posts[first : first + 500], first)
        ]
        store.posts.accept("table", part)
    while store.queue.depth().queued or store.queue.depth().leased:
        time.sleep(0.05)
    worker_s = time.perf_counter() - began
    pool.stop()
    [analyst] = AnalystSpec().build(store.blobs.folder)
    began = time.perf_counter()
    run_analysis(source, analyst, folder / "out", workers=1)
    analyze_s = time.perf_counter() - began
    rate, other = len(posts) / worker_s, len(posts) / analyze_s
    return (
        f"assess {len(posts)} posts: worker {rate:.1f}/s, analyze {other:.1f}/s, {1 - rate / other:+.0%} lost"
    )


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", default="")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--posts", type=Path)
    parser.add_argument("--seconds", type=float, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        server = PostgresServer.start(DURABLE) if given.postgres else None
        url = server.database("speed") if server else given.db or f"{name}/speed.db"
        with open_store(url, blobs=Path(name) / "blobs", least_free_bytes=0, most_queued=10**7) as store:
            print(store.health().database)
            for clients in (1, 8, 64):
                print(accepting(store, clients, given.seconds), flush=True)
            print(finishing(store), flush=True)
            if given.posts:
                print(against_analyze(store, given.posts, Path(name)), flush=True)
        if server:
            server.stop()


if __name__ == "__main__":
    main()
