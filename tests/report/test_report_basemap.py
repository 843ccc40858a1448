"""A base map from anybody: what is drawn, what is left out, what is refused."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import InputError
from crisislens.report.basemap import BaseMap, read_base_map
from crisislens.report.mapdata import map_data
from crisislens.report.shapes import Shape


def feature(form: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": form, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def written(folder: Path, *features: dict[str, Any]) -> Path:
    path = folder / "town.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}))
    return path


RING = [[0, 0], [1, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (feature("LineString", [[0, 0], [1, 1]], highway="path", name="Elm"), ("line", "road", "Elm")),
        (feature("Polygon", [RING, RING], natural="water"), ("area", "water", "")),
        (feature("MultiPolygon", [[RING]], building="yes"), ("area", "building", "")),
        (feature("MultiLineString", [[[0, 0], [1, 1]]], waterway="river"), ("line", "water", "")),
        (feature("Point", [1, 2], name=" Old Mill "), ("point", "other", "Old Mill")),
        (feature("Polygon", [RING], kind="park", name=7), ("area", "green", "")),
    ],
)  # fmt: skip
def test_lines_areas_and_named_points_are_taken(
    tmp_path: Path, given: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    [shape] = read_base_map(written(tmp_path, given)).shapes
    assert (shape.form, shape.kind, shape.name) == expected


def test_what_is_not_on_the_globe_is_left_out(tmp_path: Path) -> None:
    odd = [[0, 0], [999, 0], ["a", 1], [True, 0], [1], None, [2, 2]]
    unnamed = feature("Point", [1, 1])
    broken = {"type": "Feature", "geometry": None, "properties": None}
    path = written(tmp_path, feature("LineString", odd), unnamed, broken)
    [shape] = read_base_map(path).shapes
    assert shape.points == ((0.0, 0.0), (2.0, 2.0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no json", "is no GeoJSON"),
        ("[" * 100_000, "is no GeoJSON"),
        ("[1, 2]", "holds no line, area or named point"),
        ('{"type": "FeatureCollection", "features": []}', "holds no line, area or named point"),
        ('{"features": [1, "x", {"geometry": {"type": "Polygon", "coordinates": 5}}]}', "holds no line"),
    ],
)
def test_what_is_no_map_is_refused_in_one_sentence(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "x.geojson"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_base_map(path)


def test_too_many_points_and_no_file_are_refused(tmp_path: Path) -> None:
    long = feature("LineString", [[0, 0]] * 250_001)
    with pytest.raises(InputError, match="more than 250,000 points"):
        read_base_map(written(tmp_path, long))
    with pytest.raises(InputError, match="cannot be read"):
        read_base_map(tmp_path / "nowhere.geojson")


def test_the_page_gets_areas_below_lines_below_names() -> None:
    points = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    shapes = (
        Shape("point", "other", "Mill\u202e", points[:1]),
        Shape("line", "road", "", points),
        Shape("area", "water", "", points),
    )
    packed = map_data((0.0, 0.0, 1.0, 1.0), BaseMap("town", shapes))
    whole = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert [shape[0] for shape in whole["base"]] == ["area", "line", "point"]
    assert whole["base"][2] == ["point", "other", "Mill", [0.0, 0.0]]
    assert whole["frame"] == [0.0, 0.0, 1.0, 1.0]
    assert [patch["near"] for patch in whole["patches"]] == [[-2.0, -2.0, 3.0, 3.0]]
    assert len(whole["coarse"]) > 50
    assert len(packed) < 100_000


def test_a_frame_as_wide_as_the_world_has_no_fine_outline() -> None:
    whole = json.loads(zlib.decompress(base64.b64decode(map_data((-180.0, -60.0, 180.0, 80.0), None))))
    assert whole["patches"] == []
    assert whole["base"] == []
