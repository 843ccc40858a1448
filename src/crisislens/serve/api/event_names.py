"""Names of events, and which of them people call one."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.live.same_event import Suggestion, suggestions
from crisislens.serve.access import Reviewer, Viewer
from crisislens.serve.service import service_of
from crisislens.store.records import EventName, NamePair

__all__ = ["router"]

router = APIRouter(tags=["situation"])
_EXAMPLE: Final[dict[str, Any]] = {
    "one": {"value": {"one": "nepal_quake", "other": "2015_Nepal_Earthquake", "same": True}}
}


class Decided(BaseModel):
    """What a person says of two names."""

    model_config = ConfigDict(extra="forbid")

    one: str = Field(min_length=1, max_length=500)
    other: str = Field(min_length=1, max_length=500)
    same: bool | None = Field(description="Whether they are one event; null takes a decision back")


class Events(BaseModel):
    """Names, what people decided on pairs, and what may be one event."""

    names: list[EventName]
    decided: list[NamePair]
    suggested: list[Suggestion]


@router.get("/v1/event-names", summary="Names of events, and which may be one")
def event_names(request: Request, visitor: Viewer) -> Events:
    """Suggestions say why; nothing is joined unless a person says so."""
    store = service_of(request).store
    names, decided = store.event_names.all(), store.event_names.pairs()
    return Events(names=list(names), decided=list(decided), suggested=suggestions(names, decided))


@router.put("/v1/event-names", status_code=204, summary="Say whether two names are one event")
def decide(
    request: Request, visitor: Reviewer, decided: Annotated[Decided, Body(openapi_examples=_EXAMPLE)]
) -> Response:
    """A filter by one of the names then finds the posts of both."""
    names = service_of(request).store.event_names
    if decided.same is None:
        names.take_back(decided.one, decided.other, actor=visitor.actor)
    else:
        names.decide(decided.one, decided.other, decided.same, actor=visitor.actor)
    return Response(status_code=204)
