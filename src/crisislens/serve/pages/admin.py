"""Sources and their dead letters, people, keys, the audit trail, erasing: forms over what the API does."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Form, Path
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.core.errors import CrisisLensError, InputError, NotFoundError
from crisislens.report.display import shorten
from crisislens.serve.access import Admin, Viewer, Visitor
from crisislens.serve.addresses import service_url
from crisislens.serve.api.posts import PostId
from crisislens.serve.api.schemas import IncomingPost
from crisislens.serve.pages.overview import ago
from crisislens.serve.pages.render import page
from crisislens.serve.service import Service, service_of
from crisislens.store.records import Role, SourceFilters, SourceRow, filters_of, silent_minutes

__all__ = ["router"]

router = APIRouter()
_ROLES: tuple[Role, ...] = get_args(Role)
_LINK_MIN = 60
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
LetterId = Annotated[int, Path(ge=1, le=2**53)]
Name = Annotated[str, Form(min_length=1, max_length=80)]
_RoleField = Annotated[Role, Form()]
_Words = Annotated[str, Form(max_length=5_000)]


@router.get("/sources")
def sources(request: Request, visitor: Viewer) -> Response:
    """Where posts come from, and what could not become a post."""
    return _sources(request, service_of(request), visitor)


@router.post("/sources/letters/{letter_id}/replay")
def replay(request: Request, visitor: Admin, letter_id: LetterId) -> Response:
    """Tries a dead letter again as a post in JSON."""
    service = service_of(request)
    letter = service.store.dead_letters.get(letter_id)
    try:
        post = IncomingPost.model_validate(json.loads(letter.raw))
    except (ValueError, RecursionError, ValidationError):
        said = f"Letter {letter_id} is still no post: it is not the JSON of one."
        return _sources(request, service, visitor, problem=said)
    [found] = service.store.posts.accept(letter.source, [post.stored()])
    service.store.dead_letters.remove(letter_id, actor=visitor.actor)
    return _sources(request, service, visitor, said=f"Letter {letter_id}: {found.outcome}.")


@router.post("/sources/letters/{letter_id}/remove")
def remove_letter(request: Request, visitor: Admin, letter_id: LetterId) -> Response:
    """Throws a dead letter away."""
    service_of(request).store.dead_letters.remove(letter_id, actor=visitor.actor)
    return RedirectResponse("/sources", 303)


@router.post("/sources/switch")
def switch(
    request: Request, visitor: Admin, name: Name, enabled: Annotated[bool, Form()] = False
) -> Response:
    """Switches a source on or off."""
    service_of(request).store.sources.change(name, enabled=enabled, actor=visitor.actor)
    return RedirectResponse("/sources", 303)


@router.post("/sources/filters")
def set_filters(
    request: Request,
    visitor: Admin,
    name: Name,
    keep: _Words = "",
    drop: _Words = "",
    languages: _Words = "",
    box: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Which posts of a source are taken; a stream that runs sees it within ten seconds."""
    service = service_of(request)
    source = service.store.sources.by_name(name)
    if source is None:
        raise NotFoundError(f"there is no source {name!r:.80}; it may have another name")
    try:
        sides = [float(side) for side in box.split(",")] if box.strip() else None
        corners = dict(zip(("west", "south", "east", "north"), sides or (), strict=sides is not None))
        given = {"keep": _words(keep), "drop": _words(drop), "box": corners or None}
        filters = SourceFilters(languages=tuple(word.lower() for word in _words(languages)), **given)
    except ValueError:
        said = "The box is four numbers: west, south, east, north, in degrees. Nothing was changed."
        return _sources(request, service, visitor, problem=said)
    kept = filters.model_dump(mode="json", exclude_defaults=True)
    service.store.sources.change(name, config={**source.config, "filters": kept}, actor=visitor.actor)
    return _sources(request, service, visitor, said=f"Filters of {name} are kept.")


def _words(given: str) -> tuple[str, ...]:
    """Words that stand one a line or with commas between."""
    words = (word.strip()[:100] for line in given.split("\n") for word in line.split(","))
    return tuple(word for word in words if word)[:200]


@router.post("/posts/{post_id}/erase")
def erase(
    request: Request,
    visitor: Admin,
    post_id: PostId,
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Takes a post out for good."""
    store = service_of(request).store
    store.posts.get(post_id)
    store.erasure.posts([post_id], actor=visitor.actor, reason=reason)
    return RedirectResponse("/posts", 303)


@router.get("/admin")
def admin(request: Request, visitor: Admin) -> Response:
    """People, keys, erasing, and who changed what."""
    return _admin(request, service_of(request), visitor)


@router.post("/admin/users")
def add_user(
    request: Request,
    visitor: Admin,
    name: Name,
    role: _RoleField,
    password: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Adds a person; without a password there is a link to hand over."""
    service = service_of(request)
    try:
        user = service.store.users.add(name, role, password=password or None, actor=visitor.actor)
    except InputError as error:
        return _admin(request, service, visitor, problem=str(error), status=error.http_status)
    if password:
        return _admin(request, service, visitor, said=f"{user.name} may sign in now.")
    return _linked(request, service, visitor, user.id, user.name)


@router.post("/admin/users/{user_id}")
def change_user(
    request: Request,
    visitor: Admin,
    user_id: Id,
    role: Annotated[Role | None, Form()] = None,
    active: Annotated[bool | None, Form()] = None,
) -> Response:
    """Changes a role, or lets somebody in no more."""
    service = service_of(request)
    try:
        service.store.users.change(user_id, role=role, active=active, actor=visitor.actor)
    except CrisisLensError as error:
        return _admin(request, service, visitor, problem=str(error), status=error.http_status)
    service.forget()
    return RedirectResponse("/admin", 303)


@router.post("/admin/users/{user_id}/link")
def link_user(request: Request, visitor: Admin, user_id: Id) -> Response:
    """Makes a link that signs in once."""
    service = service_of(request)
    user = service.store.users.get(user_id)
    return _linked(request, service, visitor, user.id, user.name)


@router.post("/admin/keys")
def add_key(
    request: Request,
    visitor: Admin,
    name: Name,
    role: _RoleField,
    days: Annotated[int, Form(ge=0, le=3650)] = 0,
) -> Response:
    """Makes a key; the page shows it this once."""
    service = service_of(request)
    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    key, _ = service.store.keys.add(name, role, expires=expires, actor=visitor.actor)
    return _admin(request, service, visitor, once=key, said="Copy the key now; it is not shown again:")


@router.post("/admin/keys/{key_id}/revoke")
def revoke_key(request: Request, visitor: Admin, key_id: Id) -> Response:
    """Ends a key."""
    service = service_of(request)
    service.store.keys.revoke(key_id, actor=visitor.actor)
    service.forget()
    return RedirectResponse("/admin", 303)


@router.post("/admin/erase")
def erase_many(
    request: Request,
    visitor: Admin,
    what: Annotated[str, Form(pattern="^(key|author)$")],
    value: Annotated[str, Form(min_length=1, max_length=500)],
    source: Annotated[str, Form(max_length=80)] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Erases everything of an author, or a post by its id at the source, whether it has come or not."""
    service = service_of(request)
    erasure = service.store.erasure
    if what == "author":
        swept = erasure.author(value, actor=visitor.actor, reason=reason)
        said = f"{swept.posts} posts of this author were erased."
    else:
        there = erasure.key(source, value, actor=visitor.actor, reason=reason)
        said = "The post was erased." if there else "No such post was here; it will not be taken."
    return _admin(request, service, visitor, said=said)


def _linked(request: Request, service: Service, visitor: Visitor, user_id: int, name: str) -> Response:
    token = service.store.sessions.link(user_id, minutes=_LINK_MIN)
    service.store.audit.add(visitor.actor, "user.link", f"user:{name}")
    link = f"{service_url(request)}/welcome/{token}"
    said = f"Hand this link to {name}; it signs in once, within {_LINK_MIN} minutes:"
    return _admin(request, service, visitor, once=link, said=said)


def _admin(
    request: Request,
    service: Service,
    visitor: Visitor,
    *,
    said: str = "",
    once: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    store = service.store
    values: dict[str, Any] = {
        "users": store.users.all(),
        "keys": store.keys.all(),
        "audit": store.audit.list(most=50),
        "roles": _ROLES,
        "said": said,
        "once": once,
        "problem": problem,
    }
    return page(request, "admin.html", visitor, status, title="Admin", here="/admin", **values)


def _shown(source: SourceRow, now: datetime) -> dict[str, Any]:
    """What the page says of a source beside its row."""
    try:
        filters = filters_of(source.config)
    except InputError:
        # written by hand, and wrong: the form begins empty
        filters = SourceFilters()
    box = filters.box
    sides = () if box is None else (box.west, box.south, box.east, box.north)
    return {
        "silent": silent_minutes(source, now),
        "filters": filters,
        "box": ", ".join(f"{side:g}" for side in sides),
    }


def _sources(
    request: Request, service: Service, visitor: Visitor, *, said: str = "", problem: str = ""
) -> Response:
    store = service.store
    now = datetime.now(UTC)
    rows = [
        (source, ago((now - source.last_at).total_seconds() if source.last_at else None), _shown(source, now))
        for source in store.sources.all()
    ]
    letters = store.dead_letters.list(most=50) if visitor.is_admin else ()
    return page(
        request,
        "sources.html",
        visitor,
        422 if problem else 200,
        here="/sources",
        title="Sources",
        sources=rows,
        letters=[(letter, shorten(letter.raw, 200)[0]) for letter in letters],
        said=said,
        problem=problem,
    )
