"""Coming in and going out: signing in, the link that works once, one's own password."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Path
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.core.errors import CrisisLensError
from crisislens.serve.access import COOKIE, Anyone, Viewer, sign_in_cookie, sign_out_cookie
from crisislens.serve.addresses import visitor_address
from crisislens.serve.api.posts import person
from crisislens.serve.pages.render import STATIC, asset, page
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of

__all__ = ["inside", "router", "sign_in_form"]

router = APIRouter()
_Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{8,200}$")]


@router.get("/sign-in")
def sign_in_page(request: Request, visitor: Anyone, next: str = "/") -> Response:
    """The form."""
    return sign_in_form(request, service_of(request), next)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    visitor: Anyone,
    name: Annotated[str, Form(max_length=80)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Checks a name and its password; slow on purpose, and slowed further where many attempts come."""
    service = service_of(request)
    _same_site(request)
    address = visitor_address(request)
    # of one address and of one name, so that neither many names nor many addresses help a guesser
    for visitor_name in (f"from {address}", f"as {name.lower()}"):
        service.sign_ins.check(visitor_name, "attempts to sign in")
    user = await run_in_threadpool(service.store.users.check, name, password)
    if user is None:
        return sign_in_form(
            request, service, next, "This name and this password do not belong together.", 403
        )
    token, _ = await run_in_threadpool(
        service.store.sessions.start, user.id, hours=service.settings.session_h
    )
    answer = RedirectResponse(inside(next), 303)
    sign_in_cookie(answer, token, service)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, visitor: Viewer) -> Response:
    """Ends the session here and in the store."""
    service = service_of(request)
    token = request.cookies.get(COOKIE, "")
    if token:
        await run_in_threadpool(service.store.sessions.end, token)
        service.sessions.clear()
    answer = RedirectResponse("/sign-in", 303)
    sign_out_cookie(answer)
    return answer


@router.get("/welcome/{token}")
def welcome_page(request: Request, visitor: Anyone, token: _Token) -> Response:
    """Asks first: a program that looks at links must not use them up."""
    return page(request, "welcome.html", None, title="Welcome", ticket=token, problem="")


@router.post("/welcome")
async def welcome(
    request: Request, visitor: Anyone, ticket: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Signs in by a link that works once."""
    service = service_of(request)
    _same_site(request)
    address = visitor_address(request)
    service.sign_ins.check(f"from {address}", "attempts to sign in")
    found = await run_in_threadpool(service.store.sessions.redeem, ticket, hours=service.settings.session_h)
    if found is None:
        said = "This link was used or is too old. `crisislens user link NAME` makes a new one."
        return page(request, "welcome.html", None, 403, title="Welcome", ticket="", problem=said)
    token, session = found
    # who has no password yet is asked for one first
    answer = RedirectResponse("/" if session.user.has_password else "/account", 303)
    sign_in_cookie(answer, token, service)
    return answer


@router.get("/account")
def account(request: Request, visitor: Viewer) -> Response:
    """One's own password."""
    user = service_of(request).store.users.get(person(visitor))
    return page(request, "account.html", visitor, title="Your account", user=user, problem="", said="")


@router.post("/account")
async def change_password(
    request: Request,
    visitor: Viewer,
    password: Annotated[str, Form(max_length=200)] = "",
    before: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Sets one's own password; the one before is asked for where there is one."""
    service = service_of(request)
    store = service.store
    user = await run_in_threadpool(store.users.get, person(visitor))
    problem = ""
    if user.has_password:
        service.sign_ins.check(f"as {user.name.lower()}", "attempts to sign in")
        right = await run_in_threadpool(store.users.check, user.name, before)
        problem = "" if right else "The password before is another one."
    if not problem:
        try:
            await run_in_threadpool(store.users.change, user.id, password=password, actor=visitor.actor)
        except CrisisLensError as error:
            problem = str(error)
    if problem:
        values = {"title": "Your account", "user": user, "problem": problem, "said": ""}
        return page(request, "account.html", visitor, 422, **values)
    service.forget()
    # a new password ends all sessions, so this browser gets a new one
    token, _ = await run_in_threadpool(store.sessions.start, user.id, hours=service.settings.session_h)
    answer = RedirectResponse("/", 303)
    sign_in_cookie(answer, token, service)
    return answer


@router.get("/static/{name}")
def static(request: Request, visitor: Anyone, name: str) -> Response:
    """The files that pages load; the address changes whenever they do."""
    if name not in STATIC:
        raise ProblemError(404, "there is no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"} if request.url.query else {}
    return Response(asset(name), media_type=STATIC[name], headers=headers)


@router.get("/robots.txt")
def robots(visitor: Anyone) -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain")


@router.get("/about")
def about(request: Request, visitor: Anyone) -> Response:
    """What this is, and how far to trust it."""
    return page(request, "about.html", visitor, title="About this service")


def sign_in_form(
    request: Request, service: Service, next: str, problem: str = "", status: int = 200
) -> Response:
    """The form, with what went wrong."""
    first = not any(user.has_password for user in service.store.users.all())
    values = {"next": inside(next), "problem": problem, "first": first}
    values["provider"] = service.provider.name if service.provider is not None else ""
    return page(request, "sign-in.html", None, status, title="Sign in", **values)


def inside(path: str) -> str:
    """An address of this server, wherever the request wants to be led.

    >>> inside("/queue?lane=unread"), inside("//evil.example"), inside("https://evil.example/")
    ('/queue?lane=unread', '/', '/')
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    plain = path.isprintable() and "\\" not in path
    inside = plain and not parts.scheme and not parts.netloc and path.startswith("/") and path[1:2] != "/"
    return path if inside else "/"


def _same_site(request: Request) -> None:
    """Refuses to be signed in by a form of another site.

    Raises:
        ProblemError: 403.
    """
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    here = f"{request.url.hostname}:{request.url.port}" if request.url.port else request.url.hostname
    foreign = origin not in (None, "null") and urlsplit(origin or "").netloc not in (
        here,
        request.headers.get("host"),
    )
    if site not in ("same-origin", "none") or foreign:
        raise ProblemError(403, "this form is of another site")
