"""Vector tiles and PMTiles: what is drawn of them, which tiles are read, what is refused."""

import contextlib
import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_tile import TILE
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

from crisislens.core.errors import DataError, InputError
from crisislens.report.basemap import read_base_map
from crisislens.report.tilemap import TileMap
from crisislens.report.vector_tile import read_tile

HEADER = {
    "tile_type": TileType.MVT,
    "tile_compression": Compression.GZIP,
    "min_lon_e7": -1_800_000_000,
    "min_lat_e7": -850_000_000,
    "max_lon_e7": 1_800_000_000,
    "max_lat_e7": 850_000_000,
    "center_zoom": 0,
    "center_lon_e7": 0,
    "center_lat_e7": 0,
}


def written(folder: Path, tiles: dict[tuple[int, int, int], bytes], **header: object) -> Path:
    path = folder / "town.pmtiles"
    with path.open("wb") as stream:
        writer = Writer(stream)
        for zxy, tile in sorted(tiles.items(), key=lambda item: zxy_to_tileid(*item[0])):
            writer.write_tile(zxy_to_tileid(*zxy), tile)
        writer.finalize({**HEADER, **header}, {})
    return path


def test_a_tile_of_another_library_is_read() -> None:
    found = list(read_tile(TILE))
    assert [(f.layer, f.form, f.words) for f in found] == [
        ("water", "area", {"kind": "lake", "name": "Mill Pond"}),
        ("roads", "line", {"kind": "major_road", "name": "Quay Road"}),
        ("earth", "area", {"kind": "earth"}),
        ("places", "point", {"kind": "locality", "name": "Kestrel Hill"}),
        ("addresses", "point", {"name": "7"}),
    ]
    water, roads, _, place, _ = found
    assert sorted(water.parts[0]) == [(0, 0), (0, 0.25), (0.5, 0), (0.5, 0.25)]
    assert roads.parts[0] == ((0, 1), (1, 0))
    assert len(roads.parts[1]) == 3
    assert place.parts == (((0.5, 0.5),),)


def test_the_ring_of_a_hole_is_left_out() -> None:
    # the lake's ring, then the same the other way round: steps as the specification's zigzag numbers
    outer = [9, 0, 0, 26, 20, 0, 0, 20, 19, 0, 15]
    hole = [9, 0, 0, 26, 0, 20, 20, 0, 0, 19, 15]
    feature = bytes([0x18, 3, 0x22, len(outer + hole), *outer, *hole])
    layer = bytes([0x12, len(feature), *feature, 0x28, 64])
    [found] = read_tile(bytes([0x1A, len(layer), *layer]))
    assert len(found.parts) == 1


@pytest.mark.parametrize(
    "damaged",
    [
        TILE[:-3],
        b"\x1a\xff\xff\xff\xff\x0f",
        b"\x1a" + b"\xff" * 12,
        # a feature that names a property which its layer does not have, and one whose drawing is cut off
        bytes([0x1A, 6, 0x12, 4, 0x12, 2, 9, 9]),
        bytes([0x1A, 5, 0x12, 3, 0x22, 1, 250]),
        b"\x0b",
        bytes([0x1A, 2, 0x28, 0]),
    ],
)
def test_a_damaged_tile_is_refused(damaged: bytes) -> None:
    with pytest.raises(DataError, match="a vector tile is damaged"):
        list(read_tile(damaged))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TILE) - 1), st.integers(0, 255))
def test_whatever_byte_is_wrong_nothing_else_is_raised(at: int, byte: int) -> None:
    broken = bytearray(TILE)
    broken[at] = byte
    with contextlib.suppress(DataError):
        list(read_tile(bytes(broken)))


def test_roads_water_and_places_are_drawn_where_they_are(tmp_path: Path) -> None:
    found = read_base_map(written(tmp_path, {(0, 0, 0): gzip.compress(TILE)})).shapes_in((-10, -10, 10, 10))
    assert [(s.form, s.kind, s.name) for s in found] == [
        ("area", "water", "Mill Pond"),
        ("line", "road", "Quay Road"),
        ("line", "road", "Quay Road"),
        ("point", "other", "Kestrel Hill"),
    ]
    # from the north-west corner of the world to the south-east one, and its middle
    assert found[1].points[0] == pytest.approx((-180, -85.0511), abs=0.001)
    assert found[1].points[-1] == pytest.approx((180, 85.0511), abs=0.001)
    assert found[3].points == ((0.0, pytest.approx(0.0)),)


def test_the_closest_tiles_under_the_frame_are_read_and_no_others(tmp_path: Path) -> None:
    near, far = (5, 17, 15), (5, 1, 1)
    tiles = {(0, 0, 0): TILE, near: TILE, far: b"not a tile"}
    source = TileMap(written(tmp_path, tiles, tile_compression=Compression.NONE))
    town = source.shapes_in((12, 6, 13, 7))
    assert all(11.2 < lon < 22.6 for shape in town for lon, _ in shape.points)
    # the whole world at zoom 5 is a thousand tiles
    assert source.shapes_in((-180, -85, 180, 85))[-1].points[0] == pytest.approx((0, 0), abs=0.001)
    # where the file has no tile, a coarser one stands for it
    assert source.shapes_in((100, 6, 101, 7)) == source.shapes_in((-180, -85, 180, 85))
    with pytest.raises(InputError, match=r"town\.pmtiles is damaged"):
        source.shapes_in((-164, 83.5, -163, 83.8))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"tile_type": TileType.PNG}, "tiles of type PNG; expected vector tiles"),
        ({"tile_compression": Compression.ZSTD}, "compressed with ZSTD; expected gzip"),
    ],
)
def test_other_tiles_are_refused(tmp_path: Path, header: dict[str, object], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_base_map(written(tmp_path, {(0, 0, 0): b"x"}, **header))


def test_no_pmtiles_and_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "town.pmtiles"
    with pytest.raises(InputError, match="cannot be read"):
        read_base_map(path)
    path.write_bytes(b'{"type": "FeatureCollection"}')
    with pytest.raises(InputError, match="is no PMTiles"):
        read_base_map(path)
    bomb = gzip.compress(bytes(9_000_000))
    with pytest.raises(InputError, match="larger than 8 MB"):
        read_base_map(written(tmp_path, {(0, 0, 0): bomb})).shapes_in((-10, -10, 10, 10))
