"""The map: places that posts name and points that posts have, on an outline of the countries, and as a
table. It needs no network and no script; every marker is a link to its posts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from crisislens.report.display import number
from crisislens.report.geography import Geography, Spot
from crisislens.report.worldmap import draw_map
from crisislens.serve.access import Viewer
from crisislens.serve.filters import query_of
from crisislens.serve.pages.overview import WINDOWS, Hours, windows
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of
from crisislens.serve.task_views import asked_tasks
from crisislens.store.records import Box, PlaceCount, PostFilter, PostRow

__all__ = ["router"]

router = APIRouter()
_MOST_POINTS = 5_000
_CELL = 0.01
_WORLD = Box(west=-180, south=-90, east=180, north=90)


@dataclass(frozen=True)
class PlaceLine:
    """One place, or one cell of points, with its posts."""

    name: str
    posts: int
    lat: float | None
    lon: float | None
    grave: str
    link: str
    region: bool

    @property
    def shown(self) -> str:
        """The count as a person reads it."""
        return number(self.posts)


@router.get("/map")
def map_page(request: Request, visitor: Viewer, hours: Hours = 168) -> Response:
    """The page."""
    store = service_of(request).store
    until = datetime.now(UTC)
    since = until - timedelta(hours=hours)
    named = [_of_place(place, since) for place in store.statistics.places(since, until)]
    placed = PostFilter(since=since, assessed=True, box=_WORLD, order="time")
    rows = list(islice(store.posts.stream(placed), _MOST_POINTS))
    lines = named + _of_points((row for row in rows if row.place is None), since)
    lines.sort(key=lambda line: (-line.posts, line.name))
    drawn = draw_map(_geography(lines)) or ()
    return page(
        request,
        "map.html",
        visitor,
        hours=hours,
        windows=windows("/map", hours, ""),
        window=WINDOWS.get(hours, f"{hours} hours"),
        maps=[one for one in drawn if one is not None],
        places=lines,
        cut=len(rows) == _MOST_POINTS,
        most=_MOST_POINTS,
    )


def _of_place(place: PlaceCount, since: datetime) -> PlaceLine:
    link = query_of({"place": place.place, "since": _short(since), "order": "urgency"})
    region = place.place.partition(":")[0] in ("country", "state")
    name = place.name or place.place
    return PlaceLine(name, place.posts, place.lat, place.lon, _gravest(place), f"/posts?{link}", region)


def _of_points(rows: Iterable[PostRow], since: datetime) -> list[PlaceLine]:
    """Posts with coordinates of their own and no named place, by cells of 0.01 degrees."""
    cells: dict[tuple[int, int], int] = {}
    for row in rows:
        if row.map_lat is not None and row.map_lon is not None:
            cell = (round(row.map_lat / _CELL), round(row.map_lon / _CELL))
            cells[cell] = cells.get(cell, 0) + 1
    lines = []
    for (y, x), posts in cells.items():
        lat, lon, half = y * _CELL, x * _CELL, _CELL / 2
        # a cell at the edge of the world stays within it
        west, east = max(-180.0, lon - half), min(180.0, lon + half)
        south, north = max(-90.0, lat - half), min(90.0, lat + half)
        box = f"{west:.3f},{south:.3f},{east:.3f},{north:.3f}"
        link = query_of({"bbox": box, "since": _short(since), "order": "urgency"})
        lines.append(PlaceLine(f"{lat:.2f}, {lon:.2f}", posts, lat, lon, "", f"/posts?{link}", False))
    return lines


def _geography(lines: list[PlaceLine]) -> Geography:
    """The lines as the map of the report takes them; countries and states are regions, not points."""
    geography = Geography()
    for at, line in enumerate(lines):
        if line.lat is None or line.lon is None:
            continue
        spot = Spot(
            count=line.posts, lat=line.lat * line.posts, lon=line.lon * line.posts, best=(line.posts, str(at))
        )
        spot.names[line.name] = line.posts
        geography.located += line.posts
        if line.region:
            geography.regions[str(at)] = spot
        else:
            geography.points.setdefault((round(line.lat * 100), round(line.lon * 100)), Spot()).join(spot)
    return geography


def _gravest(place: PlaceCount) -> str:
    """What the place's posts say most of that calls for somebody."""
    tasks = asked_tasks()
    told = []
    for count in place.labels:
        task = tasks.get(count.task)
        if task is not None and not task.gate and count.label:
            label = task.label(count.label)
            if label.tone == "grave":
                told.append((count.posts, label.words))
    return ", ".join(f"{words} {number(posts)}" for posts, words in sorted(told, reverse=True)[:2])


def _short(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M")
