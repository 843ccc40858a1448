"""What the place of a post is called in a report: as its text names it, or, where it has coordinates and no
name, by the nearest named point of the base map.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation
from crisislens.report.basemap import BaseMap, MapSource
from crisislens.report.outline import Point

__all__ = ["BY_TEXT", "PERSON", "Naming", "distance_km", "is_person", "spot_name"]

PERSON = " (a person?)"
"""Stands behind a place's name where a person's name contains it."""
_NEAR_KM = 1.0
_EARTH_KM = 6371.0
# a little more than is near, so that no rounding puts a near point two cubes away
_CUBE_KM = 1.001 * _NEAR_KM
_PERSON_TYPES = frozenset({"PER", "PERSON"})

_Cube = tuple[int, int, int]


@dataclass(frozen=True)
class Naming:
    """Names places.

    >>> naming = Naming((("Saltmarsh", (44.897, -21.320)),))
    >>> naming.name(GeoLocation(lat=-21.321, lon=44.897, source="post", confidence=1.0))
    'near Saltmarsh'
    >>> naming.name(GeoLocation(lat=-21.4, lon=44.897, source="post", confidence=1.0))
    ''

    Attributes:
        points: Names, and where they are: longitude and latitude in degrees.
    """

    points: tuple[tuple[str, Point], ...] = ()

    @classmethod
    def of_map(cls, base_map: MapSource | None) -> "Naming":
        """By the named points of a base map; one of tiles is not read for it, as it may be of the world."""
        if not isinstance(base_map, BaseMap):
            return cls()
        named = [shape for shape in base_map.shapes if shape.form == "point" and shape.name]
        return cls(tuple((shape.name, shape.points[0]) for shape in named))

    def name(self, where: GeoLocation) -> str:
        """What a place is called; empty for coordinates with no name within a kilometer."""
        if where.place is not None or not self.points:
            return spot_name(where)
        here = (where.lon, where.lat)
        near = [(distance_km(here, point), name) for name, point in self._around(here)]
        far, name = min(near, default=(math.inf, ""))
        return f"near {name}" if far <= _NEAR_KM else ""

    def of(self, assessment: Assessment) -> str:
        """What the place of a post is called; empty for none."""
        if assessment.location is None:
            return ""
        name = self.name(assessment.location)
        return name + PERSON if is_person(assessment) else name

    @cached_property
    def _cubes(self) -> dict[_Cube, list[tuple[str, Point]]]:
        """The points by the cube of space that they are in: to compare each post with every point of a
        large map would take hours.
        """
        cubes: dict[_Cube, list[tuple[str, Point]]] = {}
        for name, point in self.points:
            cubes.setdefault(_cube_of(point), []).append((name, point))
        return cubes

    def _around(self, here: Point) -> Iterator[tuple[str, Point]]:
        """The points in the cube of a place and in those beside it, which are all within its side."""
        x, y, z = _cube_of(here)
        for i, j, k in product((-1, 0, 1), repeat=3):
            yield from self._cubes.get((x + i, y + j, z + k), ())


BY_TEXT = Naming()
"""By what texts name alone."""


def _cube_of(point: Point) -> _Cube:
    """Which cube holds a point of the globe; there, unlike in degrees, poles and date line are no edges."""
    lon, lat = (math.radians(x) for x in point)
    on_globe = (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
    x, y, z = (math.floor(_EARTH_KM * value / _CUBE_KM) for value in on_globe)
    return x, y, z


def spot_name(where: GeoLocation) -> str:
    """What a place is called on a map; empty for coordinates without a name."""
    place = where.place
    if place is None:
        return ""
    if place.kind in ("country", "state"):
        return place.name
    return f"{place.name}, {(place.admin or place.country) if place.country == 'US' else place.country}"


def is_person(assessment: Assessment) -> bool:
    """Whether the name that puts a post on the map is part of what the run found to be a person's."""
    where = assessment.location
    if where is None or where.place is None:
        return False
    people = [e for e in assessment.entities if e.type.upper() in _PERSON_TYPES]
    mentions = [m for m in assessment.places if m.place.id == where.place.id]
    return any(m.start < e.end and e.start < m.end for m in mentions for e in people)


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The great circle between two points given as longitude and latitude in degrees (haversine)."""
    (lon_a, lat_a), (lon_b, lat_b) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    chord = math.sin((lat_b - lat_a) / 2) ** 2
    chord += math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))
