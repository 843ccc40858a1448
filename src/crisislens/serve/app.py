"""The application: routes, middleware and errors joined over one store."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.core.errors import CrisisLensError
from crisislens.core.version import __version__
from crisislens.serve.access import Needs
from crisislens.serve.api import (
    admin,
    alerts,
    bulletins,
    clusters,
    event_names,
    events,
    exports,
    health,
    intake,
    live,
    outlets,
    posts,
)
from crisislens.serve.api import situation as api_situation
from crisislens.serve.api.examples import add_examples
from crisislens.serve.api.quick import QuickWay
from crisislens.serve.api.schemas import IncomingPost
from crisislens.serve.headers import POLICY, HostGuard, RequestLog, SafeHeaders
from crisislens.serve.pages import admin as admin_pages
from crisislens.serve.pages import alerts as alert_pages
from crisislens.serve.pages import atlas, document, entry, model, oidc, overview, queue
from crisislens.serve.pages import events as event_pages
from crisislens.serve.pages import outlets as outlet_pages
from crisislens.serve.pages import posts as post_pages
from crisislens.serve.pages import rising as rising_pages
from crisislens.serve.pages.render import page
from crisislens.serve.problems import PROBLEMS, ProblemError, problem, refusal_of
from crisislens.serve.service import Explain, ServeSettings, Service
from crisislens.store import Store

__all__ = ["create_app", "roles_of", "routes_of"]

_API: Final = (
    intake.router,
    posts.router,
    clusters.router,
    api_situation.router,
    exports.router,
    events.router,
    alerts.router,
    outlets.router,
    bulletins.router,
    live.router,
    event_names.router,
    admin.router,
    health.router,
)
_PAGES: Final = (
    overview.router,
    atlas.router,
    queue.router,
    post_pages.router,
    # `/alerts/outlets` before `/alerts/{alert_id}`
    outlet_pages.router,
    alert_pages.router,
    rising_pages.router,
    event_pages.router,
    model.router,
    admin_pages.router,
    entry.router,
    oidc.router,
    document.router,
)
_UNGUARDED: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_ABOUT = """Posts in, answers and people's reviews out. A post is answered with 202 once it is on disk; what a
model says is read later, or waited for with `wait`. Send a key as `Authorization: Bearer cl_…`. Lists are
read a page at a time by `after`. Errors are `application/problem+json` (RFC 9457)."""


def create_app(
    store: Store, settings: ServeSettings | None = None, *, explain: Explain | None = None
) -> FastAPI:
    """The application over a store; whoever opened the store closes it.

    Arguments:
        store: What is remembered.
        settings: How the service runs.
        explain: Makes the evidence of a post, as JSON; None where no model runs beside this process.
    """
    settings = settings or ServeSettings()
    service = Service(store, settings, explain=explain)

    @asynccontextmanager
    async def living(_app: FastAPI) -> AsyncIterator[None]:
        service.news.start()
        yield
        await service.news.stop()

    app = FastAPI(
        title="crisislens",
        version=__version__,
        description=_ABOUT,
        lifespan=living,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        max_body_size=settings.limits.body_bytes,
        middleware=[
            Middleware(RequestLog, metrics=service.metrics),
            Middleware(SafeHeaders),
            Middleware(HostGuard, host=settings.host, names=settings.names),
            Middleware(QuickWay, service=service, route=_route_of("POST", "/v1/posts")),
        ],
    )
    app.state.service = service
    for router in _API:
        app.include_router(router, responses=PROBLEMS)
    for router in _PAGES:
        app.include_router(router, include_in_schema=False)
    for kind in (HTTPException, CrisisLensError, RequestValidationError):
        app.add_exception_handler(kind, _refused)
    app.add_exception_handler(Exception, _bug)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def roles_of() -> dict[tuple[str, str], str]:
    """From method and path to the least role: `anyone`, `viewer`, `reviewer` or `admin`.

    Raises:
        ValueError: If a route names none or several; then nobody said who may use it.
    """
    found: dict[tuple[str, str], str] = {}
    for route in routes_of():
        needs = [d.call for d in route.dependant.dependencies if isinstance(d.call, Needs)]
        if len(needs) != 1:
            raise ValueError(f"{route.path} names {len(needs)} roles, and must name one")
        for method in route.methods or ():
            found[method, route.path_format] = needs[0].role or "anyone"
    return found


def routes_of() -> list[APIRoute]:
    """All routes."""
    return [route for router in (*_API, *_PAGES) for route in router.routes if isinstance(route, APIRoute)]


def _route_of(method: str, path: str) -> APIRoute:
    return next(route for route in routes_of() if route.path == path and method in (route.methods or ()))


async def _refused(request: Request, error: Exception) -> Response:
    """Programs get a problem, people a page; who is not signed in is led to where one signs in."""
    if isinstance(error, CrisisLensError | RequestValidationError):
        error = refusal_of(error)
    assert isinstance(error, HTTPException)
    wants_page = "text/html" in request.headers.get("accept", "") and not _is_api(request.url.path)
    if not wants_page or request.headers.get("hx-request") == "true":
        wrong = error.errors if isinstance(error, ProblemError) else ()
        return problem(request, error.status_code, str(error.detail), headers=error.headers, errors=wrong)
    if error.status_code == 401 and request.method == "GET":
        there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(there, safe='/')}", 303)
    answer = page(
        request,
        "error.html",
        None,
        error.status_code,
        title=HTTPStatus(error.status_code).phrase,
        detail=str(error.detail),
        request_id=request.scope.get("request_id", ""),
    )
    answer.headers.update(error.headers or {})
    return answer


async def _bug(request: Request, error: Exception) -> Response:
    """What nobody foresaw is answered as a refusal is."""
    said = "this is a fault of the server; its log has the request's id"
    answer = await _refused(request, ProblemError(500, said))
    # this answer is made outside of all middleware, so it brings what a page needs itself
    answer.headers.update(_UNGUARDED)
    return answer


def _is_api(path: str) -> bool:
    return path.startswith("/v1/") or path in ("/healthz", "/readyz", "/metrics", "/openapi.json")


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the body of `POST /v1/posts` and the two ways to prove who asks."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = schema.setdefault("components", {})
        body = IncomingPost.model_json_schema(ref_template="#/components/schemas/{model}")
        parts.setdefault("schemas", {})["IncomingPost"] = body
        parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"key": []}]
        add_examples(schema)
        app.openapi_schema = schema
    return app.openapi_schema
