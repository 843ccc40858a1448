"""Places in the report: the map's numbers, the outline's clipping, GeoJSON, tables, hostile names."""

import csv
import itertools
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_posts import crisis, meta, thumbnails
from page import Page

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.extraction import Entity
from crisislens.domain.place import GeoLocation, Place, PlaceMention
from crisislens.report.build import write_report
from crisislens.report.flat import columns_of, row_of
from crisislens.report.geography import Geography
from crisislens.report.geojson import feature, write_geojson
from crisislens.report.outline import clip_ring, outline
from crisislens.report.tables import write_csv, write_parquet
from crisislens.report.worldmap import draw_map, hot_frames

PONCE = Place(id="city:1", name="Ponce", kind="city", country="PR", lat=18.01, lon=-66.61, population=150_000)
HOSTILE = Place(
    id="city:2", name='<img src=x onerror="alert(1)">', kind="city", country="PR", lat=18.2, lon=-66.0
)
REGION = Place(id="country:PR", name="Puerto Rico", kind="country", country="PR", lat=18.3, lon=-66.3)
SURE = TaskAssessment(
    label="hospital", confidence=0.8, probabilities={"hospital": 0.8, "home": 0.2}, abstained=False
)
UNSURE = SURE.model_copy(update={"abstained": True, "reason": "No."})


def at(place: Place, base: Assessment, **more: object) -> Assessment:
    assert place.lat is not None
    assert place.lon is not None
    mention = PlaceMention(text=place.name, start=0, end=len(place.name), place=place, confidence=0.9)
    where = GeoLocation(lat=place.lat, lon=place.lon, source="text", place=place, confidence=0.9)
    return base.model_copy(update={"places": (mention,), "location": where, **more})


@pytest.fixture(scope="module")
def posts() -> list[Assessment]:
    found = crisis(12)[0]
    out = []
    for i, a in enumerate(found):
        own = GeoLocation(lat=18.0 + i / 1000, lon=-66.6, source="post", confidence=1.0)
        out.append(
            [
                at(PONCE, a, place_type=SURE),
                at(HOSTILE, a, place_type=UNSURE),
                at(REGION, a),
                a.model_copy(update={"location": own}),
            ][i % 4]
        )
    return out


def test_the_map_counts_every_placed_post_once(posts: list[Assessment]) -> None:
    geography = Geography()
    for a in posts:
        geography.add(a)
    drawn = draw_map(geography)
    assert drawn is not None
    detailed, world = drawn
    assert world is not None
    for one in drawn:
        assert one is not None
        points = sum(int(m.says.split(" post")[0]) for m in one.markers if not m.region)
        assert points == one.inside
        assert one.inside + one.outside == 9
        for m in one.markers:
            assert 0 <= m.x <= one.width
            assert 0 <= m.y <= one.height
    assert [m.text for m in world.markers if m.region] == ["3"]
    assert world.box is not None
    assert detailed.outside == 0
    assert geography.kinds == {"hospital": 3}
    assert (geography.judged, geography.unsure) == (6, 3)


def test_dense_points_are_joined_and_far_ones_are_not() -> None:
    geography, base = Geography(), crisis(1)[0][0]
    for i in range(50):
        geography.add(
            base.model_copy(
                update={"location": GeoLocation(lat=18 + i / 5000, lon=-66, source="post", confidence=1)}
            )
        )
    geography.add(
        base.model_copy(update={"location": GeoLocation(lat=18.5, lon=-66, source="post", confidence=1)})
    )
    geography.add(
        base.model_copy(update={"location": GeoLocation(lat=28, lon=84, source="post", confidence=1)})
    )
    drawn = draw_map(geography)
    assert drawn is not None
    detailed, world = drawn
    assert world is not None
    assert sum(int(m.text or 1) for m in detailed.markers) == detailed.inside
    assert len(detailed.markers) < 10
    assert sorted(int(m.text or 1) for m in world.markers) == [1, 51]


@pytest.mark.parametrize("lat", [78.22, 82.5, 88.0, -67.6, -77.85, -90.0])
def test_posts_near_a_pole_are_on_the_maps(lat: float) -> None:
    geography, base = Geography(), crisis(1)[0][0]
    for i in range(3):
        where = GeoLocation(lat=lat, lon=15.6 + i / 100, source="post", confidence=1)
        geography.add(base.model_copy(update={"location": where}))
    drawn = draw_map(geography)
    assert drawn is not None
    detailed, world = drawn
    assert world is not None
    assert (world.inside, world.outside) == (3, 0)
    assert all(0 <= marker.y <= world.height for marker in world.markers)
    # the other ends stay empty
    assert (world.frame[1] == -60, world.frame[3] == 80) == (lat > 0, lat < 78)
    west, south, east, north = detailed.home
    assert -85 <= south < north <= 85
    assert west <= 15.61 <= east
    if abs(lat) <= 85:
        assert south <= lat <= north
        assert detailed.inside == 3


def test_a_run_about_the_whole_world_has_one_map_of_all_of_it() -> None:
    geography, base = Geography(), crisis(1)[0][0]
    for lat, lon in ((78.2, 15.6), (-77.8, 166.7), (18.0, -66.0), (-33.9, 151.2)):
        where = GeoLocation(lat=lat, lon=lon, source="post", confidence=1)
        geography.add(base.model_copy(update={"location": where}))
    drawn = draw_map(geography)
    assert drawn is not None
    assert drawn[1] is None
    assert (drawn[0].inside, drawn[0].outside) == (4, 0)


def test_no_place_no_map() -> None:
    assert draw_map(Geography()) is None
    assert hot_frames(Geography()) == ()


SQUARE = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=3, max_size=8)


@settings(deadline=None)
@given(SQUARE)
def test_what_is_cut_lies_in_the_frame(ring: list[tuple[float, float]]) -> None:
    for x, y in clip_ring(ring, (-1.0, -1.0, 1.0, 1.0)):
        assert -1 - 1e-9 <= x <= 1 + 1e-9
        assert -1 - 1e-9 <= y <= 1 + 1e-9
    inside = [(x / 4, y / 4) for x, y in ring]
    assert clip_ring(inside, (-1.0, -1.0, 1.0, 1.0)) == inside


def area(ring: list[tuple[float, float]]) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))) / 2


def test_a_triangle_is_cut_to_the_area_that_is_left() -> None:
    # the triangle (0,0) (2,0) (0,2) without its corners beyond x = 1 and y = 1: 2 − 0.5 − 0.5
    assert area(clip_ring([(0, 0), (2, 0), (0, 2)], (0.0, 0.0, 1.0, 1.0))) == pytest.approx(1.0)


def test_the_outline_knows_puerto_rico_and_the_date_line() -> None:
    rings = outline((-68.0, 17.0, -65.0, 19.0))
    assert any(area(ring) > 0.5 for ring in rings)
    for ring in outline((-180.0, -60.0, 180.0, 80.0), step=0.5):
        jumps = [abs(a[0] - b[0]) for a, b in itertools.pairwise(ring)]
        assert max(jumps) < 60, "a line across the map"


def test_geojson_is_valid_and_streams_posts_with_a_point(posts: list[Assessment], tmp_path: Path) -> None:
    path = tmp_path / "posts.geojson"
    unplaced = posts[0].model_copy(update={"location": None})
    assert write_geojson([*posts, unplaced], path) == 12
    data = json.loads(path.read_text())
    assert data["type"] == "FeatureCollection"
    first = data["features"][0]
    assert first["geometry"] == {"type": "Point", "coordinates": [-66.61, 18.01]}
    assert first["properties"]["place"] == "Ponce"
    assert first["properties"]["place_type"] == "hospital"
    assert data["features"][1]["properties"]["place_type"] is None
    assert feature(unplaced) is None
    assert write_geojson([], path) == 0
    assert json.loads(path.read_text())["features"] == []
    assert [p.name for p in tmp_path.iterdir()] == ["posts.geojson"]


def test_times_are_utc_in_geojson_as_in_tables(posts: list[Assessment]) -> None:
    when = datetime(2023, 2, 6, 4, 17, 35, tzinfo=timezone(timedelta(hours=3)))
    one = posts[0].model_copy(update={"post": posts[0].post.model_copy(update={"created_at": when})})
    found = feature(one)
    assert found is not None
    told = found["properties"]
    assert isinstance(told, dict)
    assert told["created_at"] == "2023-02-06T01:17:35+00:00"
    assert told["created_at"] == row_of(one, columns_of(one))["created_at"].isoformat()


SEVERAL = {
    "all that hold": ((0.9, 0.1, 0.7), ("water", "tents"), False, ["water | tents", "water", 0.9]),
    # the strongest of labels that do not hold is no answer
    "none": ((0.3, 0.1, 0.2), (), False, [None, None, 0.3]),
    "not sure": ((0.9, 0.1, 0.7), (), True, [None, "water", 0.3]),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_of_several_labels_a_map_shows_those_that_hold(posts: list[Assessment], case: str) -> None:
    p, labels, abstained, expected = SEVERAL[case]
    answer = TaskAssessment(
        label="water",
        labels=labels,
        confidence=0.3,
        probabilities=dict(zip(("water", "food", "tents"), p, strict=True)),
        abstained=abstained,
        reason="x" if abstained else None,
    )
    post = posts[0].model_copy(update={"tasks": {"need": answer}})
    found = feature(post)
    assert found is not None
    told = found["properties"]
    assert isinstance(told, dict)
    assert [told[name] for name in ("need", "need_leaning", "need_confidence")] == expected
    row = row_of(post, columns_of(post))
    assert (row["need_label"], row["need_labels"]) == (expected[1], list(labels))


def test_tables_have_places_whatever_the_first_post_has(posts: list[Assessment], tmp_path: Path) -> None:
    rows = [posts[3].model_copy(update={"location": None}), *posts]
    write_csv(rows, tmp_path / "a.csv")
    write_parquet(rows, tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert table[0]["location_place"] == ""
    assert (table[1]["location_place"], table[1]["place_type_label"], table[1]["places"]) == (
        "Ponce",
        "hospital",
        "Ponce",
    )


def test_the_page_shows_places_and_no_name_becomes_code(posts: list[Assessment], tmp_path: Path) -> None:
    path = write_report(
        tmp_path / "r.html", assessments=posts, failed=[], clusters=[], thumbnails=thumbnails, meta=meta()
    )
    page = Page.at(path)
    assert "Ponce" in page.text
    assert "Hospital or clinic" in page.text
    assert HOSTILE.name in page.text
    assert not any(attributes.get("src") == "x" for _, attributes in page.tags)
    assert page.open_at_end == []
    links = {a["href"] for tag, a in page.tags if tag == "a" and a.get("href", "").startswith("#place=")}
    assert "#place=%22Ponce%2C+PR%22" in links


PARIS = Place(id="city:3", name="Paris", kind="city", country="FR", lat=48.9, lon=2.4, population=1)
BOWIE = Place(
    id="city:4", name="Bowie", kind="city", country="US", admin="MD", lat=39.0, lon=-76.8, population=1
)


def test_a_name_far_from_all_others_is_doubtful_and_not_drawn() -> None:
    geography, base = Geography(), crisis(1)[0][0]
    for _ in range(40):
        geography.add(at(PONCE, base))
    for _ in range(3):
        geography.add(at(PARIS, base))
    geography.add(at(BOWIE, base))
    geography.add(at(REGION, base))
    # three of 45 posts are more than a few, so Paris is far but not rare
    assert geography.doubtful() == {"Bowie, MD"}
    assert sorted(spot.count for spot in geography.drawn()) == [3, 40]
    assert geography.located == 45


def test_a_place_that_is_part_of_a_person_is_doubtful() -> None:
    base = crisis(1)[0][0]
    text = "Bowie died today"
    post = base.post.model_copy(update={"text": text})
    person = Entity(type="PER", text="Bowie", start=0, end=5, score=0.9)
    named = at(BOWIE, base.model_copy(update={"post": post, "entities": (person,)}))
    geography = Geography()
    for found in (named, at(BOWIE, base)):
        geography.add(found)
    assert geography.doubtful() == {"Bowie, MD (a person?)"}
    assert [spot.count for spot in geography.drawn()] == [1]


def test_few_posts_alone_doubt_nothing() -> None:
    geography, base = Geography(), crisis(1)[0][0]
    for place in (PONCE, PARIS):
        geography.add(at(place, base))
    assert geography.doubtful() == frozenset()
