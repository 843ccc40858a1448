"""Whether the service lives, whether it can work, and its counters."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crisislens.core.version import __version__
from crisislens.serve.access import Anyone
from crisislens.serve.addresses import is_here
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import service_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    ok: bool
    version: str


class Ready(BaseModel):
    """Whether posts can be taken."""

    ok: bool
    reason: str | None
    database: str
    silent_sources: int = Field(description="Sources that bring nothing for longer than they should")


@router.get("/healthz", summary="Whether the process answers")
async def healthz(visitor: Anyone) -> Alive:
    """Looks at nothing else."""
    return Alive(ok=True, version=__version__)


@router.get("/readyz", summary="Whether posts can be taken", responses={503: {"model": Ready}})
async def readyz(request: Request, visitor: Anyone) -> Response:
    """Writes a row to find out; 503 with the reason where it cannot."""
    service = service_of(request)
    health = await run_in_threadpool(service.store.health)
    # how many and not which: this is answered to everybody
    silent = len(await run_in_threadpool(service.silent_sources)) if health.ok else 0
    ready = Ready(ok=health.ok, reason=health.reason, database=health.database, silent_sources=silent)
    return JSONResponse(ready.model_dump(), 200 if health.ok else 503)


@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(request: Request, visitor: Anyone) -> Response:
    """Without a key on this computer only, since the numbers tell how much is going on."""
    service = service_of(request)
    if visitor is None and not is_here(request):
        raise ProblemError(
            401, "from another computer the counters need a key", {"WWW-Authenticate": "Bearer"}
        )
    text = await run_in_threadpool(service.metrics.text)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
