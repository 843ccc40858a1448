"""The situation as it moves: a digest in which each sentence names its posts, and what rises."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from crisislens.live.digest import Digest, digest_of
from crisislens.live.forms import html_digest, markdown_digest
from crisislens.live.rising import Rising, rising
from crisislens.serve.access import Viewer
from crisislens.serve.addresses import service_url
from crisislens.serve.service import service_of

__all__ = ["router"]

router = APIRouter(tags=["situation"])
Place = Annotated[str | None, Query(max_length=200, description="Id of a place; everywhere without")]
_HEADLINE: Final = "Kathmandu, last 6 h: 214 informative, 31 call for help, 12 water (rising)"
_MARKDOWN: Final = (
    f"**{_HEADLINE}**\n\n- [12 posts say “water”\\.](https://lens.example.org/posts?label=needs%3Awater) "
    "Posts: [7](https://lens.example.org/posts/7)\n"
)
_HTML: Final = (
    f"<p><strong>{_HEADLINE}</strong></p>\n<ul>\n"
    '<li><a href="https://lens.example.org/posts?label=needs%3Awater">12 posts say “water”.</a> '
    'Posts: <a href="https://lens.example.org/posts/7">7</a></li>\n</ul>\n'
)


@router.get(
    "/v1/digest",
    summary="The last hours in sentences",
    response_model=Digest,
    responses={
        200: {
            "content": {
                "text/markdown": {"schema": {"type": "string"}, "example": _MARKDOWN},
                "text/html": {"schema": {"type": "string"}, "example": _HTML},
            }
        }
    },
)
def digest(
    request: Request,
    visitor: Viewer,
    hours: Annotated[int, Query(ge=1, le=24 * 366, openapi_examples={"six": {"value": 6}})] = 6,
    place: Place = None,
    form: Annotated[Literal["json", "markdown", "html"], Query(description="In which form")] = "json",
) -> Response:
    """Each sentence is counted, not written by a model, and names posts; without one there is no sentence."""
    found = digest_of(service_of(request).store, hours, place=place or None)
    base = service_url(request)
    if form == "markdown":
        return Response(markdown_digest(found, base), media_type="text/markdown; charset=utf-8")
    if form == "html":
        return Response(html_digest(found, base), media_type="text/html; charset=utf-8")
    return Response(found.model_dump_json(), media_type="application/json")


@router.get("/v1/rising", summary="What rises against its own past")
def what_rises(
    request: Request,
    visitor: Viewer,
    hours: Annotated[int, Query(ge=1, le=168, description="The length of a block")] = 6,
    place: Place = None,
) -> Rising:
    """Places and needs, with the test's figures and the most urgent posts; see docs/live.md."""
    return rising(service_of(request).store, hours, place=place or None)
