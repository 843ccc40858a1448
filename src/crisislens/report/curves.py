"""Geometry of lines over conditions, one a system, with the interval over seeds as a band."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from crisislens.evaluation.significance import MeanInterval

__all__ = ["Curve", "CurveDot", "CurvePlot", "draw_curves"]

_WIDTH, _HEIGHT = 720.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 16.0, 12.0, 48.0
_STYLES = 8
# least room above and below the means, in percent
_ROOM = 1.0

Means = Sequence[MeanInterval | None]
"""Of one system under each condition; None where it was not run."""


@dataclass(frozen=True)
class CurveDot:
    """One mean: where it stands, and what it is in words."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Curve:
    """One system in the units of the view box, y downward.

    Attributes:
        title: Its title.
        style: The number of its color and dashes, from 0; the ninth looks like the first.
        paths: Its line, in pieces where a condition was not run.
        bands: The intervals around each piece, as points of a polygon.
        dots: Its means.
    """

    title: str
    style: int
    paths: tuple[str, ...]
    bands: tuple[str, ...]
    dots: tuple[CurveDot, ...]


@dataclass(frozen=True)
class CurvePlot:
    """All systems, and the ticks of both axes as position and label."""

    curves: tuple[Curve, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: float = _WIDTH
    height: float = _HEIGHT
    left: float = _LEFT
    right: float = _WIDTH - _RIGHT
    bottom: float = _HEIGHT - _BOTTOM


def draw_curves(points: Sequence[float], lines: Sequence[tuple[str, Means]]) -> CurvePlot:
    """Lays out the lines.

    Arguments:
        points: The conditions, at least one.
        lines: Of each system its title and means, one a condition; at least one mean in all.
    """
    low, high = _range(lines)
    first, last = min(points), max(points)
    inner = _WIDTH - _RIGHT - _LEFT

    def x(point: float) -> float:
        # a single condition stands in the middle
        share = (point - first) / (last - first) if last > first else 0.5
        return round(_LEFT + inner * (0.03 + 0.94 * share), 1)

    def y(percent: float) -> float:
        # intervals of two seeds reach beyond all that is worth seeing
        inside = min(max(percent, low), high)
        return round(_HEIGHT - _BOTTOM - (inside - low) / (high - low) * (_HEIGHT - _BOTTOM - _TOP), 1)

    curves = tuple(_curve(i, title, points, means, x, y) for i, (title, means) in enumerate(lines))
    return CurvePlot(
        curves,
        tuple((x(point), f"{point:g}") for point in points),
        tuple((y(value), f"{value:g}") for value in _ticks(low, high)),
    )


def _range(lines: Sequence[tuple[str, Means]]) -> tuple[float, float]:
    """The lowest and highest percent that are shown: all means, and intervals as far as they reach no
    farther from them than the means from each other.
    """
    there = [m for _, means in lines for m in means if m is not None]
    means = [100 * m.mean for m in there]
    low, high = min(means), max(means)
    room = max(high - low, 5 * _ROOM)
    reach_low = min(100 * (m.mean - (m.half_width or 0.0)) for m in there)
    reach_high = max(100 * (m.mean + (m.half_width or 0.0)) for m in there)
    return max(reach_low, low - room) - _ROOM, min(reach_high, high + room) + _ROOM


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers within, at most eight."""
    magnitude = 10 ** math.floor(math.log10(high - low))
    step = next(s * magnitude for s in (0.2, 0.5, 1, 2, 5, 10) if (high - low) / (s * magnitude) <= 7)
    first = math.ceil(low / step)
    return [round(i * step, 6) for i in range(first, math.floor(high / step) + 1)]


def _curve(
    number: int,
    title: str,
    points: Sequence[float],
    means: Means,
    x: Callable[[float], float],
    y: Callable[[float], float],
) -> Curve:
    pairs = list(zip(points, means, strict=True))
    pieces = [list(piece) for there, piece in groupby(pairs, lambda pair: pair[1] is not None) if there]
    paths, bands, dots = [], [], []
    for piece in pieces:
        whole = [(at, m) for at, m in piece if m is not None]
        paths.append("M" + "L".join(f"{x(at)} {y(100 * m.mean)}" for at, m in whole))
        bands.append(_band(whole, x, y))
        dots += [CurveDot(x(at), y(100 * m.mean), f"{title}, {at:g}: {m.percent()}") for at, m in whole]
    return Curve(title, number % _STYLES, tuple(paths), tuple(band for band in bands if band), tuple(dots))


def _band(
    piece: Sequence[tuple[float, MeanInterval]], x: Callable[[float], float], y: Callable[[float], float]
) -> str:
    """There along the upper ends and back along the lower ones; empty where no interval is known."""
    known = [(at, m.mean, m.half_width) for at, m in piece if m.half_width is not None]
    there = [f"{x(at)},{y(100 * (mean + half))}" for at, mean, half in known]
    back = [f"{x(at)},{y(100 * (mean - half))}" for at, mean, half in reversed(known)]
    return " ".join(there + back)
