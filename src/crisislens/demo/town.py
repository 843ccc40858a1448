"""Velmora, the made-up town of the demo, as a base map: it lies in the ocean, where no outline shows
anything.
"""

import json
from pathlib import Path
from typing import Any

from crisislens.demo.stories import PLACES

__all__ = ["town", "write_town"]

_RIVER = ("Old Mill", "Harrow Bridge", "Lower Quay", "Saltmarsh")
_ROADS = {
    "Station Road": ("Lower Quay", "Station Road", "Northgate"),
    "Mill Road": ("Old Mill", "Marrowfield", "Kestrel Hill"),
    "North Road": ("Harrow Bridge", "Station Road"),
    "Ridge Road": ("Marrowfield", "Northgate"),
}
_COAST_DEGREES = 0.012


def town() -> dict[str, Any]:
    """The town as GeoJSON: coast, river, roads and the names of its districts.

    >>> sorted({feature["properties"]["kind"] for feature in town()["features"]})
    ['district', 'park', 'river', 'road']
    """
    features = [_feature("Polygon", [_around()], "park", "Velmora")]
    features.append(_feature("LineString", [_point(name) for name in _RIVER], "river", "the Harrow"))
    for road, places in _ROADS.items():
        features.append(_feature("LineString", [_point(name) for name in places], "road", road))
    features += [_feature("Point", _point(name), "district", name) for name in PLACES]
    return {"type": "FeatureCollection", "features": features}


def write_town(path: Path) -> Path:
    """Writes `town` into a file.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     text = write_town(Path(folder) / "town.geojson").read_text(encoding="utf-8")
    >>> json.loads(text) == town()
    True

    Arguments:
        path: The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(town()), encoding="utf-8")
    return path


def _point(name: str) -> list[float]:
    lat, lon = PLACES[name]
    return [lon, lat]


def _around() -> list[list[float]]:
    """The land of the town: eight corners around its districts."""
    lats, lons = zip(*PLACES.values(), strict=True)
    west, east = min(lons) - _COAST_DEGREES, max(lons) + _COAST_DEGREES
    south, north = min(lats) - _COAST_DEGREES / 2, max(lats) + _COAST_DEGREES / 2
    cut = _COAST_DEGREES / 2
    corners = [(west, south + cut), (west + cut, south), (east - cut, south), (east, south + cut)]
    corners += [(east, north - cut), (east - cut, north), (west + cut, north), (west, north - cut)]
    return [list(corner) for corner in [*corners, corners[0]]]


def _feature(form: str, coordinates: object, kind: str, name: str) -> dict[str, object]:
    geometry = {"type": form, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": {"kind": kind, "name": name}}
