"""How fast posts are taken in: wrk with 1, 8 and 64 clients against `crisislens serve --assess 0`.

    python benchmarks/serve_load.py --seconds 8 --clients 1 8 64

Starts a service of its own on SQLite in a temporary folder (or `--db postgresql://…`), makes a key, and has
wrk (from the system's packages) send one post a request, each with an id of its own. Prints accepted posts a
second, p50, p95 and p99 in milliseconds, CPU milliseconds of the service a request, its memory, and how many
posts the store holds. `--queued 100000` fills the queue afterwards and tells the memory then. The load of the
machine stands beside it.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

BATCH = 500
TEXT = "House {} is flooded, people on the roof"
SCRIPT = """
local n = 0
local threads = {}
function setup(thread) thread:set("number", #threads); table.insert(threads, thread) end
function init(args)
  math.randomseed(os.time() + number * 7919)
  salt = string.format("%x", math.random(1, 2^30))
end
function request()
  n = n + 1
  local form = '{"id": "%s-%d-%d", "text": "House %d is flooded, people on the roof"}'
  local body = string.format(form, salt, number, n, n)
  return wrk.format("POST", "/v1/posts?source=load", HEADERS, body)
end
function response(status) if status == 202 then taken = (taken or 0) + 1 end end
function done(summary, latency)
  local accepted = 0
  for _, thread in ipairs(threads) do accepted = accepted + (thread:get("taken") or 0) end
  io.write(string.format("RESULT %d %d %d %d %d %d %d\\n", summary.requests, accepted, summary.duration,
    latency:percentile(50), latency:percentile(95), latency:percentile(99),
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
"""


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Megabytes that a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", status)
    return round(int(found[1]) / 1024, 1) if found else 0.0


def start(folder: Path, url: str) -> tuple[subprocess.Popen[str], str, str]:
    """A service without models, its address and a key that may send."""
    from crisislens.store import open_store

    with open_store(url, blobs=folder / "blobs") as store:
        store.users.add("admin", "admin", password="four plain words together", actor="cli")
        key, _ = store.keys.add("load", "reviewer", actor="cli")
    command = [sys.executable, "-m", "crisislens", "serve", "--db", url, "--port", "0", "--assess", "0"]
    command += ["--blobs", str(folder / "blobs"), "--calls", "1000000"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("page"):
            return running, line.split()[1], key
    raise SystemExit("the service did not start")


def load(address: str, script: Path, clients: int, seconds: int) -> dict[str, Any]:
    """One run of wrk."""
    threads = min(2, clients)
    command = ["wrk", f"-t{threads}", f"-c{clients}", f"-d{seconds}s", "-s", str(script), address]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = [int(part) for part in out.partition("RESULT ")[2].split()]
    requests, accepted, duration, p50, p95, p99, errors = numbers
    return {
        "clients": clients,
        # a refused post is answered sooner than one that is kept, and is none
        "posts_s": round(accepted / (duration / 1e6), 1),
        "p50_ms": p50 / 1000,
        "p95_ms": p95 / 1000,
        "p99_ms": p99 / 1000,
        "requests": requests,
        "accepted": accepted,
        "errors": errors,
    }


def fill(address: str, key: str, most: int) -> dict[str, Any]:
    """Sends batches until so many posts wait, and one more call; what was answered then."""
    answered: Counter[int] = Counter()
    retry = None
    for first in range(0, most + BATCH, BATCH):
        rows = [{"id": f"fill-{first + i}", "text": TEXT.format(first + i)} for i in range(BATCH)]
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        asked = Request(f"{address}/v1/posts?source=fill", json.dumps(rows).encode(), head)
        try:
            with urlopen(asked) as answer:
                answered[answer.status] += 1
        except HTTPError as error:
            answered[error.code] += 1
            retry = error.headers["Retry-After"]
            break
    return {"answers": dict(answered), "retry_after": retry}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--db")
    parser.add_argument("--queued", type=int, default=0, help="fill it up to so many, by batches of 500")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        running, address, key = start(folder, given.db or str(folder / "store.db"))
        script = folder / "post.lua"
        head = f'HEADERS = {{["Authorization"] = "Bearer {key}", ["Content-Type"] = "application/json"}}\n'
        script.write_text(head + SCRIPT)
        try:
            for clients in given.clients:
                before, began = cpu_s(running.pid), os.getloadavg()[0]
                row = load(address, script, clients, given.seconds)
                used = cpu_s(running.pid) - before
                row["cpu_ms_a_request"] = round(1000 * used / max(1, row["requests"]), 3)
                row["rss_mb"], row["load_before"] = rss_mb(running.pid), round(began, 1)
                rows.append(row)
                print(row, flush=True)
                time.sleep(1)
            filled = fill(address, key, given.queued) if given.queued else {}
            with urlopen(address + "/metrics") as answer:
                text = answer.read().decode()
            full = {**filled, "rss_mb": rss_mb(running.pid)}
            created = re.search(r'posts_accepted_total{outcome="created"} ([\d.e+]+)', text)
            queued = re.search(r'crisislens_posts{state="queued"} ([\d.e+]+)', text)
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=30)
    held = {"accepted": created and float(created[1]), "in_the_store": queued and float(queued[1])}
    print(json.dumps({"rows": rows, **held, "full": full, "cores": os.cpu_count()}, indent=2))


if __name__ == "__main__":
    main()
