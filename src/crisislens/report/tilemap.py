"""A base map of a region as PMTiles (https://github.com/protomaps/PMTiles): one file of vector tiles, such as
an extract of OpenStreetMap by Protomaps. Only the tiles under the map that the report opens with are read.

The extra `maps` brings the reader of the file's directory.
"""

import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from crisislens.core.errors import DataError, InputError
from crisislens.core.optional import require
from crisislens.report.outline import Frame
from crisislens.report.shapes import Shape, shape_of
from crisislens.report.vector_tile import TileFeature, read_tile

__all__ = ["TileMap"]

_MOST_TILES = 40
_MOST_POINTS = 40_000
_MOST_TILE_BYTES = 8_000_000
_MOST_READ_BYTES = 16_000_000
_MOST_LATITUDE = 85.0511
# layers that are the ground itself, which the report draws from elsewhere
_GROUND = frozenset({"earth", "land", "landcover", "ocean_labels"})
# layers whose points are worth a name
_NAMED = frozenset({"place", "places", "cities", "towns", "poi", "pois"})


class TileMap:
    """A file of vector tiles.

    Arguments:
        path: The file.

    Raises:
        InputError: If it cannot be read, is no PMTiles of version 3, or holds pictures.
        MissingExtraError: If the extra `maps` is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        reader = require("pmtiles.reader", extra="maps")
        try:
            with path.open("rb") as stream:
                header = reader.Reader(_source(stream)).header()
        except OSError as error:
            raise InputError(f"--basemap {path} cannot be read: {error.strerror or error}") from error
        except Exception as error:
            raise InputError(f"--basemap {path} is no PMTiles of version 3") from error
        if header["tile_type"].name != "MVT":
            kind = header["tile_type"].name
            raise InputError(f"--basemap {path} holds tiles of type {kind}; expected vector tiles (MVT)")
        if header["tile_compression"].name not in ("NONE", "GZIP"):
            kind = header["tile_compression"].name
            raise InputError(f"--basemap {path} is compressed with {kind}; expected gzip or none")
        self._header: Mapping[str, Any] = header
        self._reader = reader

    def shapes_in(self, frame: Frame) -> tuple[Shape, ...]:
        """What lies under a frame, at the closest zoom of which it takes 40 tiles at most.

        Arguments:
            frame: West, south, east and north in degrees.

        Raises:
            InputError: If a tile is damaged.
        """
        zooms = range(self._header["max_zoom"], self._header["min_zoom"] - 1, -1)
        fitting = [zoom for zoom in zooms if len(_tiles(frame, zoom)) <= _MOST_TILES]
        shapes: tuple[Shape, ...] = ()
        for zoom in fitting:
            shapes = tuple(self._shapes(frame, zoom))
            # a zoom may be missing from the file
            if 0 < sum(len(shape.points) for shape in shapes) <= _MOST_POINTS:
                break
        return shapes

    def _shapes(self, frame: Frame, zoom: int) -> Iterator[Shape]:
        try:
            with self.path.open("rb") as stream:
                reader = self._reader.Reader(_source(stream))
                for x, y in _tiles(frame, zoom):
                    packed = reader.get(zoom, x, y)
                    if packed:
                        yield from _drawn(self._unpacked(bytes(packed)), zoom, x, y)
        # the library raises whatever its parser stumbles over
        except Exception as error:
            raise InputError(f"--basemap {self.path} is damaged: {error}") from error

    def _unpacked(self, packed: bytes) -> bytes:
        if self._header["tile_compression"].name == "NONE":
            return packed
        unpacker = zlib.decompressobj(wbits=31)
        tile = unpacker.decompress(packed, _MOST_TILE_BYTES)
        if unpacker.unconsumed_tail:
            raise DataError(f"a tile is larger than {_MOST_TILE_BYTES / 1e6:.0f} MB")
        return tile


def _source(stream: BinaryIO) -> Any:
    """What the library reads by; it asks for as many bytes as the file says."""

    def get_bytes(offset: int, length: int) -> bytes:
        if length > _MOST_READ_BYTES:
            raise DataError(f"a part is larger than {_MOST_READ_BYTES / 1e6:.0f} MB")
        stream.seek(offset)
        return stream.read(length)

    return get_bytes


def _tiles(frame: Frame, zoom: int) -> list[tuple[int, int]]:
    """The tiles under a frame: x from west, y from north, in Web Mercator."""
    west, south, east, north = frame
    (left, top), (right, bottom) = _tile_at(west, north, zoom), _tile_at(east, south, zoom)
    # at most a few more than are allowed, whatever the zoom
    if (right - left + 1) * (bottom - top + 1) > _MOST_TILES:
        return [(0, 0)] * (_MOST_TILES + 1)
    return [(x, y) for y in range(top, bottom + 1) for x in range(left, right + 1)]


def _tile_at(lon: float, lat: float, zoom: int) -> tuple[int, int]:
    count = 1 << zoom
    phi = math.radians(max(-_MOST_LATITUDE, min(_MOST_LATITUDE, lat)))
    x = (lon + 180) / 360 * count
    y = (1 - math.asinh(math.tan(phi)) / math.pi) / 2 * count
    return max(0, min(count - 1, int(x))), max(0, min(count - 1, int(y)))


def _drawn(tile: bytes, zoom: int, x: int, y: int) -> Iterator[Shape]:
    for feature in read_tile(tile):
        if feature.layer in _GROUND or (feature.form == "point" and feature.layer not in _NAMED):
            continue
        yield from _placed(feature, zoom, x, y)


def _placed(feature: TileFeature, zoom: int, x: int, y: int) -> Iterator[Shape]:
    for part in feature.parts:
        points = [_degrees(x + px, y + py, zoom) for px, py in part]
        # the layer's name says what a thing is where its own words do not
        shape = shape_of(feature.form, {"layer": feature.layer, **feature.words}, points)
        if shape is not None:
            yield shape


def _degrees(x: float, y: float, zoom: int) -> tuple[float, float]:
    count = 1 << zoom
    lat = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y / count))))
    return x / count * 360 - 180, lat
