"""What is drawn near the posts: coast, lakes, rivers, borders, states and cities of a real region."""

import base64
import json
import zlib
from typing import Any

import pytest

from crisislens.report.mapdata import map_data
from crisislens.report.outline import Frame
from crisislens.report.terrain import LAYERS, cities, terrain

GREAT_LAKES: Frame = (-84.0, 41.0, -76.0, 46.0)
NEPAL: Frame = (84.0, 26.5, 88.0, 29.0)
PUERTO_RICO: Frame = (-67.5, 17.8, -65.4, 18.6)


def unpacked(frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(map_data(frame, None))))
    return found


def test_every_layer_is_there_and_stays_near_the_frame() -> None:
    found = terrain(GREAT_LAKES, step=0.002, most_points=8_000)
    assert tuple(found) == LAYERS
    for layer in LAYERS:
        assert found[layer], layer
    west, south, east, north = GREAT_LAKES
    for x, y in (point for layer in ("land", "lakes") for ring in found[layer] for point in ring):
        assert west <= x <= east
        assert south <= y <= north
    # the coast of an island is a ring within the frame of the island
    [island, *_] = sorted(terrain(PUERTO_RICO, step=0.001, most_points=8_000)["land"], key=len)[::-1]
    assert len(island) > 40


@pytest.mark.parametrize("most", [150, 1_000])
def test_points_are_bounded_by_a_coarser_step(most: int) -> None:
    found = terrain(GREAT_LAKES, step=0.005, most_points=most)
    assert 0 < sum(len(line) for lines in found.values() for line in lines) <= most


@pytest.mark.parametrize("frame", [GREAT_LAKES, NEPAL, (-130.0, 20.0, -60.0, 50.0)])
@pytest.mark.parametrize("most", [40, 700])
def test_the_finest_step_that_keeps_the_bound_is_taken(frame: Frame, most: int) -> None:
    # a look that is ended early, as soon as there are too many points, must not end another one
    step = 0.05
    while True:
        everything = terrain(frame, step=step, most_points=1_000_000)
        if sum(len(line) for lines in everything.values() for line in lines) <= most:
            break
        step *= 2
    assert terrain(frame, step=0.05, most_points=most) == everything


def test_the_largest_cities_come_first_and_once() -> None:
    found = cities((NEPAL, (85.2, 27.6, 85.5, 27.8)), 5)
    names = [city.name for city in found]
    assert "Kathmandu" in names
    assert len(set(found)) == len(found)
    assert [city.inhabitants for city in found] == sorted((c.inhabitants for c in found), reverse=True)
    # smaller ones are there where the frame is small
    assert len(found) > 5
    assert cities(((-30.0, -50.0, -29.0, -49.0),), 5) == []
    # where it lies, not turned about
    [largest] = cities((NEPAL,), 1)
    assert (largest.name, round(largest.lon), round(largest.lat)) == ("Kathmandu", 85, 28)
    assert largest.inhabitants > 1_000_000


def test_the_map_holds_fine_lines_near_the_posts_and_coarse_ones_elsewhere() -> None:
    near = unpacked(PUERTO_RICO)
    assert {"San Juan", "Ponce", "Utuado"} <= {name for name, _, _ in near["cities"]}
    # the first two numbers of a line are its first point, in hundredths of a degree
    [patch] = near["patches"]
    assert all(-8_000 < line[0] < -5_000 for line in patch["fine"]["land"])
    assert len(near["coarse"]) > 100
    world = unpacked((-180.0, -60.0, 180.0, 80.0))
    assert world["patches"] == []
    assert world["cities"] == []


def test_a_map_of_half_the_world_is_fine_where_most_posts_are() -> None:
    packed = map_data((-120.0, -60.0, 120.0, 80.0), None, [PUERTO_RICO, NEPAL])
    found = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert [patch["near"] for patch in found["patches"]] == [list(PUERTO_RICO), list(NEPAL)]
    assert found["patches"][1]["fine"]["borders"]
    assert {"San Juan", "Kathmandu"} <= {name for name, _, _ in found["cities"]}
