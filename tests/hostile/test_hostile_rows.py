"""A thousand drawn tables: rows in are rows out, each a post or a sentence that says why not, in time.

`make fuzz` draws 25,000. A seed that fails is printed with the test's name; `draw_table(SEED)` makes
its file again.
"""

import os
import time
from pathlib import Path

import pytest

from crisislens.core.errors import CrisisLensError
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from hostile.rows import draw_table

INPUTS = int(os.environ.get("CRISISLENS_FUZZ", "2000")) // 2
PARTS = 10
# of one table of at most forty rows; a busy machine is slow
MOST_SECONDS = 20


def check(seed: int, folder: Path) -> None:
    hostile = draw_table(seed)
    path = folder / hostile.name
    path.write_bytes(hostile.data)
    started = time.process_time()
    try:
        rows = list(read_posts(path))
    except CrisisLensError as error:
        pytest.fail(f"seed {seed}: refused: {error}")
    finally:
        path.unlink()
    assert len(rows) == hostile.rows, f"seed {seed}: {hostile.rows} rows in, {len(rows)} out"
    assert [row for row in rows if isinstance(row, Post)], f"seed {seed}: no row is a post"
    names = [row.id for row in rows if isinstance(row, Post)]
    assert len(names) == len(set(names)), f"seed {seed}: two posts with one id"
    for number, row in enumerate(rows):
        if isinstance(row, FailedPost):
            assert row.row == number, f"seed {seed}: row {number} is told as {row.row}"
            assert 0 < len(row.reason) < 400, f"seed {seed}: {row.reason}"
            assert "\n" not in row.reason, f"seed {seed}: {row.reason}"
        else:
            row.model_dump_json().encode("utf-8")
    assert time.process_time() - started < MOST_SECONDS, f"seed {seed}: took too long"


@pytest.mark.parametrize("part", range(PARTS))
def test_rows_in_are_rows_out(tmp_path: Path, part: int) -> None:
    for seed in range(part, INPUTS, PARTS):
        check(seed, tmp_path)


def test_a_seed_makes_the_same_table_again() -> None:
    for seed in range(12):
        first, again = draw_table(seed), draw_table(seed)
        assert (first.name, first.rows) == (again.name, again.rows)
        # an archive holds the time
        assert first.name.endswith(".gz") or first.data == again.data
