r"""The map of a report as numbers for an SVG: no tile server, no script, no request.

Plate carrée with the scale of the middle latitude φ₀: $x = (\lambda - \lambda_w)\cos\varphi_0\, k$,
$y = (\varphi_n - \varphi)\, k$. The frame is where the middle 90 % of the points are, along each axis, with a
margin; what lies outside is counted in words, and a small world map shows all. Points that would touch are
joined: the largest first, each point goes to the first cluster within its radius.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crisislens.report.display import number, shorten
from crisislens.report.geography import Geography, Spot
from crisislens.report.outline import Frame, outline
from crisislens.report.overview import exactly, link

__all__ = ["Marker", "WorldMap", "draw_map", "hot_frames"]

_WIDTH, _TALLEST, _FLATTEST = 1000.0, 620.0, 340.0
_LEAST_SPAN = 0.08
_JOIN = 34.0
_A_TOWN = 5
_MOST_MARKERS = 300
_MOST_HOT = 6
_HOT_DEGREES = 4.0
_WORLD: Frame = (-180.0, -60.0, 180.0, 80.0)
_WORLD_MARGIN = 2.0
# nearer to a pole a degree of longitude is nothing
_FARTHEST = 85.0


@dataclass(frozen=True)
class Marker:
    """A circle on the map, in the units of its view box.

    Attributes:
        x, y, radius: Where it is and how large.
        text: The number on it; empty on small ones.
        says: What it is, in words.
        region: Whether it stands for a whole country or state.
        link: The filter of the report that lists its posts; empty for none.
        best: The id of its most urgent post.
    """

    x: float
    y: float
    radius: float
    text: str
    says: str
    region: bool
    link: str
    best: str


@dataclass(frozen=True)
class WorldMap:
    """One map.

    Attributes:
        width, height: Of the view box.
        land: The outline as path data.
        grid: Meridians and parallels as path data.
        markers: The circles, the largest first.
        inside: Posts that it shows.
        outside: Posts with a point beyond its frame.
        box: For a map of the world, the frame of the detailed map (x, y, width, height); None for none.
        summary: What it shows, in words.
        frame: West, south, east and north of what it shows, in degrees.
        home: The same of what a screen of any shape should hold: without what fills a page.
    """

    width: float
    height: float
    land: str
    grid: str
    markers: tuple[Marker, ...]
    inside: int
    outside: int
    box: tuple[float, float, float, float] | None
    summary: str
    frame: Frame
    home: Frame


def draw_map(geography: Geography) -> tuple[WorldMap, WorldMap | None] | None:
    """The detailed map, and the map of the world where that shows more; None where no post can be placed.

    Arguments:
        geography: What was gathered.
    """
    spots = geography.drawn()
    regions = geography.drawn_regions()
    if not spots and not regions:
        return None
    home = _middle_of(spots or regions)
    world = _world_of((*spots, *regions))
    frame = _page_shaped(home, world)
    detailed = replace(_map(frame, spots, regions, None), home=home)
    if detailed.outside == 0 and frame[2] - frame[0] > 200:
        return detailed, None
    return detailed, _map(world, spots, regions, frame)


def hot_frames(geography: Geography) -> tuple[Frame, ...]:
    """Around where most posts are, the most first: what somebody zooms into where a run is about half the
    world. None has its middle in another.

    Arguments:
        geography: What was gathered.
    """
    spots = sorted((*geography.drawn(), *geography.drawn_regions()), key=lambda spot: -spot.count)
    frames: list[Frame] = []
    for spot in spots:
        lon, lat = spot.middle
        seen = any(w <= lon <= e and s <= lat <= n for w, s, e, n in frames)
        if not seen and abs(lat) < 85 - _HOT_DEGREES:
            wide, high = _HOT_DEGREES, 0.75 * _HOT_DEGREES
            frames.append((max(lon - wide, -180.0), lat - high, min(lon + wide, 180.0), lat + high))
        if len(frames) == _MOST_HOT:
            break
    return tuple(frames)


def _middle_of(spots: Sequence[Spot]) -> Frame:
    """The middle 90 % of posts along each axis, with a margin, and not too narrow."""
    west, east = _middle([(s.middle[0], s.count) for s in spots])
    south, north = _middle([(s.middle[1], s.count) for s in spots])
    # of a town that many points draw, half as much is worth seeing as around a single one
    least = _LEAST_SPAN if len(spots) < _A_TOWN else _LEAST_SPAN / 2
    wide = max((east - west) * 1.3, least)
    high = max((north - south) * 1.3, least / 2)
    # what is around the middle must lie on the map as a whole
    farthest = max(0.0, _FARTHEST - high / 2)
    lon, lat = (west + east) / 2, max(-farthest, min(farthest, (south + north) / 2))
    return _around(lon, lat, wide, high)


def _page_shaped(frame: Frame, world: Frame) -> Frame:
    """A frame neither taller nor flatter than what fits a page, which holds another."""
    west, south, east, north = frame
    lon, lat, wide, high = (west + east) / 2, (south + north) / 2, east - west, north - south
    shrink = math.cos(math.radians(lat))
    wide = max(wide, high * _WIDTH / _TALLEST / shrink)
    high = max(high, wide * shrink * _FLATTEST / _WIDTH)
    if wide > 200:
        return world
    return _around(lon, lat, wide, high)


def _around(lon: float, lat: float, wide: float, high: float) -> Frame:
    return (
        max(lon - wide / 2, -180.0),
        max(lat - high / 2, -_FARTHEST),
        min(lon + wide / 2, 180.0),
        min(lat + high / 2, _FARTHEST),
    )


def _world_of(spots: Sequence[Spot]) -> Frame:
    """The world without the empty ends, or with as much of them as has posts."""
    west, south, east, north = _WORLD
    latitudes = [spot.middle[1] for spot in spots]
    lowest, highest = min(latitudes) - _WORLD_MARGIN, max(latitudes) + _WORLD_MARGIN
    return west, max(-90.0, min(south, lowest)), east, min(90.0, max(north, highest))


def _middle(values: Sequence[tuple[float, int]]) -> tuple[float, float]:
    order, whole = sorted(values), sum(n for _, n in values)

    def at(share: float) -> float:
        passed = 0
        for value, n in order:
            passed += n
            if passed >= share * whole:
                return value
        return order[-1][0]

    return at(0.05), at(0.95)


def _map(frame: Frame, spots: Sequence[Spot], regions: Sequence[Spot], box: Frame | None) -> WorldMap:
    west, south, east, north = frame
    # a degree of longitude gets shorter towards the poles; the world map takes one mean for all latitudes
    shrink = math.cos(math.radians((south + north) / 2)) if east - west < 360 else 0.9
    scale = _WIDTH / ((east - west) * shrink)
    height = round((north - south) * scale, 1)

    def xy(lon: float, lat: float) -> tuple[float, float]:
        return round((lon - west) * shrink * scale, 1), round((north - lat) * scale, 1)

    def seen(spot: Spot) -> bool:
        lon, lat = spot.middle
        return west <= lon <= east and south <= lat <= north

    shown = [s for s in spots if seen(s)]
    shown_regions = [s for s in regions if seen(s)]
    markers = _markers([(s, xy(*s.middle)) for s in shown], region=False)
    # regions first, which puts them below the points
    markers = _markers([(s, xy(*s.middle)) for s in shown_regions], region=True) + markers
    rings = outline(frame, step=1.2 / scale)
    land = ""
    for ring in rings:
        land += _path([xy(*point) for point in ring])
    inside = sum(s.count for s in shown)
    rect = None
    if box is not None:
        (x, y), (x_2, y_2) = xy(box[0], box[3]), xy(box[2], box[1])
        rect = (x, y, round(x_2 - x, 1), round(y_2 - y, 1))
    named = sum(s.count for s in shown_regions)
    summary = f"Map: {number(inside)} posts at a point, {number(named)} in a country or state only"
    return WorldMap(
        _WIDTH,
        height,
        land,
        _grid(frame, xy),
        tuple(markers),
        inside,
        sum(s.count for s in spots) - inside,
        rect,
        summary,
        frame,
        frame,
    )


def _path(ring: Sequence[tuple[float, float]]) -> str:
    """A closed ring as an SVG path."""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in ring) + "Z"


def _grid(frame: Frame, xy: object) -> str:
    assert callable(xy)
    west, south, east, north = frame
    step = next((s for s in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30) if (east - west) / s <= 12), 30)
    parts = []
    for i in range(math.ceil(west / step), math.floor(east / step) + 1):
        (x, top), (_, bottom) = xy(i * step, north), xy(i * step, south)
        parts.append(f"M{x:g} {top:g}V{bottom:g}")
    for i in range(math.ceil(south / step), math.floor(north / step) + 1):
        (left, y), (right, _) = xy(west, i * step), xy(east, i * step)
        parts.append(f"M{left:g} {y:g}H{right:g}")
    return "".join(parts)


def _markers(placed: Sequence[tuple[Spot, tuple[float, float]]], *, region: bool) -> list[Marker]:
    # the largest first: it keeps its place, and what is near joins it
    clusters: list[tuple[Spot, float, float]] = []
    for spot, (x, y) in sorted(placed, key=lambda item: (-item[0].count, item[1])):
        near = None if region else next((c for c in clusters if math.hypot(c[1] - x, c[2] - y) < _JOIN), None)
        if near is None:
            joined = Spot()
            joined.join(spot)
            clusters.append((joined, x, y))
        else:
            near[0].join(spot)
    clusters.sort(key=lambda c: -c[0].count)
    return [_marker(spot, x, y, region) for spot, x, y in clusters[:_MOST_MARKERS]]


def _marker(spot: Spot, x: float, y: float, region: bool) -> Marker:
    size = 0.6 if region else 1.0
    radius = round(size * min(26.0, 7.0 + 3.2 * math.log2(spot.count)), 1)
    names = ", ".join(shorten(name, 40)[0] for name, _ in spot.names.most_common(3))
    more = f" and {len(spot.names) - 3} more" if len(spot.names) > 3 else ""
    posts = f"{number(spot.count)} post{'s' if spot.count > 1 else ''}"
    if region:
        says = f"{names}: {posts} name it and no closer place"
    else:
        own = f"{number(spot.own)} with own coordinates" if spot.own else "from names in the text"
        says = f"{posts}: {names}{more} ({own})" if names else f"{posts} ({own})"
    text = number(spot.count) if spot.count > 1 else ""
    name, _ = spot.names.most_common(1)[0] if spot.names else ("", 0)
    return Marker(x, y, radius, text, says, region, link(place=exactly(name)) if name else "", spot.best[1])
