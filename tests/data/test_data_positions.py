"""Coordinates: in two columns or in one, with letters for hemispheres, and never turned or taken on trust."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.positions import position_of
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post

PONCE = (18.2, -66.5)


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        (18.2, -66.5),
        ("18.2", "-66,5"),
        ("18.2N", "66.5W"),
        ("N 18.2", "W66.5"),
        ("18.2° n", "66.5° w"),
        ("18°12'N", "66°30'W"),
        ("18° 12′ 0″ N", "66° 30′ 0″ W"),
        # as Spanish, French and Italian write west
        ("18.2 N", "66.5 O"),
    ],
)
def test_two_columns(lat: object, lon: object) -> None:
    found = position_of(lat, lon)
    assert (found.lat, found.lon) == pytest.approx(PONCE)
    assert found.remark is None


@pytest.mark.parametrize(
    "cell",
    [
        "18.2, -66.5",
        "18.2,-66.5",
        "(18.2; -66.5)",
        "[18.2, -66.5]",
        "18.2 -66.5 0 0",
        # as people write decimals where a comma is their point
        "18,2 -66,5",
        "18,2; -66,5",
        "(18,2, -66,5)",
        "18,20 -66,50 12,5 4",
        '{"type": "Point", "coordinates": [-66.5, 18.2]}',
        "18.2N, 66.5W",
        "18°12'N 66°30'W",
        [18.2, -66.5],
        ["18.2", "-66.5", 12],
        {"type": "Point", "coordinates": [-66.5, 18.2]},
        {"type": "Point", "coordinates": ["-66.5", "18.2", 3]},
        "POINT(-66.5 18.2)",
        "Point Z (-66.5 18.2 4)",
    ],
)
def test_one_column(cell: object) -> None:
    found = position_of(cell, cell, one_cell=True)
    assert (found.lat, found.lon) == pytest.approx(PONCE)


@pytest.mark.parametrize(
    "cell",
    [None, "", "Ponce, PR", "Route 66", "18.2", 18.2, [], [1], {}, {"type": "Polygon", "coordinates": [1, 2]},
     {"type": "Point"}, "1, 2, 3, 4, 5", "12/5", "x" * 5_000, "[" * 400, True, "12, 14 Hill Road",
     "5 10 Main Street", "18 12 30 N", "3,5 km away", "12.5, 14.5 Hill Road", "{Ponce}", "{}"],
)  # fmt: skip
def test_words_in_a_column_of_places_are_no_degrees(cell: object) -> None:
    found = position_of(cell, cell, one_cell=True)
    assert (found.lat, found.lon, found.remark) == (None, None, None)


@pytest.mark.parametrize(
    ("lat", "lon", "said"),
    [
        (0, 0, "0 and 0"),
        ("0.0", "0", "0 and 0"),
        (-66.5, 118.2, None),
        (118.2, -66.5, "seem to be swapped"),
        (91, 181, "none on Earth; they"),
        ("18.2W", "66.5N", "cannot be read"),
        ("north", "west", "cannot be read"),
        (10**400, 3, "cannot be read"),
        (18.2, None, None),
        ("", "", None),
    ],
)
def test_what_is_left_out_is_told(lat: object, lon: object, said: str | None) -> None:
    found = position_of(lat, lon)
    assert (found.remark is None) == (said is None)
    assert said is None or said in str(found.remark)
    assert said is None or found.lat is None


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        # a house, a day and a month, one number with a comma
        ("12, 14", "two whole numbers"),
        ("10 20", "two whole numbers"),
        ("1,5", "two whole numbers"),
        ("48,137 11.575", "two whole numbers"),
        ("0, 0", "0 and 0"),
        ("48°8'N 11°34'O", "west or east"),
        ("48,13 N; 11,57 O", "west or east"),
    ],
)
def test_what_one_column_leaves_open_is_told(cell: str, said: str) -> None:
    found = position_of(cell, cell, one_cell=True)
    assert (found.lat, found.lon) == (None, None)
    assert said in str(found.remark)


@pytest.mark.parametrize(
    ("cell", "there"),
    [
        ("18, -66", True),
        ("[18,-66]", True),
        ("18; -66", True),
        # one number with a comma, a house and a street
        ("18,66", False),
        ("18 66", False),
        ("18, 66 Hill Road", False),
    ],
)
def test_whole_degrees_are_read_where_the_column_is_one_of_coordinates(
    tmp_path: Path, cell: str, there: bool
) -> None:
    rows = [{"id": name, "text": "flood", name: cell} for name in ("gps", "location")]
    places = []
    for row in rows:
        path = tmp_path / "posts.jsonl"
        path.write_text(json.dumps(row) + "\n", "utf-8")
        places += [post.lat for post in read_posts(path) if isinstance(post, Post)]
    assert places == [18 if there else None, None]


def test_a_point_in_the_seconds_tells_the_o_too() -> None:
    found = position_of("18°12'0.0\" N", "66°30'0.0\" O")
    assert (found.lat, found.lon) == pytest.approx(PONCE)


def test_an_o_of_german_or_spanish_is_not_guessed() -> None:
    found = position_of("48,13 N", "11,57 O")
    assert (found.lat, found.lon) == (None, None)
    assert "west or east" in str(found.remark)


@given(st.floats(-89, 89), st.floats(-179, 179))
@settings(max_examples=50, deadline=None)
def test_what_is_written_is_read(lat: float, lon: float) -> None:
    if abs(lat) < 0.01 or abs(lon) < 0.01:
        return
    found = position_of(f"{lat:.4f}, {lon:.4f}", f"{lat:.4f}, {lon:.4f}", one_cell=True)
    assert (found.lat, found.lon) == pytest.approx((lat, lon), abs=1e-4)


@pytest.mark.parametrize("name", ["location", "coordinates", "Lat_Lon", "_geolocation", "GPS", "geometry"])
def test_a_column_with_both_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_text(f'id,text,{name}\n1,flood,"18.2, -66.5"\n2,fire,"Ponce, PR"\n3,storm,"0, 0"\n', "utf-8")
    source = read_posts(path)
    rows = [row for row in source if isinstance(row, Post)]
    assert [(row.lat, row.lon) for row in rows] == [PONCE, (None, None), (None, None)]
    assert [len(row.remarks) for row in rows] == [0, 0, 1]


def test_points_of_platforms(tmp_path: Path) -> None:
    point = {"type": "Point", "coordinates": [-66.5, 18.2]}
    rows = [
        {"id": "1", "text": "flood", "coordinates": point},
        {"id": "2", "text": "flood", "geo": {"coordinates": point}},
        # the older answers of X have it the other way round beside the right one
        {"id": "3", "text": "flood", "geo": {"type": "Point", "coordinates": [18.2, -66.5]}},
        {"id": "4", "text": "flood", "coordinates": None, "location": "Ponce"},
    ]
    path = tmp_path / "posts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = [(row.lat, row.lon) for row in read_posts(path) if isinstance(row, Post)]
    assert found == [PONCE, PONCE, PONCE, (None, None)]
