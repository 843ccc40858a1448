"""Killed at any moment, the service loses nothing; the long form is `benchmarks/store_chaos.py`."""

from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from chaos_run import Chaos
from tiny_bundles import write_bundle

pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.mark.slow
def test_every_acknowledged_post_is_there_once_in_order_and_assessed(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    chaos = Chaos(tmp_path, str(tmp_path / "crisis.db"), str(bundle), posts=240, kills=4, seed=11)
    found = chaos.run()
    assert found == {
        "posts": 240,
        "kills": {"server": 2, "worker": 2},
        "lost": 0,
        "twice": 0,
        "not acknowledged": 0,
        "out of order": 0,
        "leased": 0,
        "queued": 0,
        "failed": 0,
        "unassessed": 0,
        "faults": [],
    }
