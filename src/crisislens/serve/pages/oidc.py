"""The way out to a provider of identities and back; there is none unless the service was started with one."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.core.errors import CrisisLensError
from crisislens.serve.access import Anyone, sign_in_cookie
from crisislens.serve.addresses import service_url, visitor_address
from crisislens.serve.oidc import Provider
from crisislens.serve.pages.entry import inside, sign_in_form
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of

__all__ = ["router"]

router = APIRouter()
KEPT = "crisislens_asked"
"""The cookie that holds a question until its answer comes."""
_KEPT_S = 600
_BACK = "/oidc/back"


@router.get("/oidc/start")
async def start(request: Request, visitor: Anyone, next: str = "/") -> Response:
    """Sends the browser to the provider."""
    service = service_of(request)
    provider = _provider(service)
    _slow_down(request, service)
    try:
        asked = await run_in_threadpool(provider.question, _redirect(request), inside(next))
    except CrisisLensError as error:
        return sign_in_form(request, service, next, str(error), 502)
    answer = RedirectResponse(asked.url, 303)
    answer.set_cookie(
        KEPT,
        asked.kept,
        max_age=_KEPT_S,
        httponly=True,
        secure=service.settings.secure,
        samesite="lax",
        path=_BACK,
    )
    return answer


@router.get("/oidc/back")
async def back(
    request: Request,
    visitor: Anyone,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=5000)] = "",
    error: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Takes the provider's answer, and lets in whom it vouches for."""
    service = service_of(request)
    provider = _provider(service)
    _slow_down(request, service)
    kept = request.cookies.get(KEPT, "")
    try:
        if error or not code:
            raise ProblemError(403, f"the provider let nobody in: {error[:100] or 'it sent no code'}")
        redirect = _redirect(request)
        found = await run_in_threadpool(provider.identity, kept, state, code, redirect)
        user = await run_in_threadpool(
            service.store.users.of_subject, found.subject, found.name, provider.settings.role
        )
        if not user.active:
            raise ProblemError(403, f"{user.name} may not come in; an administrator decides that")
        hours = service.settings.session_h
        token, _ = await run_in_threadpool(service.store.sessions.start, user.id, hours=hours)
    except ProblemError as refused:
        answer = sign_in_form(request, service, "/", str(refused.detail), refused.status_code)
    except CrisisLensError as refused:
        answer = sign_in_form(request, service, "/", str(refused), 403)
    else:
        answer = RedirectResponse(inside(found.next), 303)
        sign_in_cookie(answer, token, service)
    # an answer is used once
    answer.delete_cookie(KEPT, path=_BACK, httponly=True, samesite="lax")
    return answer


def _provider(service: Service) -> Provider:
    if service.provider is None:
        raise ProblemError(404, "this service was started without a provider of identities")
    return service.provider


def _slow_down(request: Request, service: Service) -> None:
    service.sign_ins.check(f"from {visitor_address(request)}", "attempts to sign in")


def _redirect(request: Request) -> str:
    """The address to come back to, as the provider was told it."""
    return f"{service_url(request)}{_BACK}"
