"""Where posts are, gathered as they pass: points in small cells, regions that posts name and nothing closer,
kinds of places.

Points are posts with coordinates of their own and posts whose text names a city; both fall into cells of 0.01
degrees, so memory grows with places and not with posts. A post that names only a country or state is no
point: it counts for the region.
"""

from collections import Counter
from dataclasses import dataclass, field

from crisislens.domain.assessment import Assessment

__all__ = ["Geography", "Spot"]

_CELLS = 100


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
        name = f"{where.place.name}, {where.place.admin or where.place.country}" if where.place else ""
        if where.place is not None and where.place.kind in ("country", "state"):
            spot, name = self.regions.setdefault(where.place.id, Spot()), where.place.name
        else:
            if where.place is not None and where.place.country != "US":
                name = f"{where.place.name}, {where.place.country}"
            spot = self.points.setdefault((round(where.lat * _CELLS), round(where.lon * _CELLS)), Spot())
        spot.add(where.lat, where.lon, name, where.source == "post", assessment.urgency, assessment.post.id)
