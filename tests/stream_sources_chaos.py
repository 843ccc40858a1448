"""Chaos for streams of every kind: sources that misbehave, and processes that are killed with -9.

Each kind of source has a fake (or, for Redis, the real server) that knows what it published. Every stream is
`crisislens stream` in a process of its own on one PostgreSQL, beside `crisislens worker`; seeded moments
decide who is killed. Afterwards the oracle compares: every post is there once, with its last text, in its
source's order, assessed, and none that was taken back.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from crisislens.store import Store, open_store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import check
from redis_server import running_redis
from stream_fakes import FakeJetstream, FakeMastodon, Faults, stopping

_PATIENCE_S = 7_200
_AHEAD, _PACE_S = 2_000, 20.0
_LIGHT = ["--without", "places", "--without", "place_types"]


class Lines:
    """A file of JSON lines that grows and rotates."""

    name = "file"

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.path, self.rng, self.truth, self.parts = folder / "posts.jsonl", rng, dict[str, str](), 0
        self.path.touch()
        self.source = [str(self.path)]

    def publish(self, count: int) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            for _ in range(count):
                number = str(len(self.truth))
                self.truth[number] = f"water rises at house {number}"
                file.write(json.dumps({"id": number, "text": self.truth[number]}) + "\n")
        if self.rng.random() < 0.05:
            self.parts += 1
            older = self.path.with_name(f"posts.jsonl.{self.parts}")
            self.path.rename(older)
            os.utime(older, (self.parts, self.parts))
            self.path.touch()


class Entries:
    """A stream of Redis, some of whose posts are taken back."""

    name = "redis"

    def __init__(self, server: str, rng: random.Random) -> None:
        import redis

        self.client, self.rng, self.truth, self.made = redis.Redis.from_url(server), rng, dict[str, str](), 0
        self.source = ["redis:posts", "--server", server]

    def publish(self, count: int) -> None:
        pipe = self.client.pipeline(transaction=False)
        for _ in range(count):
            number = str(self.made)
            self.made += 1
            self.truth[number] = f"the road at {number} is closed"
            pipe.xadd("posts", {"json": json.dumps({"id": number, "text": self.truth[number]})})
            if self.rng.random() < 0.02:
                gone = self.rng.choice(list(self.truth)[-50:])
                del self.truth[gone]
                pipe.xadd("posts", {"json": json.dumps({"id": gone, "deleted": True})})
        pipe.execute()


class Messages:
    """A topic of Kafka on librdkafka's own mock of a cluster, which lives in this process."""

    name = "kafka"

    def __init__(self, folder: Path) -> None:
        import confluent_kafka

        self.mock = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored"})
        [broker] = self.mock.list_topics(timeout=20).brokers.values()
        where = f"{broker.host}:{broker.port}"
        self.sender = confluent_kafka.Producer({"bootstrap.servers": where})
        self.truth: dict[str, str] = {}
        properties = folder / "kafka.properties"
        # a killed consumer's partition is handed over after this time
        properties.write_text("session.timeout.ms=6000\n")
        self.source = ["kafka:posts", "--server", where, "--properties", str(properties)]

    def publish(self, count: int) -> None:
        for _ in range(count):
            number = str(len(self.truth))
            self.truth[number] = f"boats are needed at {number}"
            value = json.dumps({"id": number, "text": self.truth[number]})
            self.sender.produce("posts", value=value, partition=0)
        self.sender.flush(30)


class Network:
    """A fake of a network of people."""

    def __init__(self, name: str, fake: Any, source: list[str]) -> None:
        self.name, self.fake = name, fake
        self.source = [*source, "--allow-private", fake.host]

    @property
    def truth(self) -> dict[str, str]:
        return dict(self.fake.truth)

    def publish(self, count: int) -> None:
        self.fake.publish(count)


@contextmanager
def feeds(folder: Path, seed: int) -> Iterator[list[Any]]:
    """One of each kind."""
    rng = random.Random(seed)
    # what is deleted while nobody listens is told by no server of Mastodon: no edits and deletions there
    with ExitStack() as stack:
        blue = stack.enter_context(stopping(FakeJetstream(seed, Faults(cut=0.01))))
        masto = stack.enter_context(stopping(FakeMastodon(seed, Faults())))
        masto.change = lambda: None  # type: ignore[method-assign]
        server = stack.enter_context(running_redis())
        yield [
            Lines(folder, rng),
            Entries(server, rng),
            Messages(folder),
            Network("jetstream", blue, [f"jetstream:ws://{blue.host}"]),
            Network("mastodon", masto, [f"mastodon:http://{masto.host}/#flood", "--every", "30"]),
        ]


class Processes:
    """The streams and the worker, started again whenever they are killed."""

    def __init__(self, folder: Path, url: str, kinds: list[Any], bundle: str | None) -> None:
        self.folder, self.url = folder, url
        blobs = ["--blobs", str(folder / "blobs")]
        self.commands = {
            kind.name: ["stream", *kind.source, "--db", url, "--name", kind.name, "--batch", "100", *blobs]
            for kind in kinds
        }
        if bundle is not None:
            self.commands["worker"] = ["worker", "--db", url, "--model", bundle, *blobs, *_LIGHT]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: dict[str, int] = dict.fromkeys(self.commands, 0)

    def start(self, name: str) -> None:
        place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "crisislens", *self.commands[name]]
            self.running[name] = subprocess.Popen(
                command, env=place, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def kill(self, name: str) -> None:
        # with all that it started: a worker has processes of its own
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running[name].wait()
        self.kills[name] += 1
        self.start(name)

    def end(self) -> None:
        for process in self.running.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def tail(self) -> str:
        return "\n".join(path.read_text()[-300:] for path in sorted(self.folder.glob("*.log")))


def run(folder: Path, url: str, *, posts: int, kills: int, seed: int, bundle: str | None) -> dict[str, Any]:
    """Runs it and says what was found; all must be zero or empty but `posts`, `kills` and `seconds`."""
    open_store(url, blobs=folder / "blobs", least_free_bytes=0).close()
    rng, began = random.Random(seed), time.monotonic()
    with feeds(folder, seed) as kinds:
        processes = Processes(folder, url, kinds, bundle)
        try:
            for name in processes.commands:
                processes.start(name)
            _begun(kinds, processes, url, folder)
            steps = posts // (len(kinds) * 50)
            moments = set(rng.sample(range(1, steps), min(kills, steps - 1)))
            with open_store(url, blobs=folder / "blobs", write=False) as store:
                for step in range(steps):
                    for kind in kinds:
                        kind.publish(50)
                    if step % 20 == 0:
                        said = {kind.name: len(kind.truth) for kind in kinds}
                        sys.stderr.write(f"step {step} of {steps}, published {said}\n")
                    _paced(store, kinds)
                    if step in moments:
                        # not before what was published has begun to arrive
                        time.sleep(rng.uniform(0.5, 3.0))
                        processes.kill(rng.choice(sorted(processes.commands)))
                arrived = _until(lambda: _same(store, kinds), processes)
                if bundle is not None:
                    _until(lambda: _waiting(store) == 0, processes)
        finally:
            processes.end()
        with open_store(url, blobs=folder / "blobs", least_free_bytes=0) as store:
            found = _state(store, kinds) | _order(store, kinds)
            found |= {"unassessed": _unassessed(store) if bundle else None}
            found["faults"] = [finding.said for finding in check(store)]
    found |= {"kills": processes.kills, "arrived": arrived, "seconds": round(time.monotonic() - began)}
    return found if arrived else found | {"logs": processes.tail()}


def _begun(kinds: list[Any], processes: Processes, url: str, folder: Path) -> None:
    """Waits until the first places are kept: Jetstream gives no past to who has none, and a file that nobody
    has seen may be rotated away.
    """
    [blue] = [kind for kind in kinds if kind.name == "jetstream"]
    assert _until(lambda: bool(blue.fake.asked), processes), processes.tail()
    with open_store(url, blobs=folder / "blobs", write=False) as store:

        def kept() -> bool:
            rows = [store.sources.by_name(name) for name in ("jetstream", "file")]
            return all(row is not None and row.cursor is not None for row in rows)

        while not kept():
            blue.publish(1)
            time.sleep(0.5)


def _until(true: Callable[[], bool], processes: Processes) -> bool:
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        if true():
            return True
        dead = [name for name, process in processes.running.items() if process.poll() is not None]
        if dead:
            raise RuntimeError(f"{dead} ended by itself: {processes.tail()}")
        time.sleep(2)
    return False


def _paced(store: Store, kinds: list[Any]) -> None:
    """Waits while much that was published has not arrived or waits for the worker, so that processes are
    killed at their work and not before it; not for ever, since a killed one needs its time.
    """
    ends = time.monotonic() + _PACE_S
    while time.monotonic() < ends:
        there = {source.name: source.posts for source in store.sources.all()}
        behind = max(len(kind.truth) - there.get(kind.name, 0) for kind in kinds)
        if max(behind, store.queue.depth().queued) <= _AHEAD:
            return
        time.sleep(0.5)


def _same(store: Store, kinds: list[Any]) -> bool:
    """Whether all arrived; texts are read where counts agree, or looking would cost more than streaming."""
    there = sum(source.posts for source in store.sources.all())
    if there < sum(len(kind.truth) for kind in kinds):
        return False
    return _state(store, kinds)["differs"] == 0


def _state(store: Store, kinds: list[Any]) -> dict[str, int]:
    there: dict[tuple[str, str], str] = {}
    rows = 0
    for row in store.posts.stream(PostFilter()):
        there[row.source, row.external_id] = row.text
        rows += 1
    truth = {(kind.name, name): text for kind in kinds for name, text in kind.truth.items()}
    wrong = sum(1 for key in truth.keys() & there.keys() if truth[key] != there[key])
    lost, invented = len(truth.keys() - there.keys()), len(there.keys() - truth.keys())
    return {
        "posts": rows,
        "lost": lost,
        "invented": invented,
        "other text": wrong,
        "twice": rows - len(there),
        "differs": lost + invented + wrong,
    }


def _order(store: Store, kinds: list[Any]) -> dict[str, int]:
    """Per source that promises an order: how many posts came in before one that the source gave earlier."""
    rows = sorted(store.posts.stream(PostFilter()), key=lambda row: row.id)
    broken = 0
    for kind in kinds:
        if kind.name in ("file", "redis", "kafka"):
            numbers = [int(row.external_id) for row in rows if row.source == kind.name]
            broken += sum(a > b for a, b in pairwise(numbers))
    return {"out of order": broken}


def _waiting(store: Store) -> int:
    depth = store.queue.depth()
    return depth.queued + depth.leased + depth.photos


def _unassessed(store: Store) -> int:
    return sum(row.model is None for row in store.posts.stream(PostFilter()))
