"""What small files cost: a Parquet of kilobytes that claims gigabytes, and pictures that are large
only when decoded, by eight threads. Measured in a process of its own, on its peak of resident memory.
"""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

MOST_BYTES = int(1.5 * 2**30)
# on Linux the peak of getrusage is the parent's, if that was larger: it is handed down over fork and exec
_TAIL = """
import resource
status = Path("/proc/self/status")
if status.is_file():
    print(next(int(line.split()[1]) for line in status.open() if line.startswith("VmHWM")) * 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
# all rows as the file has them, and the first of them as posts: looking at letters takes time, not memory
_ROWS = """
from itertools import islice
from crisislens.data.parquet import parquet_rows
from crisislens.data.tabular import read_posts
assert sum(1 for _ in parquet_rows(Path(sys.argv[1]), ["text"])) >= 200
assert len(list(islice(iter(read_posts(Path(sys.argv[1]))), 3))) == 3
"""
_PICTURES = """
from concurrent.futures import ThreadPoolExecutor
from crisislens.data.images import decode_image
with ThreadPoolExecutor(8) as pool:
    for one in pool.map(decode_image, sorted(Path(sys.argv[1]).iterdir())):
        assert max(one.pixels.shape) <= 2560
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read as on Unix")


def peak_bytes(script: str, path: Path) -> int:
    """Peak resident memory of a process that runs a script, bytes."""
    code = "import sys\nfrom pathlib import Path\n" + script + _TAIL
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-500:]
    kept = int(done.stdout.split()[-1])
    # macOS counts bytes where Linux counts kilobytes
    return kept // 1024 if sys.platform == "darwin" else kept


@pytest.mark.parametrize("form", ["one text for all rows", "zeros"])
def test_a_parquet_bomb_stays_within_the_limit(tmp_path: Path, form: str) -> None:
    path = tmp_path / "posts.parquet"
    if form == "zeros":
        table = pa.table({"text": ["0" * 900_000] * 200})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)
    else:
        words = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), ["flood " * 10_000])
        pq.write_table(pa.table({"text": words}), path, compression="zstd")
    assert path.stat().st_size < 200_000
    assert peak_bytes(_ROWS, path) < MOST_BYTES


def test_pictures_in_eight_threads_stay_within_the_limit(tmp_path: Path) -> None:
    first = tmp_path / "0.png"
    # eight at once take 1.3 GB; those that may be decoded at once take half a one
    Image.new("RGBA", (4_400, 4_400), (200, 30, 30, 128)).save(first, compress_level=1)
    for i in range(1, 8):
        (tmp_path / f"{i}.png").write_bytes(first.read_bytes())
    assert first.stat().st_size < 1_000_000
    assert peak_bytes(_PICTURES, tmp_path) < 2**30
