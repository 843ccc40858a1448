"""Every kind of source misbehaves, streams and worker are killed with -9, and the store is compared.

    PYTHONPATH=tests python benchmarks/stream_chaos_all.py --posts 100000 --kills 24

Needs PostgreSQL's server programs and redis-server. Prints JSON; exit code 1 where anything was lost, twice,
out of order, of another text, or not assessed. `tests/stream_sources_chaos.py` says how.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from postgres_server import PostgresServer
from stream_sources_chaos import run
from tiny_bundles import write_bundle


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--posts", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-worker", action="store_true", help="only the streams; nothing is assessed")
    given = parser.parse_args()
    server = PostgresServer.start()
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            bundle = None if given.no_worker else str(write_bundle(folder / "bundle"))
            url = server.database("chaos")
            found = run(folder, url, posts=given.posts, kills=given.kills, seed=given.seed, bundle=bundle)
    finally:
        server.stop()
    print(json.dumps(found, indent=1))
    wrong = ("lost", "invented", "other text", "twice", "out of order", "unassessed", "faults")
    sys.exit(any(found[name] for name in wrong))


if __name__ == "__main__":
    main()
