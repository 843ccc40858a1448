"""Sources, people, keys and the audit trail, for administrators."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.serve.access import Admin, Viewer
from crisislens.serve.service import service_of
from crisislens.store.records import AuditRow, DeadLetterRow, KeyRow, Role, UserRow, silent_minutes

__all__ = ["router"]

router = APIRouter(tags=["administration"])
Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Name = Annotated[str, Path(min_length=1, max_length=80)]
BeforeId = Annotated[int | None, Query(ge=1, le=2**53, description="Entries before this one")]
Most = Annotated[int, Query(ge=1, le=500)]


class SourceOut(BaseModel):
    """Where posts come from, and how it fares."""

    name: str
    kind: str
    enabled: bool
    posts: int
    dead: int = Field(description="What it sent and could not become a post")
    last_at: datetime | None = Field(description="When its last post came")
    lag_s: float | None = Field(description="How long ago that was, in seconds")
    cursor_at: datetime | None
    silent_minutes: float | None = Field(description="Longer than it should be without a new post")


class SourceChange(BaseModel):
    """What to change of a source."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


class NewUser(BaseModel):
    """A person to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    role: Role
    password: str | None = Field(default=None, max_length=200, description="12 characters or more, or none")


class UserChange(BaseModel):
    """What to change of a person."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    active: bool | None = None
    password: str | None = Field(default=None, max_length=200)


class NewKey(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    role: Role
    days: int | None = Field(default=None, ge=1, le=3650, description="How long it is good; none: for ever")


class KeyMade(BaseModel):
    """A new key; its text is shown this once."""

    key: str
    row: KeyRow


class LinkMade(BaseModel):
    """A link that signs in once."""

    path: str


@router.get("/v1/sources", summary="Where posts come from")
def sources(request: Request, visitor: Viewer) -> list[SourceOut]:
    """All sources with their lag: one that has brought nothing for long may be broken."""
    now = datetime.now(UTC)
    return [
        SourceOut(
            silent_minutes=silent_minutes(row, now),
            lag_s=(now - row.last_at).total_seconds() if row.last_at else None,
            **row.model_dump(include=SourceOut.model_fields.keys() - {"lag_s", "silent_minutes"}),
        )
        for row in service_of(request).store.sources.all()
    ]


@router.patch("/v1/sources/{name:path}", summary="Switch a source on or off")
def change_source(request: Request, visitor: Admin, name: Name, change: SourceChange) -> dict[str, Any]:
    """Whether it is read."""
    row = service_of(request).store.sources.change(name, enabled=change.enabled, actor=visitor.actor)
    return {"name": row.name, "enabled": row.enabled}


@router.get("/v1/dead-letters", summary="What could not become a post")
def dead_letters(
    request: Request, visitor: Admin, source: str | None = None, before: BeforeId = None, limit: Most = 100
) -> list[DeadLetterRow]:
    """The newest first."""
    store = service_of(request).store
    return list(store.dead_letters.list(source=source, before_id=before, most=limit))


@router.delete("/v1/dead-letters/{letter_id}", status_code=204, summary="Throw a dead letter away")
def remove_dead_letter(
    request: Request, visitor: Admin, letter_id: Annotated[int, Path(ge=1, le=2**53)]
) -> Response:
    """It is gone."""
    service_of(request).store.dead_letters.remove(letter_id, actor=visitor.actor)
    return Response(status_code=204)


@router.get("/v1/users", summary="People")
def users(request: Request, visitor: Admin) -> list[UserRow]:
    """Everybody, by name."""
    return list(service_of(request).store.users.all())


@router.post("/v1/users", status_code=201, summary="Add a person")
def add_user(request: Request, visitor: Admin, new: NewUser) -> UserRow:
    """Without a password, only a link signs in."""
    store = service_of(request).store
    return store.users.add(new.name, new.role, password=new.password or None, actor=visitor.actor)


@router.patch("/v1/users/{user_id}", summary="Change a person")
def change_user(request: Request, visitor: Admin, user_id: Id, change: UserChange) -> UserRow:
    """A new role or password, and being inactive, ends their sessions."""
    service = service_of(request)
    row = service.store.users.change(
        user_id, role=change.role, active=change.active, password=change.password, actor=visitor.actor
    )
    service.forget()
    return row


@router.post("/v1/users/{user_id}/link", status_code=201, summary="A link that signs in once")
def user_link(request: Request, visitor: Admin, user_id: Id) -> LinkMade:
    """Good for an hour."""
    store = service_of(request).store
    user = store.users.get(user_id)
    token = store.sessions.link(user.id, minutes=60)
    store.audit.add(visitor.actor, "user.link", f"user:{user.name}")
    return LinkMade(path=f"/welcome/{token}")


@router.get("/v1/keys", summary="Keys of programs")
def keys(request: Request, visitor: Admin) -> list[KeyRow]:
    """All of them, without the keys."""
    return list(service_of(request).store.keys.all())


@router.post("/v1/keys", status_code=201, summary="Make a key")
def add_key(request: Request, visitor: Admin, new: NewKey) -> KeyMade:
    """The key is in this answer and nowhere else."""
    expires = datetime.now(UTC) + timedelta(days=new.days) if new.days else None
    key, row = service_of(request).store.keys.add(new.name, new.role, expires=expires, actor=visitor.actor)
    return KeyMade(key=key, row=row)


@router.delete("/v1/keys/{key_id}", status_code=204, summary="End a key")
def revoke_key(request: Request, visitor: Admin, key_id: Id) -> Response:
    """It is good no more."""
    service = service_of(request)
    service.store.keys.revoke(key_id, actor=visitor.actor)
    service.forget()
    return Response(status_code=204)


@router.get("/v1/audit", summary="Who changed what")
def audit(request: Request, visitor: Admin, before: BeforeId = None, limit: Most = 100) -> list[AuditRow]:
    """The newest first; each entry holds the digest of the one before."""
    return list(service_of(request).store.audit.list(before_id=before, most=limit))
