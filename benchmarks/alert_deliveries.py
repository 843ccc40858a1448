"""Messages of alerts, a sender that is killed with -9, and a receiver that misbehaves.

    python benchmarks/alert_deliveries.py --messages 2000 --kills 20 --seed 1

A store holds messages for eight webhooks. A process sends them; it is killed at random moments, most of them
while something is on its way, and started again. The receiver answers 200, 500, 429, nothing, or cuts the
line off after it has read the message. Afterwards an oracle that knows only what the receiver got asks:

1. each message arrived, at least once;
2. each time with the same id, the same body and a signature that holds;
3. none is waiting or leased, and none was given up.

What it prints at the end are the figures of docs/alerts.md. A lease of a dead sender is over after 60 s and a
failed try is repeated after 5 s and more; so that the run takes a minute and not a day, both are moved into
the past whenever nobody sends.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from crisislens.alerts.postman import Postman, Ways
from crisislens.alerts.webhooks import verified
from crisislens.core.guarded_rules import Guard
from crisislens.store import Store, open_store
from crisislens.store.models import Delivery

WAYS = 8
SAID = b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Receiver:
    """Keeps all that arrived, whatever it answers."""

    def __init__(self, chance: random.Random) -> None:
        self.got: dict[str, list[tuple[dict[str, str], bytes]]] = defaultdict(list)
        self.answers: Counter[str] = Counter()
        self._chance, self._lock = chance, threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            line, _ = self._server.accept()
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            line.settimeout(3)
            stream = line.makefile("rb")
            stream.readline()
            headers = {}
            while (row := stream.readline().strip()) != b"":
                name, _, value = row.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", "0")))
            if not headers.get("webhook-id") or len(body) < int(headers["content-length"]):
                # cut off by a kill: nothing arrived
                return
            with self._lock:
                what = self._chance.choices(("200", "500", "429", "cut", "slow"), (70, 10, 5, 10, 5))[0]
                self.answers[what] += 1
                self.got[headers["webhook-id"]].append((headers, body))
            if what == "cut":
                return
            if what == "slow":
                time.sleep(0.2)
            line.sendall(SAID % (200 if what == "slow" else int(what)))


def send(path: str, port: int) -> None:
    """What the killed process does."""
    with open_store(path, least_free_bytes=0) as store:
        guard = Guard(allow_private=frozenset({f"127.0.0.1:{port}"}), seconds=1.0)
        while Postman(store, Ways(guard)).step():
            pass


def hurry(path: str) -> dict[str, int]:
    """Moves leases and pauses into the past; how many messages are in which state."""
    past = datetime.now(UTC) - timedelta(minutes=5)
    with open_store(path, least_free_bytes=0) as store:
        values = {"next_at": past, "lease_until": past}
        store.database.write(lambda tx: tx.connection.execute(update(Delivery).values(values)).rowcount)
        return dict(Counter(row.state for row in store.deliveries.list(most=1_000_000)))


def filled(path: str, port: int, messages: int) -> dict[str, str]:
    """Ways out with messages; from message to secret."""
    with open_store(path, least_free_bytes=0) as store:
        secrets: dict[int, str] = {}
        for i in range(WAYS):
            secret, row = store.outlets.add(
                f"hook {i}", "webhook", f"http://127.0.0.1:{port}/{i}", actor="cli"
            )
            secrets[row.id] = secret or ""
        _ping(store, list(secrets), messages)
        return {row.uid: secrets[row.outlet_id] for row in store.deliveries.list(most=messages)}


def _ping(store: Store, ways: list[int], messages: int) -> None:
    for i in range(messages):
        store.outlets.ping(ways[i % len(ways)], actor="cli")


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--send", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.send:
        send(given.send[0], int(given.send[1]))
        return
    chance = random.Random(given.seed)
    receiver = Receiver(chance)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "store.db")
        secret_of = filled(path, receiver.port, given.messages)
        kills = rounds = 0
        started = time.monotonic()
        while True:
            rounds += 1
            child = subprocess.Popen([sys.executable, __file__, "--send", path, str(receiver.port)])
            if kills < given.kills:
                # from before the first message to the middle of the work
                time.sleep(chance.uniform(1.0, 3.0))
                if child.poll() is None:
                    os.kill(child.pid, signal.SIGKILL)
                    kills += 1
            child.wait()
            states = hurry(path)
            if kills >= given.kills and set(states) <= {"sent", "failed"}:
                break
        seconds = time.monotonic() - started
    missing = sorted(set(secret_of) - receiver.got.keys())
    several = sum(len(each) > 1 for each in receiver.got.values())
    changed = sum(len({body for _, body in each}) > 1 for each in receiver.got.values())
    unsigned = 0
    for uid, each in receiver.got.items():
        unsigned += sum(not verified(secret_of[uid], headers, body) for headers, body in each)
    print(f"{given.messages} messages, {kills} kills in {rounds} rounds, {seconds:.0f} s")
    print(f"answers: {dict(sorted(receiver.answers.items()))}")
    print(
        f"at the end: {states}; missing {len(missing)}, changed bodies {changed}, bad signatures {unsigned}"
    )
    print(f"arrived more than once: {several}; foreign ids {len(receiver.got.keys() - secret_of.keys())}")
    if missing or changed or unsigned or states != {"sent": given.messages}:
        raise SystemExit("an invariant does not hold")


if __name__ == "__main__":
    main()
