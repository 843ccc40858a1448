"""The map: a base map that ships and is read by ranges, points without words, a town that is made up."""

import dataclasses
from pathlib import Path

import pytest
from serve_site import Site, open_site
from typer.testing import CliRunner

from crisislens.cli.main import app
from crisislens.core.errors import InputError
from crisislens.serve.pages.render import BASE_MAP, STATIC
from crisislens.serve.service import ServeSettings
from store_posts import PONCE, new
from store_posts import fill as fill_store

STATIC_FOLDER = Path(__file__).resolve().parents[2] / "src" / "crisislens" / "serve" / "static"
MAP_FILES = (BASE_MAP, "map.mjs", "maplibre-gl.mjs", "maplibre-gl-worker.mjs", "pmtiles.js")


def test_the_map_fits_into_the_package() -> None:
    assert sum((STATIC_FOLDER / name).stat().st_size for name in MAP_FILES) <= 6_000_000
    told = (STATIC_FOLDER / "VENDORED.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in told for name in MAP_FILES if name != "map.mjs")
    # what others wrote names no file that is not here, so a browser asks for nothing else
    for name in MAP_FILES[1:]:
        assert "sourceMappingURL" not in (STATIC_FOLDER / name).read_text(encoding="utf-8")
        assert name in STATIC


def test_the_base_map_is_read_by_ranges(site: Site) -> None:
    viewer = site.key("viewer")
    assert site.client.get("/map/base.pmtiles").status_code == 401
    part = site.client.get("/map/base.pmtiles", headers={**viewer, "Range": "bytes=0-126"})
    assert part.status_code == 206
    assert len(part.content) == 127
    # version 3, vector tiles, not deeper than 6
    assert part.content[:8] == b"PMTiles\x03"
    assert (part.content[99], part.content[101]) == (1, 6)
    size = (STATIC_FOLDER / BASE_MAP).stat().st_size
    assert part.headers["content-range"] == f"bytes 0-126/{size}"
    beyond = site.client.get("/map/base.pmtiles", headers={**viewer, "Range": f"bytes={size}-"})
    assert beyond.status_code == 416


def test_points_have_places_and_no_words(fresh: Site) -> None:
    ids = fill_store(fresh.store, new(1, "secret words", author="bob"), new(2, "no place"), place=PONCE)
    found = fresh.client.get("/map/points.json?hours=8784", headers=fresh.key("viewer")).json()
    assert found["type"] == "FeatureCollection"
    assert {feature["properties"]["id"] for feature in found["features"]} == set(ids)
    assert found["features"][0]["geometry"]["coordinates"] == [PONCE.lon, PONCE.lat]
    assert found["features"][0]["properties"].keys() == {"id", "urgency", "region"}
    page = fresh.client.get("/map?hours=8784", headers=fresh.person("ann").headers).text
    assert "secret words" not in page
    # the same places as a list, with what is gravest, for keyboard and screen reader
    assert "Ponce" in page
    assert "Severe damage 2" in page
    assert 'data-bounds="-66.6100,18.0100,-66.6100,18.0100"' in page
    assert "data-town" not in page
    assert fresh.client.get("/map/town.geojson", headers=fresh.key("viewer")).status_code == 404


def test_calls_that_two_questions_find_are_one_number_on_the_map(fresh: Site) -> None:
    call = {"category": "requests_or_urgent_needs", "damage": "little_or_no_damage"}
    fill_store(fresh.store, new(1), new(2), place=PONCE, needs=["request"], **call)
    fill_store(fresh.store, new(3), place=PONCE, needs=["request"], damage="little_or_no_damage")
    # at a point that has no name
    fill_store(fresh.store, new(4, lat=1.0, lon=2.0), needs=["request"], **call)
    page = fresh.client.get("/map?hours=8784", headers=fresh.person("ann").headers).text
    named, point = (row for row in page.split("<tr>") if "<bdi>Ponce" in row or "<bdi>1.00, 2.00" in row)
    assert "<td>Calls for help 3</td>" in named
    assert "<td>Calls for help 1</td>" in point


def test_another_base_map_and_the_town_of_the_demo(tmp_path: Path) -> None:
    tiles = tmp_path / "mine.pmtiles"
    tiles.write_bytes(b"PMTiles\x03 and the rest")
    settings = dataclasses.replace(ServeSettings(host="testserver"), demo=True, base_map=tiles)
    with open_site(tmp_path, settings) as site:
        assert site.client.get("/map/base.pmtiles", headers=site.key("viewer")).content == tiles.read_bytes()
        town = site.client.get("/map/town.geojson", headers=site.key("viewer")).json()
        assert {feature["properties"]["kind"] for feature in town["features"]} >= {"district", "road"}


@pytest.mark.parametrize("content", [None, b"", b"PMTiles\x02", b"<html>"])
def test_a_base_map_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.pmtiles"
    if content is not None:
        file.write_bytes(content)
    store = str(tmp_path / "s.db")
    done = CliRunner().invoke(app, ["serve", "--basemap", str(file), "--db", store])
    assert isinstance(done.exception, InputError)
    assert "--basemap" in str(done.exception)
    assert not Path(store).exists()
