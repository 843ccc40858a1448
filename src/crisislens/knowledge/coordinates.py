"""A post's own coordinates, and what is wrong with them.

0° north, 0° east lies in the Gulf of Guinea and is what programs write that know no place; such a
point is none. A point that lies far from everything the text names, but near it with latitude and
longitude exchanged, was probably exchanged. It is left as it is, because a text may well speak of
another place, and told.
"""

import math
from collections.abc import Sequence

from crisislens.domain.place import Place, PlaceMention
from crisislens.domain.post import Post

__all__ = ["distance_km", "own_point", "point_notes"]

EARTH_KM = 6371.0
_NEAR_KM, _FAR_KM = 300.0, 1000.0
_SURE = 0.7
# what rounding leaves of zero: 0.001 degree is 100 m
_ZERO = 1e-3


def own_point(post: Post) -> tuple[float, float] | None:
    """Latitude and longitude of a post in degrees, or None if it has none or they say nothing.

    >>> own_point(Post(id="1", lat=0.0, lon=0.0)), own_point(Post(id="1", lat=0.0, lon=32.5))
    (None, (0.0, 32.5))

    Arguments:
        post: The post.
    """
    if post.lat is None or post.lon is None:
        return None
    if abs(post.lat) < _ZERO and abs(post.lon) < _ZERO:
        return None
    return post.lat, post.lon


def point_notes(post: Post, mentions: Sequence[PlaceMention]) -> tuple[str, ...]:
    """What a reader should know of a post's coordinates, one sentence each.

    Arguments:
        post: The post.
        mentions: The places that its text names.
    """
    if post.lat is None or post.lon is None:
        return ()
    if own_point(post) is None:
        return ("The post's coordinates are 0, 0, which is no place; they were left aside.",)
    cities = [m.place for m in mentions if m.place.kind in ("city", "county") and m.confidence >= _SURE]
    # a longitude beyond 90 would be no latitude, so these two cannot be exchanged
    if not cities or abs(post.lon) > 90:
        return ()
    given = min(_from_place(place, post.lat, post.lon) for place in cities)
    exchanged = min(_from_place(place, post.lon, post.lat) for place in cities)
    if given > _FAR_KM and exchanged < _NEAR_KM:
        return (
            "The post's latitude and longitude seem to be exchanged: the other way round they lie near a "
            "place that its text names.",
        )
    return ()


def distance_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance in kilometres.

    >>> round(distance_km(0.0, 0.0, 0.0, 180.0))
    20015

    Arguments:
        lat_a: Latitude of the one point in degrees.
        lon_a: Its longitude.
        lat_b: Latitude of the other.
        lon_b: Its longitude.
    """
    a, b = math.radians(lat_a), math.radians(lat_b)
    east = math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * east
    # rounding may leave a little more than 1 between antipodes, of which there is no arc sine
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


def _from_place(place: Place, lat: float, lon: float) -> float:
    if place.lat is None or place.lon is None:
        return math.inf
    return distance_km(place.lat, place.lon, lat, lon)
