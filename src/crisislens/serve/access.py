"""Who may do what. Every route names one role that it needs; a test reads that table from the application
and tries every role on every route.

Programs send a key (`Authorization: Bearer cl_…`). People sign in and have a session in a cookie that scripts
cannot read; what changes something must also carry the session's own proof (`X-CSRF-Token` or the form field
`csrf`), which a page of another site cannot know.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from crisislens.serve.addresses import visitor_address
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import KeyRow, Role

__all__ = [
    "COOKIE",
    "Admin",
    "Anyone",
    "Needs",
    "Reviewer",
    "Viewer",
    "Visitor",
    "may",
    "recent_key",
    "sign_in_cookie",
    "sign_out_cookie",
]

COOKIE: Final = "crisislens_session"
_RANKS: Final = {"viewer": 1, "reviewer": 2, "admin": 3}
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# who watches whether the process lives and takes posts, and the many files of one page
_FREE: Final = ("/healthz", "/readyz", "/static/")
_FORMS: Final = ("application/x-www-form-urlencoded",)


@dataclass(frozen=True)
class Visitor:
    """Who asks.

    Attributes:
        name: The person's or the key's name.
        role: What may be done.
        actor: As the audit trail names them: `user:NAME` or `key:PREFIX`.
        user_id: The person; None for a key.
        csrf: The proof of the session; empty for a key.
    """

    name: str
    role: Role
    actor: str
    user_id: int | None
    csrf: str = ""

    @property
    def may_review(self) -> bool:
        """Whether this is a person with the role for it; a program has no opinion."""
        return self.user_id is not None and may(self.role, "reviewer")

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return self.role == "admin"


class Needs:
    """The one thing that a route needs.

    Arguments:
        role: The least role; None lets everybody in, signed in or not.
    """

    def __init__(self, role: Role | None) -> None:
        self.role = role

    async def __call__(self, request: Request) -> Visitor | None:
        """Finds out who asks.

        Raises:
            ProblemError: 401 where nobody is known, 403 where the role does not reach or the proof is
                missing, 429 where too many calls came.
        """
        service = service_of(request)
        visitor = await _visitor(request, service)
        if visitor is None:
            # over a socket of this computer nobody has an address, and all would share one count
            address = visitor_address(request)
            if address and not request.url.path.startswith(_FREE):
                service.calls.check(f"address:{address}", "calls of this address")
            if self.role is None:
                return None
            raise ProblemError(
                401,
                "nobody is signed in; sign in, or send a key as 'Authorization: Bearer cl_…'",
                {"WWW-Authenticate": "Bearer"},
            )
        request.scope["who"] = visitor.actor
        service.calls.check(visitor.actor, "calls of this key or person")
        if self.role is not None:
            if not may(visitor.role, self.role):
                raise ProblemError(403, f"this needs the role {self.role}, and yours is {visitor.role}")
            if visitor.csrf and request.method not in _READING:
                await _check_proof(request, visitor)
        return visitor


def may(role: Role, need: Role) -> bool:
    """Whether a role reaches what is needed."""
    return _RANKS[role] >= _RANKS[need]


Anyone = Annotated[Visitor | None, Depends(Needs(None))]
Viewer = Annotated[Visitor, Depends(Needs("viewer"))]
Reviewer = Annotated[Visitor, Depends(Needs("reviewer"))]
Admin = Annotated[Visitor, Depends(Needs("admin"))]


async def _visitor(request: Request, service: Service) -> Visitor | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind:
        return await _by_key(token.strip(), service) if kind.lower() == "bearer" else None
    cookie = request.cookies.get(COOKIE, "")
    return await _by_session(cookie, service) if cookie else None


def recent_key(authorization: bytes, service: Service) -> Visitor | None:
    """The program whose key was good in the last seconds; None where the store has to be asked."""
    kind, _, token = authorization.decode("latin-1").partition(" ")
    row = service.keys.get(token.strip()) if kind.lower() == "bearer" else None
    return None if row is None else _program(row)


async def _by_key(token: str, service: Service) -> Visitor | None:
    row = service.keys.get(token)
    if row is None:
        row = await run_in_threadpool(service.store.keys.check, token)
        if row is None:
            return None
        service.keys.put(token, row)
    return _program(row)


def _program(row: KeyRow) -> Visitor:
    return Visitor(row.name, row.role, f"key:{row.prefix}", None)


async def _by_session(token: str, service: Service) -> Visitor | None:
    row = service.sessions.get(token)
    if row is None:
        row = await run_in_threadpool(service.store.sessions.check, token)
        if row is None:
            return None
        service.sessions.put(token, row)
    user = row.user
    return Visitor(user.name, user.role, f"user:{user.name}", user.id, row.csrf)


async def _check_proof(request: Request, visitor: Visitor) -> None:
    """Refuses what another site may have made a signed-in browser send.

    Raises:
        ProblemError: 403.
    """
    given = request.headers.get("x-csrf-token", "")
    if not given and request.headers.get("content-type", "").startswith(_FORMS):
        form = await request.form()
        field = form.get("csrf", "")
        given = field if isinstance(field, str) else ""
    same_site = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    if not same_site or not secrets.compare_digest(given.encode("utf-8", "replace"), visitor.csrf.encode()):
        raise ProblemError(403, "the proof against forged requests is missing or old; load the page again")


def sign_in_cookie(response: Response, token: str, service: Service) -> None:
    """Keeps a session in the browser, where no script can read it."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(service.settings.session_h * 3600),
        httponly=True,
        secure=service.settings.secure,
        samesite="lax",
        path="/",
    )


def sign_out_cookie(response: Response) -> None:
    """Has the browser forget the session."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
