"""Where posts are, gathered as they pass: points in small cells, regions that posts name and nothing closer,
kinds of places.

Points are posts with coordinates of their own and posts whose text names a city; both fall into cells of 0.01
degrees, so memory grows with places and not with posts. A post that names only a country or state is no
point: it counts for the region.

A name in a text may be a person's (Bowie), or of a place that has nothing to do with the event. Where a name
is part of what the run found to be a person, or where a rare one lies far from all that many posts name, it
is doubtful: it is listed, and not drawn.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from crisislens.domain.assessment import Assessment
from crisislens.report.naming import BY_TEXT, PERSON, Naming, distance_km, is_person

__all__ = ["Geography", "Spot"]

_CELLS = 100
_FAR_KM = 800.0


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
    """Running totals of places.

    Arguments:
        naming: What places are called.
    """

    def __init__(self, naming: Naming = BY_TEXT) -> None:
        self._naming = naming
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
        name = self._naming.name(where)
        if is_person(assessment):
            person = self.named.setdefault(name + PERSON, Spot())
            person.count += 1
            person.best = max(person.best, (assessment.urgency, assessment.post.id))
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


def _nearest_km(point: tuple[float, float], anchors: Iterable[tuple[float, float]]) -> float:
    return min(distance_km(point, anchor) for anchor in anchors)
