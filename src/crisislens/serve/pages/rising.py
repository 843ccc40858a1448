"""What rises, place by place, with the test's figures."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from crisislens.live.bursts import TEST
from crisislens.live.rising import LEAST_BLOCKS, rising
from crisislens.serve.access import Viewer
from crisislens.serve.filters import query_of
from crisislens.serve.pages.overview import WINDOWS
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of

__all__ = ["router"]

router = APIRouter()
_LONGEST_H = 168


@router.get("/rising")
def what_rises(
    request: Request, visitor: Viewer, hours: Annotated[int, Query(ge=1, le=_LONGEST_H)] = 6, place: str = ""
) -> Response:
    """Everything that rises against its own past."""
    looked = rising(service_of(request).store, hours, place=place or None)
    spans = [
        (words, f"/rising?{query_of({'hours': span, 'place': place})}", span == hours)
        for span, words in WINDOWS.items()
        if span <= _LONGEST_H
    ]
    since = looked.since.strftime("%Y-%m-%dT%H:%M")
    links = []
    for one in looked.found:
        chosen = {**one.filters, "since": since, "order": "urgency"}
        links.append("/posts?" + query_of({**chosen, "place": "" if one.place == "*" else one.place}))
    return page(
        request,
        "rising.html",
        visitor,
        here="/",
        title="What rises",
        looked=looked,
        found=list(zip(looked.found, links, strict=True)),
        windows=spans,
        window=WINDOWS.get(hours, f"{hours} hours"),
        place=place,
        test=TEST,
        least_blocks=LEAST_BLOCKS,
    )
