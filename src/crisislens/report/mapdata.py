"""What the map of the page draws under the posts when it is moved: the outline of the world, coarse far away
and fine near the posts, and a base map of the region where one was given. JSON, compressed, base64.
"""

import base64
import json
import zlib
from collections.abc import Sequence

from crisislens.report.basemap import BaseMap
from crisislens.report.display import visible
from crisislens.report.outline import Frame, Point, outline

__all__ = ["map_data"]

# the fine outline reaches this many times the frame's width beyond it
_REACH = 2.0
_COARSE_DEGREES = 0.7
_WIDE_DEGREES = 60.0
# points nearer than this share of the frame's width fall on one pixel
_FINEST = 1 / 1500
_DECIMALS = 3
_BASE_DECIMALS = 5
_WORLD: Frame = (-180.0, -85.0, 180.0, 85.0)


def map_data(frame: Frame, base_map: BaseMap | None) -> str:
    """The data for the page's script.

    Arguments:
        frame: West, south, east and north of the map when it opens, in degrees.
        base_map: The region's own map, if any.
    """
    west, south, east, north = frame
    wide, high = (east - west) * _REACH, (north - south) * _REACH
    near = (max(west - wide, -180), max(south - high, -85), min(east + wide, 180), min(north + high, 85))
    # nothing is gained by a fine outline of the whole world, which would be the most of the file
    fine = outline(near, step=wide / _REACH * _FINEST) if east - west <= _WIDE_DEGREES else []
    whole = {
        "frame": [round(x, _BASE_DECIMALS) for x in frame],
        "near": [round(x, _BASE_DECIMALS) for x in near],
        "coarse": [_flat(ring, 1) for ring in outline(_WORLD, step=_COARSE_DEGREES)],
        "fine": [_flat(ring, _DECIMALS) for ring in fine],
        "base": _base(base_map),
    }
    packed = zlib.compress(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode("ascii")


def _flat(points: Sequence[Point], decimals: int) -> list[float]:
    """Longitudes and latitudes one after another, which is half of what pairs take."""
    flat: list[float] = []
    for lon, lat in points:
        flat += (round(lon, decimals), round(lat, decimals))
    return flat


def _base(base_map: BaseMap | None) -> list[list[object]]:
    if base_map is None:
        return []
    order = {"area": 0, "line": 1, "point": 2}
    shapes = sorted(base_map.shapes, key=lambda shape: order[shape.form])
    return [[s.form, s.kind, visible(s.name), _flat(s.points, _BASE_DECIMALS)] for s in shapes]
