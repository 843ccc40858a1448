"""Events by their names: which may be one, and what people decided."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.live.same_event import suggestions
from crisislens.serve.access import Reviewer, Viewer
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of

__all__ = ["router"]

router = APIRouter()
_MOST_SHOWN = 50
Name = Annotated[str, Form(min_length=1, max_length=500)]


@router.get("/events")
def events(request: Request, visitor: Viewer) -> Response:
    """All names, and the pairs that may be one event."""
    store = service_of(request).store
    names, decided = store.event_names.all(), store.event_names.pairs()
    return page(
        request,
        "events.html",
        visitor,
        here="/",
        title="Events",
        names=names,
        decided=decided,
        suggested=suggestions(names, decided)[:_MOST_SHOWN],
    )


@router.post("/events")
def decide(
    request: Request,
    visitor: Reviewer,
    one: Name,
    other: Name,
    said: Annotated[Literal["same", "apart", "undecided"], Form()],
) -> Response:
    """Says whether two names are one event, or takes that back."""
    names = service_of(request).store.event_names
    if said == "undecided":
        names.take_back(one, other, actor=visitor.actor)
    else:
        names.decide(one, other, said == "same", actor=visitor.actor)
    return RedirectResponse("/events", 303)
