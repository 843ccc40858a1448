"""What the map of the page draws under the posts when it is moved: the outline of the world far away; near
the posts coast, lakes, rivers, borders, states and cities; and a base map of the region where one was given.
JSON, compressed, base64.
"""

import base64
import json
import zlib
from collections.abc import Sequence

from crisislens.report.basemap import MapSource
from crisislens.report.display import visible
from crisislens.report.outline import Frame, Point, outline
from crisislens.report.terrain import cities, terrain

__all__ = ["map_data"]

# the fine outline reaches this many times the frame's width beyond it
_REACH = 2.0
_BASE_REACH = 0.25
_COARSE_DEGREES = 0.8
_WIDE_DEGREES = 60.0
# points nearer than this share of the frame's width fall on one pixel
_FINEST = 1 / 1500
# units of a degree; a tenth is a pixel where the coarse outline is drawn
_COARSE_UNITS, _FINE_UNITS = 10, 100
_DECIMALS = 3
# what is near takes about 40 kB of the file at most
_MOST_POINTS = 8_000
_MOST_CITIES = 120
_BASE_DECIMALS = 5
_WORLD: Frame = (-180.0, -85.0, 180.0, 85.0)


def map_data(
    frame: Frame, base_map: MapSource | None, hot: Sequence[Frame] = (), home: Frame | None = None
) -> str:
    """The data for the page's script.

    Arguments:
        frame: West, south, east and north of the map on paper, in degrees.
        base_map: The region's own map, if any.
        hot: Where somebody will look closer; fine lines are given for these where the frame is too wide.
        home: What the map shows when it opens; None takes the frame.
    """
    west, south, east, north = frame
    if east - west <= _WIDE_DEGREES:
        wide, high = (east - west) * _REACH, (north - south) * _REACH
        near = (max(west - wide, -180), max(south - high, -85), min(east + wide, 180), min(north + high, 85))
        patches = [_patch(near, (east - west) * _FINEST, _MOST_POINTS)]
        named: tuple[Frame, ...] = (near, frame)
    else:
        # nothing is gained by fine lines of the whole world, which would be the most of the file
        patches = [_patch(spot, (spot[2] - spot[0]) * _FINEST, _MOST_POINTS // len(hot)) for spot in hot]
        named = tuple(hot)
    whole = {
        "frame": [round(x, _BASE_DECIMALS) for x in home or frame],
        "units": [_COARSE_UNITS, _FINE_UNITS],
        "coarse": [_steps(ring, _COARSE_UNITS) for ring in outline(_WORLD, step=_COARSE_DEGREES)],
        "patches": patches,
        "cities": _cities(named),
        "base": _base(frame, base_map),
    }
    packed = zlib.compress(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode("ascii")


def _patch(near: Frame, step: float, most_points: int) -> dict[str, object]:
    """The fine lines of a part of the world: `near` is where they are to be drawn."""
    fine = terrain(near, step=step, most_points=most_points)
    lines = {name: [_steps(line, _FINE_UNITS) for line in found] for name, found in fine.items()}
    return {"near": [round(x, _BASE_DECIMALS) for x in near], "fine": lines}


def _cities(frames: Sequence[Frame]) -> list[list[object]]:
    """The largest around, and of the places that the map opens with the smaller ones too."""
    found = cities(frames, _MOST_CITIES) if frames else []
    return [[visible(c.name), round(c.lon, _DECIMALS), round(c.lat, _DECIMALS)] for c in found]


def _steps(points: Sequence[Point], units: int) -> list[int]:
    """The first point and the steps to the others in whole units, which is half of what coordinates take."""
    steps: list[int] = []
    last = (0, 0)
    for lon, lat in points:
        here = (round(lon * units), round(lat * units))
        steps += (here[0] - last[0], here[1] - last[1])
        last = here
    return steps


def _flat(points: Sequence[Point], decimals: int) -> list[float]:
    """Longitudes and latitudes one after another, which is half of what pairs take."""
    flat: list[float] = []
    for lon, lat in points:
        flat += (round(lon, decimals), round(lat, decimals))
    return flat


def _base(frame: Frame, base_map: MapSource | None) -> list[list[object]]:
    if base_map is None:
        return []
    order = {"area": 0, "line": 1, "point": 2}
    west, south, east, north = frame
    wide, high = (east - west) * _BASE_REACH, (north - south) * _BASE_REACH
    # a little beyond, so that the first drag does not end in nothing
    around = (west - wide, south - high, east + wide, north + high)
    shapes = sorted(base_map.shapes_in(around), key=lambda shape: order[shape.form])
    return [[s.form, s.kind, visible(s.name), _flat(s.points, _BASE_DECIMALS)] for s in shapes]
