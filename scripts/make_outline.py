"""Makes the world outline of the report's map: `python scripts/make_outline.py countries-50m.json`.

The input is TopoJSON of the npm package `world-atlas` 2.0.2 (ISC), which is Natural Earth 1:50m
(public domain). Out comes `src/crisislens/assets/world/outline.json.gz`: a list of rings, each a
flat list of integers: the first point's longitude and latitude in twentieths of a degree, then
differences.
"""

import argparse
import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

UNITS = 20
SMALLEST = 3


def arcs(topology: dict[str, Any]) -> list[list[tuple[float, float]]]:
    """The arcs in degrees."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    found = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * sx + tx, y * sy + ty))
        found.append(points)
    return found


def rings(geometry: dict[str, Any]) -> Iterator[list[int]]:
    """The rings of a geometry as numbers of arcs; holes are lakes and other countries, which are
    drawn over.
    """
    if geometry["type"] == "Polygon":
        yield geometry["arcs"][0]
    elif geometry["type"] == "MultiPolygon":
        for polygon in geometry["arcs"]:
            yield polygon[0]
    for part in geometry.get("geometries", ()):
        yield from rings(part)


def unwrapped(points: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """The ring without a jump at the date line, and its copy on the other side of the map; nothing
    for rings around a pole or too small.
    """
    around = 360 * UNITS
    ring = points[:1]
    for x, y in points[1:]:
        ring.append((x - around * round((x - ring[-1][0]) / around), y))
    if len(set(ring)) < SMALLEST or abs(ring[-1][0] - ring[0][0]) > around // 2:
        return
    yield ring
    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    if east > around // 2:
        yield [(x - around, y) for x, y in ring]
    if west < -around // 2:
        yield [(x + around, y) for x, y in ring]


def flat(points: list[tuple[int, int]]) -> list[int]:
    """The first point, then differences."""
    found = [*points[0]]
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        found += [bx - ax, by - ay]
    return found


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("topology", type=Path)
    parser.add_argument("--out", type=Path, default=Path("src/crisislens/assets/world/outline.json.gz"))
    arguments = parser.parse_args()
    topology = json.loads(arguments.topology.read_text(encoding="utf-8"))
    lines, found = arcs(topology), []
    for ring in rings(topology["objects"]["countries"]):
        points: list[tuple[int, int]] = []
        for index in ring:
            for lon, lat in lines[index] if index >= 0 else reversed(lines[~index]):
                point = round(lon * UNITS), round(lat * UNITS)
                if not points or points[-1] != point:
                    points.append(point)
        found += [flat(copy) for copy in unwrapped(points)]
    data = json.dumps(found, separators=(",", ":")).encode()
    # no time in the header: the same input gives the same bytes
    arguments.out.write_bytes(gzip.compress(data, 9, mtime=0))
    print(
        f"{len(found)} rings, {sum(len(r) for r in found) // 2} points, {arguments.out.stat().st_size} bytes"
    )


if __name__ == "__main__":
    main()
