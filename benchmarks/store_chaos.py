"""Chaos, the long form: every acknowledged post exactly once, none lost, no lease left.

    PYTHONPATH=tests python benchmarks/store_chaos.py --posts 100000 --kills 24
    PYTHONPATH=tests python benchmarks/store_chaos.py --posts 20000 --kills 24 --postgres --stops 2

Eight clients send; the server and its worker processes are killed with `kill -9` in turn, and with
`--postgres` the database is stopped as if the power had failed. Needs the tests' helpers.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from chaos_run import Chaos
from postgres_server import DURABLE, PostgresServer
from tiny_bundles import write_bundle

# a post that was at work at four kills has failed, and is shown: that is no fault
WRONG = ("lost", "twice", "not acknowledged", "out of order", "leased", "queued", "faults")


def main() -> None:
    """Runs it, prints what was found, and ends with 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--stops", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--postgres", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = PostgresServer.start(DURABLE) if given.postgres else None
        url = server.database("chaos") if server else str(folder / "crisis.db")

        def stop(_number: int) -> None:
            assert server is not None
            server.down("immediate")
            time.sleep(1)
            server.up()

        bundle = str(write_bundle(folder / "bundle"))
        chaos = Chaos(folder, url, bundle, given.posts, kills=given.kills, seed=given.seed, between=stop)
        chaos.stops = given.stops
        began = time.perf_counter()
        found = chaos.run()
        print(json.dumps({**found, "seconds": round(time.perf_counter() - began)}, indent=1))
        if server:
            server.stop()
    sys.exit(any(found[name] for name in WRONG))


if __name__ == "__main__":
    main()
