"""A base map of a region, brought by the user as GeoJSON (RFC 7946): what the report's map draws under the
posts, such as the roads, rivers and quarters of a town.

Only lines, areas and named points are taken, and of their properties only a name and what kind of thing it
is. A file may come from anywhere: its size, its points and its coordinates are held within bounds, and what
is no GeoJSON is refused with a sentence.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from crisislens.core.errors import InputError
from crisislens.report.outline import Frame
from crisislens.report.shapes import Shape, shape_of
from crisislens.report.tilemap import TileMap

__all__ = ["BaseMap", "MapSource", "read_base_map"]

_MOST_BYTES = 50_000_000
_MOST_POINTS = 250_000


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
