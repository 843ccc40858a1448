"""Pages from templates. Every string passes `report.display.visible` and Jinja2's escaping, so that no
template can forget either; the security policy of every answer runs nothing that stands in a page.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from crisislens.domain.language_names import language_name
from crisislens.report.display import instant, moment, number, percent, visible
from crisislens.serve.access import Visitor
from crisislens.serve.service import service_of

__all__ = ["BASE_MAP", "STATIC", "asset", "is_fragment", "page", "part", "static_version"]

STATIC: Final = {
    "report.css": "text/css; charset=utf-8",
    "serve.css": "text/css; charset=utf-8",
    "theme.js": "text/javascript; charset=utf-8",
    "live.js": "text/javascript; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
    "slider.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "map.mjs": "text/javascript; charset=utf-8",
    "maplibre-gl.mjs": "text/javascript; charset=utf-8",
    "maplibre-gl-worker.mjs": "text/javascript; charset=utf-8",
    "pmtiles.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files that pages load, and nothing else: a name that is not here is not looked for on disk."""
BASE_MAP: Final = "basemap.pmtiles"
"""The base map that ships, beside them; see `scripts/make_basemap.py`."""


@dataclass(frozen=True)
class _Link:
    path: str
    title: str


_NAV = (
    _Link("/", "Situation"),
    _Link("/queue", "Queue"),
    _Link("/alerts", "Alerts"),
    _Link("/map", "Map"),
    _Link("/timeline", "Timeline"),
    _Link("/posts", "Posts"),
    _Link("/sources", "Sources"),
    _Link("/model", "Model"),
)
_ADMIN = _Link("/admin", "Admin")


def page(request: Request, name: str, visitor: Visitor | None, status: int = 200, **values: Any) -> Response:
    """A whole page.

    Arguments:
        request: What it answers.
        name: The template.
        visitor: Who looks; None where nobody is signed in.
        status: The HTTP status.
        **values: What the template shows.
    """
    nav = (*_NAV, _ADMIN) if visitor is not None and visitor.is_admin else _NAV
    path = request.url.path
    values.setdefault("here", path)
    values.setdefault("title", next((link.title for link in nav if link.path == path), "crisislens"))
    text = (
        _environment()
        .get_template(name)
        .render(
            who=visitor,
            nav=nav,
            version=static_version(),
            demo=service_of(request).settings.demo,
            **values,
        )
    )
    return HTMLResponse(text, status)


def part(name: str, visitor: Visitor | None, **values: Any) -> Response:
    """A piece of a page, for htmx."""
    return HTMLResponse(_environment().get_template(name).render(who=visitor, **values))


def is_fragment(request: Request) -> bool:
    """Whether htmx asks, which takes a piece where a browser takes a page."""
    return request.headers.get("hx-request") == "true"


@lru_cache
def asset(name: str) -> bytes:
    """A file that pages load."""
    room, folder = ("report", "templates") if name == "report.css" else ("serve", "static")
    return files(f"crisislens.{room}").joinpath(folder, name).read_bytes()


@lru_cache(maxsize=1)
def static_version() -> str:
    """Changes whenever one of the files does, so that browsers may keep them for a year."""
    digest = hashlib.sha256(b"".join(asset(name) for name in STATIC))
    return digest.hexdigest()[:12]


def _template(name: str) -> str | None:
    file = files("crisislens.serve").joinpath("templates", name)
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _finalize(value: object) -> object:
    return visible(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number, percent=percent, instant=instant, moment=moment, language=language_name
    )
    return environment
