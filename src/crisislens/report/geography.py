"""Where posts are, gathered as they pass: points in small cells, regions that posts name and nothing closer,
kinds of places.

Points are posts with coordinates of their own and posts whose text names a city; both fall into cells of 0.01
degrees, so memory grows with places and not with posts. A post that names only a country or state is no
point: it counts for the region.

A name in a text may be a person's (Bowie), or of a place that has nothing to do with the event. Where a name
is part of what the run found to be a person, or where a rare one lies far from all that many posts name, it
is doubtful: it is listed, and not drawn.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation

__all__ = ["PERSON", "Geography", "Spot", "is_person", "spot_name"]

PERSON = " (a person?)"
"""Stands behind a place's name where a person's name contains it."""
_CELLS = 100
_FAR_KM = 800.0
_EARTH_KM = 6371.0
_PERSON_TYPES = frozenset({"PER", "PERSON"})


@dataclass
class Spot:
    """Posts in one cell, or of one region.

    Attributes:
        count: All posts.
        own: Those with coordinates of their own.
        lat, lon: Sums over posts, in degrees.
        names: The places that the texts name, with their posts.
        best: The most urgent post's id and urgency.
    """

    count: int = 0
    own: int = 0
    lat: float = 0.0
    lon: float = 0.0
    names: Counter[str] = field(default_factory=Counter)
    best: tuple[float, str] = (-1.0, "")

    def add(self, lat: float, lon: float, name: str, own: bool, urgency: float, identity: str) -> None:
        """Takes one post into account."""
        self.count, self.own = self.count + 1, self.own + own
        self.lat, self.lon = self.lat + lat, self.lon + lon
        if name:
            self.names[name] += 1
        if urgency > self.best[0]:
            self.best = (urgency, identity)

    def join(self, other: "Spot") -> None:
        """Takes another cell's posts into account."""
        self.count, self.own, self.lat, self.lon = (
            self.count + other.count,
            self.own + other.own,
            self.lat + other.lat,
            self.lon + other.lon,
        )
        self.names.update(other.names)
        self.best = max(self.best, other.best)

    @property
    def middle(self) -> tuple[float, float]:
        """Mean longitude and latitude of the posts."""
        return self.lon / self.count, self.lat / self.count


class Geography:
    """Running totals of places."""

    def __init__(self) -> None:
        self.points: dict[tuple[int, int], Spot] = {}
        self.regions: dict[str, Spot] = {}
        self.located = 0
        self.kinds: Counter[str] = Counter()
        self.unsure = 0
        self.judged = 0
        self.named: dict[str, Spot] = {}
        self._doubtful: frozenset[str] | None = None

    def add(self, assessment: Assessment) -> None:
        """Takes one post into account."""
        kind = assessment.place_type
        if kind is not None:
            self.judged += 1
            if kind.abstained:
                self.unsure += 1
            else:
                self.kinds[kind.label] += 1
        where = assessment.location
        if where is None:
            return
        self.located += 1
        self._doubtful = None
        name = spot_name(where)
        if is_person(assessment):
            self.named.setdefault(name + PERSON, Spot()).count += 1
            return
        if where.place is not None and where.place.kind in ("country", "state"):
            spot = self.regions.setdefault(where.place.id, Spot())
        else:
            spot = self.points.setdefault((round(where.lat * _CELLS), round(where.lon * _CELLS)), Spot())
        # far countries are named for their people or their help, which is no misreading
        if where.place is not None and where.place.kind != "country":
            own = self.named.setdefault(name, Spot())
            own.add(where.lat, where.lon, "", False, assessment.urgency, assessment.post.id)
        spot.add(where.lat, where.lon, name, where.source == "post", assessment.urgency, assessment.post.id)

    def doubtful(self) -> frozenset[str]:
        """The names that are not drawn, see the head of the module."""
        if self._doubtful is None:
            people = {name for name in self.named if name.endswith(PERSON)}
            self._doubtful = frozenset(people | self._far())
        return self._doubtful

    def drawn(self) -> list[Spot]:
        """The cells that are drawn: those with coordinates of their own or a name that is not doubtful."""
        doubtful = self.doubtful()
        return [spot for spot in self.points.values() if spot.own or not doubtful.issuperset(spot.names)]

    def drawn_regions(self) -> list[Spot]:
        """The regions that are drawn."""
        doubtful = self.doubtful()
        return [spot for spot in self.regions.values() if not doubtful.issuperset(spot.names)]

    def region_names(self) -> frozenset[str]:
        """The names of countries and states, which are no points."""
        return frozenset(name for spot in self.regions.values() for name in spot.names)

    def _far(self) -> set[str]:
        """Rare names that lie far from everything that many posts name or have as their coordinates."""
        often, seldom = max(3.0, 0.05 * self.located), max(2.0, 0.01 * self.located)
        anchors = [spot.middle for spot in self.points.values() if spot.own or spot.count >= often]
        if not anchors:
            return set()
        rare = {name: spot for name, spot in self.named.items() if spot.count <= seldom and spot.lat}
        return {name for name, spot in rare.items() if _nearest_km(spot.middle, anchors) > _FAR_KM}


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


def _nearest_km(point: tuple[float, float], anchors: Iterable[tuple[float, float]]) -> float:
    return min(_distance_km(point, anchor) for anchor in anchors)


def _distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The great circle between two points given as longitude and latitude (haversine)."""
    (lon_a, lat_a), (lon_b, lat_b) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    chord = math.sin((lat_b - lat_a) / 2) ** 2
    chord += math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(chord)))
