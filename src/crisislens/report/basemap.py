"""A base map of a region, brought by the user as GeoJSON (RFC 7946): what the report's map draws under the
posts, such as the roads, rivers and quarters of a town.

Only lines, areas and named points are taken, and of their properties only a name and what kind of thing it
is. A file may come from anywhere: its size, its points and its coordinates are held within bounds, and what
is no GeoJSON is refused with a sentence.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from crisislens.core.errors import InputError
from crisislens.report.outline import Frame

__all__ = ["BaseMap", "MapSource", "Shape", "read_base_map", "shape_of"]

_MOST_BYTES = 50_000_000
_MOST_POINTS = 250_000
_NAME_CHARACTERS = 80
# from words that OpenStreetMap, Natural Earth and others use to what is drawn alike
_KINDS = {
    "water": {"water", "lake", "river", "stream", "canal", "coastline", "ocean", "sea", "bay", "riverbank",
              "lakes", "rivers", "waterway", "waterways", "swimming_pool"},
    "road": {"road", "highway", "motorway", "trunk", "primary", "secondary", "tertiary", "residential",
             "street", "railway", "rail", "path", "service", "roads", "transportation", "transit",
             "major_road", "minor_road", "medium_road"},
    "building": {"building", "school", "hospital", "house", "shelter", "yes", "buildings"},
    "green": {"park", "forest", "wood", "grass", "farmland", "meadow"},
    "border": {"border", "boundary", "administrative", "country", "state", "county", "district", "quarter",
               "boundaries", "borders", "states", "region"},
}  # fmt: skip
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words}
# tags whose mere presence says what a thing is
_TAGS = {
    "waterway": "water",
    "highway": "road",
    "railway": "road",
    "building": "building",
    "boundary": "border",
}
_WHERE_KINDS_STAND = (
    "kind", "class", "type", "featurecla", "natural", "landuse", "leisure", "place", "layer",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """One thing on the map.

    Attributes:
        form: `area`, `line` or `point`.
        kind: `water`, `road`, `building`, `green`, `border` or `other`.
        name: Its name; empty for none.
        points: Longitude and latitude in degrees; of an area the outer ring.
    """

    form: str
    kind: str
    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class BaseMap:
    """The shapes, in the order of the file, and the name of the file."""

    name: str
    shapes: tuple[Shape, ...]

    def shapes_in(self, frame: Frame) -> tuple[Shape, ...]:
        """All shapes: a map of a region is drawn whole, wherever the posts are."""
        del frame
        return self.shapes


@runtime_checkable
class MapSource(Protocol):
    """A base map: what to draw under a frame."""

    @property
    def name(self) -> str:
        """The name of its file."""
        ...

    def shapes_in(self, frame: Frame) -> tuple[Shape, ...]:
        """The shapes under a frame, or all of a region."""
        ...


def read_base_map(path: Path) -> MapSource:
    """Reads a file of GeoJSON, or opens one of PMTiles (by its name, `.pmtiles`).

    Raises:
        InputError: If it cannot be read, is larger than 50 MB, is no GeoJSON, or holds no shape or too many
            points; of PMTiles see `report.tilemap`.
    """
    if path.suffix.lower() == ".pmtiles":
        # it stands on this module
        from crisislens.report.tilemap import TileMap

        return TileMap(path)
    return _read_geojson(path)


def _read_geojson(path: Path) -> BaseMap:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"--basemap {path} is larger than 50 MB; cut it to the region that you need")
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"--basemap {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"--basemap {path} is no GeoJSON; expected a FeatureCollection") from error
    shapes, points = [], 0
    for feature in _features(given):
        for shape in _shapes(feature):
            shapes.append(shape)
            points += len(shape.points)
            if points > _MOST_POINTS:
                raise InputError(
                    f"--basemap {path} has more than {_MOST_POINTS:,} points; simplify it, or cut it to the "
                    f"region"
                )
    if not shapes:
        raise InputError(f"--basemap {path} holds no line, area or named point; expected a FeatureCollection")
    return BaseMap(path.name, tuple(shapes))


def _features(given: Any) -> Iterator[Mapping[str, Any]]:
    """The features of a collection, one feature, or a bare geometry."""
    if not isinstance(given, dict):
        return
    listed = given.get("features")
    if isinstance(listed, list):
        yield from (feature for feature in listed if isinstance(feature, dict))
    elif given.get("type") == "Feature":
        yield given
    else:
        yield {"geometry": given, "properties": {}}


def _shapes(feature: Mapping[str, Any]) -> Iterator[Shape]:
    properties = feature.get("properties")
    known = properties if isinstance(properties, dict) else {}
    for form, points in _parts(feature.get("geometry")):
        shape = shape_of(form, known, points)
        if shape is not None:
            yield shape


def shape_of(form: str, properties: Mapping[str, Any], points: Any) -> Shape | None:
    """A shape, or None where too few of its points lie on the globe, or a point has no name.

    Arguments:
        form: `area`, `line` or `point`.
        properties: What the file says of it.
        points: Its longitudes and latitudes in degrees, as the file has them.
    """
    name = properties.get("name")
    title = name.strip()[:_NAME_CHARACTERS] if isinstance(name, str) else ""
    line = _points(points)
    fewest = {"area": 3, "line": 2, "point": 1}.get(form)
    if fewest is None or len(line) < fewest or (form == "point" and not title):
        return None
    return Shape(form, _kind(properties), title, line)


def _parts(geometry: Any) -> Iterator[tuple[str, Any]]:
    """The outer rings, lines and points of a geometry; holes are left out, as they are drawn over."""
    if not isinstance(geometry, dict):
        return
    kind, held = geometry.get("type"), geometry.get("coordinates")
    parts = held if isinstance(held, list) else []
    if kind == "Polygon":
        yield from (("area", ring) for ring in parts[:1])
    elif kind == "MultiPolygon":
        yield from (("area", polygon[0]) for polygon in parts if isinstance(polygon, list) and polygon)
    elif kind == "LineString":
        yield "line", parts
    elif kind == "MultiLineString":
        yield from (("line", line) for line in parts)
    elif kind == "Point":
        yield "point", [parts]


def _points(given: Any) -> tuple[tuple[float, float], ...]:
    """The points that lie on the globe; others are left out."""
    found = []
    for point in given if isinstance(given, list) else []:
        if not isinstance(point, list | tuple) or len(point) < 2:
            continue
        lon, lat = point[0], point[1]
        if _is_number(lon) and _is_number(lat) and abs(lon) <= 180 and abs(lat) <= 90:
            found.append((float(lon), float(lat)))
    return tuple(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(properties: Mapping[str, Any]) -> str:
    for key in _WHERE_KINDS_STAND:
        word = properties.get(key)
        if isinstance(word, str) and word.lower() in _KIND_OF:
            return _KIND_OF[word.lower()]
    return next((kind for tag, kind in _TAGS.items() if properties.get(tag)), "other")
