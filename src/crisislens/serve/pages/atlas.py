"""The map: places that posts name and points that posts have, on an outline of the countries, and as a
table. It needs no network and no script; every marker is a link to its posts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from crisislens.demo.town import town
from crisislens.domain.meanings import MEANINGS
from crisislens.live.told import told_of
from crisislens.report.display import number
from crisislens.report.geography import Geography, Spot
from crisislens.report.worldmap import draw_map
from crisislens.serve.access import Viewer
from crisislens.serve.filters import query_of
from crisislens.serve.pages.overview import WINDOWS, Hours, windows
from crisislens.serve.pages.render import BASE_MAP, page
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import Box, LabelCount, MeaningCount, PlaceCount, PostFilter, PostRow

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
        since=_short(since),
        bounds=_bounds(lines),
        base_version=_base_version(service_of(request)),
        cut=len(rows) == _MOST_POINTS,
        most=_MOST_POINTS,
    )


@router.get("/map/points.json")
def points(request: Request, visitor: Viewer, hours: Hours = 168) -> Response:
    """Where posts are, for the map of the page: numbers, places and urgency, no words."""
    store = service_of(request).store
    since = datetime.now(UTC) - timedelta(hours=hours)
    placed = PostFilter(since=since, assessed=True, box=_WORLD, order="time")
    features = [_feature(row) for row in islice(store.posts.stream(placed), _MOST_POINTS)]
    return JSONResponse({"type": "FeatureCollection", "features": features})


@router.get("/map/town.geojson")
def made_up_town(request: Request, visitor: Viewer) -> Response:
    """The town of the made-up crisis, which lies in the ocean."""
    if not service_of(request).settings.demo:
        raise ProblemError(404, "there is a town where posts are made up, and these are not")
    return JSONResponse(town(), media_type="application/geo+json")


@router.get("/map/base.pmtiles")
def base_map(request: Request, visitor: Viewer) -> Response:
    """The base map, of which the page asks for ranges of bytes."""
    headers = {"Cache-Control": "private, max-age=86400"}
    return FileResponse(
        _base_file(service_of(request)), media_type="application/vnd.pmtiles", headers=headers
    )


def _base_file(service: Service) -> Path:
    given = service.settings.base_map
    return given if given is not None else Path(str(files("crisislens.serve"))) / "static" / BASE_MAP


def _base_version(service: Service) -> str:
    """Changes with the file, since a browser keeps parts of it."""
    about = _base_file(service).stat()
    return f"{about.st_size:x}-{int(about.st_mtime):x}"


def _feature(row: PostRow) -> dict[str, Any]:
    region = (row.place or "").partition(":")[0] in ("country", "state")
    point = {"type": "Point", "coordinates": [row.map_lon, row.map_lat]}
    told = {"id": row.id, "urgency": row.urgency or 0.0, "region": region}
    return {"type": "Feature", "geometry": point, "properties": told}


def _bounds(lines: Sequence[PlaceLine]) -> str:
    """West, south, east, north around what is shown first: points, or regions where there is none."""
    shown = [line for line in lines if line.lat is not None and not line.region]
    shown = shown or [line for line in lines if line.lat is not None]
    if not shown:
        return ""
    lats = [line.lat for line in shown if line.lat is not None]
    lons = [line.lon for line in shown if line.lon is not None]
    return f"{min(lons):.4f},{min(lats):.4f},{max(lons):.4f},{max(lats):.4f}"


def _of_place(place: PlaceCount, since: datetime) -> PlaceLine:
    link = query_of({"place": place.place, "since": _short(since), "order": "urgency"})
    region = place.place.partition(":")[0] in ("country", "state")
    name = place.name or place.place
    grave = _gravest(place.labels, place.meanings)
    return PlaceLine(name, place.posts, place.lat, place.lon, grave, f"/posts?{link}", region)


def _of_points(rows: Iterable[PostRow], since: datetime) -> list[PlaceLine]:
    """Posts with coordinates of their own and no named place, by cells of 0.01 degrees."""
    cells: dict[tuple[int, int], int] = {}
    said: dict[tuple[int, int], list[PostRow]] = defaultdict(list)
    for row in rows:
        if row.map_lat is not None and row.map_lon is not None:
            cell = (round(row.map_lat / _CELL), round(row.map_lon / _CELL))
            cells[cell] = cells.get(cell, 0) + 1
            said[cell].append(row)
    lines = []
    for (y, x), posts in cells.items():
        lat, lon, half = y * _CELL, x * _CELL, _CELL / 2
        # a cell at the edge of the world stays within it
        west, east = max(-180.0, lon - half), min(180.0, lon + half)
        south, north = max(-90.0, lat - half), min(90.0, lat + half)
        box = f"{west:.3f},{south:.3f},{east:.3f},{north:.3f}"
        link = query_of({"bbox": box, "since": _short(since), "order": "urgency"})
        name, grave = f"{lat:.2f}, {lon:.2f}", _gravest(*_counted(said[y, x]))
        lines.append(PlaceLine(name, posts, lat, lon, grave, f"/posts?{link}", False))
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


def _counted(rows: Sequence[PostRow]) -> tuple[list[LabelCount], list[MeaningCount]]:
    """How many of some posts have each label, and any of those that mean nearly the same."""
    labels: Counter[tuple[str, str]] = Counter()
    meanings: Counter[str] = Counter()
    for row in rows:
        said = []
        for task, answer in row.answers.items():
            said += [(task, label) for label in answer.labels if not answer.abstained]
        labels.update(said)
        meanings.update(meaning.name for meaning in MEANINGS if meaning.among(said))
    return (
        [LabelCount(task=task, label=label, posts=n) for (task, label), n in labels.items()],
        [MeaningCount(meaning=name, posts=n) for name, n in meanings.items()],
    )


def _gravest(labels: Sequence[LabelCount], meanings: Sequence[MeaningCount]) -> str:
    """What posts say most of that calls for somebody."""
    told = [(one.posts, one.words) for one in told_of(labels, meanings) if one.tone == "grave"]
    return ", ".join(f"{words} {number(posts)}" for posts, words in sorted(told, reverse=True)[:2])


def _short(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M")
