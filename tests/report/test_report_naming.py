"""The nearest named point of a base map: found among those near, as it would be among all."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.domain.place import GeoLocation
from crisislens.report.naming import Naming, distance_km
from crisislens.report.outline import Point

KM = 1 / 111.19
"""About a kilometer, in degrees of latitude."""
# the ends of the map, and where nothing is special
CORNERS = (
    (0.0, 0.0),
    (180.0, 10.0),
    (-180.0, -10.0),
    (44.9, -21.3),
    (15.6, 78.2),
    (30.0, 89.995),
    (0.0, -90.0),
)


def name_of(naming: Naming, here: Point) -> str:
    return naming.name(GeoLocation(lat=here[1], lon=here[0], source="post", confidence=1.0))


def by_all(naming: Naming, here: Point) -> str:
    """The same by comparing with every point."""
    far, name = min((distance_km(here, point), name) for name, point in naming.points)
    return f"near {name}" if far <= 1.0 else ""


def beside(corner: Point, east_km: float, north_km: float) -> Point:
    """A point some kilometers away, on the globe."""
    lat = max(-90.0, min(90.0, corner[1] + north_km * KM))
    lon = corner[0] + east_km * KM / max(0.001, math.cos(math.radians(lat)))
    return (lon + 180) % 360 - 180, lat


STEP = st.floats(-2.5, 2.5)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CORNERS), st.lists(st.tuples(STEP, STEP), min_size=1, max_size=12), STEP, STEP)
def test_the_same_point_is_found_as_among_all(
    corner: Point, steps: list[tuple[float, float]], east_km: float, north_km: float
) -> None:
    naming = Naming(tuple((f"n{i % 5}", beside(corner, *step)) for i, step in enumerate(steps)))
    here = beside(corner, east_km, north_km)
    assert name_of(naming, here) == by_all(naming, here)


@pytest.mark.parametrize("away", [0.9999, 1.0001])
@pytest.mark.parametrize("corner", CORNERS[:5])
def test_a_kilometer_is_the_last_that_is_near(corner: Point, away: float) -> None:
    point = (corner[0], corner[1] + math.degrees(away / 6371))
    assert name_of(Naming((("Mill", point),)), corner) == ("near Mill" if away < 1 else "")


def test_a_large_map_costs_no_more_than_a_small_one() -> None:
    points = tuple((str(i), (i % 500 / 10, i // 500 / 10)) for i in range(100_000))
    naming = Naming(points)
    name_of(naming, points[0][1])
    began = time.process_time()
    assert [name_of(naming, point) for _, point in points[:2_000]] == [f"near {n}" for n, _ in points[:2_000]]
    # compared with all, these take minutes
    assert time.process_time() - began < 5
