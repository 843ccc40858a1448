"""The shapes of a base map: lines, areas and named points, and what kind of thing each is, told by the words
that OpenStreetMap, Natural Earth, Protomaps and others use.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Shape", "shape_of"]

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
