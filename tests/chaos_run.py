"""Chaos for the store and its workers: clients that send, a server that is killed, processes that are
killed, a database that is stopped hard. `benchmarks/store_chaos.py` runs the long form, a test the short one.

The server is a process of its own with a store, a pool and a socket; clients resend until they hear an
answer, as every client must. Afterwards every acknowledged post is there exactly once, in the order in which
its source sent it, assessed, and no lease is left.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

from crisislens.assess import AnalystSpec, AssessPool
from crisislens.core.errors import CrisisLensError
from crisislens.store import Store, open_store
from crisislens.store.records import NewPost, PostFilter
from crisislens.store.upkeep import check

KEY = b"chaos"
# senders are held to the pace of the workers, so that these are killed all along and not before they begin
MOST_QUEUED = 2_000
_PATIENCE_S = 120
WORDS = ["bridge", "water", "food", "road", "school", "help", "flood", "boat"]


@dataclass
class Chaos:
    """One run.

    Attributes:
        folder: Where socket, photos and files are.
        url: The database.
        bundle: The model.
        posts: How many are sent in all.
        clients: By how many clients, each a source.
        kills: How many processes are killed, servers and workers in turn.
        seed: Decides what is sent, and when and who is killed.
        between: Called now and then, such as to stop the database; with the number of the call.
        stops: How often.
    """

    folder: Path
    url: str
    bundle: str
    posts: int
    clients: int = 8
    kills: int = 3
    seed: int = 0
    between: Callable[[int], None] = lambda _: None
    stops: int = 0
    acknowledged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    done: int = 0
    killed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def run(self) -> dict[str, Any]:
        """Runs it and says what was found; everything must be zero but `posts` and `kills`."""
        each = self.posts // self.clients
        server = self._serve()
        threads = [
            threading.Thread(target=self._send, args=(i, each), daemon=True) for i in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        rng = random.Random(self.seed)
        moments = sorted(rng.random() * 0.9 for _ in range(self.kills + self.stops))
        stopping = set(rng.sample(range(len(moments)), self.stops))
        stop_number = 0
        for number, moment in enumerate(moments):
            while self.done < moment * each * self.clients:
                time.sleep(0.02)
            if number in stopping:
                self.between(stop_number)
                stop_number += 1
                continue
            if number % 2:
                self._kill_worker(rng)
            else:
                server.kill()
                server.wait()
                self.killed["server"] += 1
                server = self._serve()
        for thread in threads:
            thread.join()
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=120)
        return self._found()

    def _serve(self) -> "subprocess.Popen[bytes]":
        arguments = [str(self.folder), self.url, self.bundle]
        # the two share this module; what it imports is found where it was found here
        place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with (self.folder / "server.log").open("ab") as log:
            command = [sys.executable, __file__, *arguments]
            return subprocess.Popen(command, env=place, stderr=log, stdout=log)

    def _kill_worker(self, rng: random.Random) -> None:
        """Kills a process of the pool; a server that was just started needs a moment until it has one."""
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end:
            with suppress(OSError, ValueError, ProcessLookupError):
                pids: list[int] = json.loads((self.folder / "pids").read_text())
                if pids:
                    os.kill(rng.choice(pids), signal.SIGKILL)
                    self.killed["worker"] += 1
                    return
            time.sleep(0.05)

    def _send(self, number: int, count: int) -> None:
        rng = random.Random(self.seed * 1_000 + number)
        source, sent, pipe = f"client {number}", 0, None
        while sent < count:
            size = min(rng.choice((1, 1, 5, 20)), count - sent)
            posts = [(str(sent + i), " ".join(rng.choices(WORDS, k=6))) for i in range(size)]
            while True:
                # until an answer comes, nobody knows whether the posts are in
                try:
                    pipe = pipe or Client(str(self.folder / "socket"), authkey=KEY)
                    pipe.send((source, posts))
                    answer = pipe.recv()
                except (OSError, EOFError):
                    pipe = None
                    time.sleep(0.1)
                    continue
                if answer == "again":
                    time.sleep(0.1)
                    continue
                break
            self.acknowledged[source].update(name for name, _ in posts)
            sent += size
            self.done += size
        if pipe is not None:
            pipe.close()

    def _found(self) -> dict[str, Any]:
        with open_store(self.url, blobs=self.folder / "blobs", least_free_bytes=0) as store:
            drain(store, self.bundle)
            order: dict[str, list[int]] = defaultdict(list)
            rows = sorted(store.posts.stream(PostFilter()), key=lambda row: row.id)
            for row in rows:
                order[row.source].append(int(row.external_id))
            kept = {(row.source, row.external_id) for row in rows}
            acknowledged = {(source, name) for source, names in self.acknowledged.items() for name in names}
            depth = store.queue.depth()
            return {
                "posts": len(rows),
                "kills": dict(self.killed),
                "lost": len(acknowledged - kept),
                "twice": len(rows) - len(kept),
                "not acknowledged": len(kept - acknowledged),
                "out of order": sum(numbers != sorted(numbers) for numbers in order.values()),
                "leased": depth.leased,
                "queued": depth.queued + depth.photos,
                "failed": depth.failed,
                "unassessed": sum(row.model is None for row in rows),
                "faults": [finding.said for finding in check(store)],
            }


def drain(store: Store, bundle: str) -> None:
    """Assesses what is left, after the leases of the dead ran out."""
    from datetime import UTC, datetime, timedelta

    store.queue.sweep(now=datetime.now(UTC) + timedelta(hours=1))
    pool = AssessPool(store, AnalystSpec((bundle,), leave_out=("places", "place_types")))
    pool.start()
    while True:
        depth = store.queue.depth()
        if not depth.queued and not depth.leased:
            break
        time.sleep(0.1)
    pool.stop()


def serve(folder: Path, url: str, bundle: str) -> None:
    """The server's process."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    store = _opened(folder, url)
    spec = AnalystSpec((bundle,), leave_out=("places", "place_types"))
    pool = AssessPool(store, spec, processes=1, lease_s=20)
    with suppress(OSError):
        (folder / "socket").unlink()
    listener = Listener(str(folder / "socket"), authkey=KEY, backlog=32)

    def answer(pipe: Any) -> None:
        with suppress(OSError, EOFError):
            while True:
                source, posts = pipe.recv()
                given = [NewPost(external_id=name, text=text) for name, text in posts]
                try:
                    found = store.posts.accept(source, given)
                except CrisisLensError:
                    pipe.send("again")
                    continue
                pipe.send([one.outcome for one in found])

    def listen() -> None:
        while not stopped.is_set():
            with suppress(Exception):
                threading.Thread(target=answer, args=(listener.accept(),), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    pool.start()
    while not stopped.wait(0.2):
        (folder / "pids").write_text(json.dumps(pool.pids()))
    pool.stop()
    with suppress(CrisisLensError):
        store.close()
    os._exit(0)


def _opened(folder: Path, url: str) -> Store:
    """A database that was stopped hard needs a moment."""
    for _ in range(100):
        try:
            return open_store(url, blobs=folder / "blobs", least_free_bytes=0, most_queued=MOST_QUEUED)
        except CrisisLensError:
            time.sleep(0.2)
    return open_store(url, blobs=folder / "blobs", least_free_bytes=0, most_queued=MOST_QUEUED)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
