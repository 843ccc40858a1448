"""Coast, lakes, rivers, borders and state lines near the posts, and the cities there: Natural Earth 1:10m
(rivers 1:50m, public domain), see `assets/world/README.md`, and GeoNames (CC BY 4.0).

Main roads are not among them: no free package was found that carries them. A base map of the region has them
(`report.basemap`).
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from crisislens.core.assets import asset
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.report.outline import Frame, Point, clip_ring

__all__ = ["LAYERS", "City", "cities", "terrain"]

LAYERS = ("land", "lakes", "rivers", "states", "borders")
"""In the order in which they are drawn."""
_AREAS = ("land", "lakes")


@dataclass(frozen=True)
class City:
    """A city with its inhabitants; longitude and latitude in degrees."""

    name: str
    lon: float
    lat: float
    inhabitants: int


@dataclass(frozen=True)
class _Layer:
    """Lines one after another: points in degrees, shape (n, 2); where each line starts, and behind the last
    where it ends; the box of each line as west, south, east, north, shape (lines, 4).
    """

    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    boxes: NDArray[np.float64]

    def lines_in(self, frame: Frame, *, widest: float) -> Iterator[tuple[NDArray[np.float64], bool]]:
        """The lines whose box touches a frame, and whether the box lies in it whole.

        Arguments:
            frame: What may be seen.
            widest: Lines whose box is narrower than this both ways are left out, in degrees.
        """
        west, south, east, north = frame
        w, s, e, n = self.boxes.T
        large = np.maximum(e - w, n - s) >= widest
        touching = large & (w <= east) & (e >= west) & (s <= north) & (n >= south)
        whole = (w >= west) & (e <= east) & (s >= south) & (n <= north)
        for line in np.flatnonzero(touching):
            yield self.points[self.starts[line] : self.starts[line + 1]], bool(whole[line])


@lru_cache(maxsize=1)
def _layers() -> dict[str, _Layer]:
    stored = json.loads(gzip.decompress(asset("world", "terrain.json.gz").read_bytes()))
    found = {}
    for name, layer in stored["layers"].items():
        steps = np.array(layer["steps"], np.int64).reshape(-1, 2)
        points = np.cumsum(steps, axis=0) / stored["units"]
        starts = np.concatenate([[0], np.cumsum(layer["lengths"])])
        low, high = (bound.reduceat(points, starts[:-1], axis=0) for bound in (np.minimum, np.maximum))
        found[name] = _Layer(points, starts, np.concatenate([low, high], axis=1))
    return found


def terrain(frame: Frame, *, step: float, most_points: int) -> dict[str, list[list[Point]]]:
    """The lines of each of `LAYERS` inside a frame; of areas the rings, cut to it.

    Arguments:
        frame: What may be seen.
        step: Of points in one square of this width one is kept, in degrees.
        most_points: How many points to give at most; the step is doubled until it is kept.
    """
    while True:
        found, left = dict[str, list[list[Point]]](), most_points
        for name in LAYERS:
            found[name], left = _inside(_layers()[name], frame, step, closed=name in _AREAS, left=left)
        if left >= 0:
            return found
        step *= 2


def _inside(
    layer: _Layer, frame: Frame, step: float, *, closed: bool, left: int
) -> tuple[list[list[Point]], int]:
    """The lines, and how many points are left to give: below 0 there are too many, and lines are missing."""
    found: list[list[Point]] = []
    # what would be a dot is left out; that also makes a doubled step end
    for line, whole in layer.lines_in(frame, widest=2 * step if closed else step):
        if left < 0:
            break
        thin = _thinned(line, step)
        if whole:
            parts = [thin]
        elif closed:
            parts = [clip_ring(thin, frame)]
        else:
            parts = _runs_inside(thin, frame)
        # less than a triangle is no area, and less than two points no line
        kept = [part for part in parts if len(part) > (2 if closed else 1)]
        found += kept
        left -= sum(map(len, kept))
    return found, left


def _thinned(line: NDArray[np.float64], step: float) -> list[Point]:
    """One point of each run of points in one square of a grid."""
    squares = np.floor(line / step)
    moved = (squares[1:] != squares[:-1]).any(axis=1)
    # the ends stay, because other lines go on from them
    moved[-1:] = True
    return [(x, y) for x, y in line[np.concatenate([[True], moved])].tolist()]


def _runs_inside(line: Sequence[Point], frame: Frame) -> list[list[Point]]:
    """The parts of a line inside a frame, with one point beyond at each end."""
    west, south, east, north = frame
    inside = [west <= x <= east and south <= y <= north for x, y in line]
    near = [any(inside[max(0, i - 1) : i + 2]) for i in range(len(line))]
    runs: list[list[Point]] = [[]]
    for point, is_near in zip(line, near, strict=True):
        if is_near:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def cities(frames: Sequence[Frame], most: int) -> list[City]:
    """The largest cities inside each of some frames, each city once, the largest first.

    Raises:
        DataError: If GeoNames' file is missing or another one.
    """
    index = load_gazetteer().index
    at, where = _all_cities()
    found: dict[City, None] = {}
    for west, south, east, north in frames:
        lon, lat, inhabitants = where.T
        inside = np.flatnonzero((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))
        for i in inside[np.argsort(-inhabitants[inside], kind="stable")][:most].tolist():
            found[City(index.name(int(at[i])), float(lon[i]), float(lat[i]), int(inhabitants[i]))] = None
    return sorted(found, key=_size, reverse=True)


@lru_cache(maxsize=1)
def _all_cities() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Numbers of the cities in the gazetteer; longitude, latitude and inhabitants, shape (cities, 3)."""
    return load_gazetteer().index.cities()


def _size(city: City) -> tuple[int, str]:
    return city.inhabitants, city.name
