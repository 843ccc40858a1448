"""The outline of the world's countries, cut to a map's frame: Natural Earth 1:50m (public domain), see
`assets/world/README.md`.

A ring is cut at a frame by Sutherland and Hodgman's algorithm (1974): for each side of the frame the points
inside are kept and the crossings added. That is exact for a convex frame and any ring.
"""

import gzip
import json
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float

from crisislens.core.assets import asset

__all__ = ["Frame", "Point", "clip_ring", "outline"]

Point = tuple[float, float]
"""Longitude and latitude in degrees."""
Frame = tuple[float, float, float, float]
"""West, south, east and north in degrees."""
_UNITS = 20


@lru_cache(maxsize=1)
def _rings() -> tuple[tuple[tuple[Point, ...], Frame], ...]:
    packed = asset("world", "outline.json.gz").read_bytes()
    found = []
    # a ring is stored as the steps from point to point in whole units, which keeps the file small
    for flat in json.loads(gzip.decompress(packed)):
        x = y = 0
        points = []
        for dx, dy in zip(flat[::2], flat[1::2], strict=True):
            x, y = x + dx, y + dy
            points.append((x / _UNITS, y / _UNITS))
        lons, lats = [p[0] for p in points], [p[1] for p in points]
        found.append((tuple(points), (min(lons), min(lats), max(lons), max(lats))))
    return tuple(found)


def outline(frame: Frame, *, step: float = 0.0) -> list[list[Point]]:
    """The rings of countries inside a frame.

    Arguments:
        frame: What is to be seen.
        step: Points nearer than this to the last one are left out, and rings smaller than twice it, in
            degrees; 0 keeps all.
    """
    west, south, east, north = frame
    found = []
    for points, (w, s, e, n) in _rings():
        if e < west or w > east or n < south or s > north or max(e - w, n - s) < 2 * step:
            continue
        kept = _thin(points, step)
        if not (west <= w and e <= east and south <= s and n <= north):
            kept = clip_ring(kept, frame)
        # less than a triangle is no land
        if len(kept) > 2:
            found.append(kept)
    return found


def _thin(points: Sequence[Point], step: float) -> list[Point]:
    kept: list[Point] = []
    for p in points:
        if not kept or abs(p[0] - kept[-1][0]) + abs(p[1] - kept[-1][1]) >= step:
            kept.append(p)
    return kept


def clip_ring(points: Sequence[Point], frame: Frame) -> list[Point]:
    """A ring cut to a frame; empty where it lies outside.

    >>> clip_ring([(-1, -1), (1, -1), (1, 1), (-1, 1)], (0, 0, 2, 2))
    [(1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.0, 0.0)]
    """
    west, south, east, north = frame
    ring = np.array(points, float).reshape(-1, 2)
    for axis, at, side in ((0, west, 1), (0, east, -1), (1, south, 1), (1, north, -1)):
        beyond = side * (ring[:, axis] - at) >= 0
        if not beyond.all():
            ring = _half(ring, beyond, axis, at)
    return [(x, y) for x, y in ring.tolist()]


def _half(
    ring: Float[np.ndarray, "n 2"], beyond: Bool[np.ndarray, " n"], axis: int, at: float
) -> Float[np.ndarray, "m 2"]:
    """The part of a ring beyond a border: the points that are, and the crossings of the lines between."""
    ahead = np.roll(ring, -1, axis=0)
    crosses = beyond != np.roll(beyond, -1)
    along = ahead[:, axis] - ring[:, axis]
    # a line that does not cross may run along the border
    share = (at - ring[:, axis]) / np.where(crosses, along, 1.0)
    crossing = ring + share[:, None] * (ahead - ring)
    crossing[:, axis] = at
    both = np.stack([ring, crossing], axis=1)
    return np.asarray(both[np.stack([beyond, crosses], axis=1)])
