"""`GET /v1/situation`: what the last hours brought, each sentence with the posts behind it."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request

from crisislens.serve.access import Viewer
from crisislens.serve.service import service_of
from crisislens.serve.situation import Situation, situation

__all__ = ["router"]

router = APIRouter(tags=["posts"])


@router.get("/v1/situation", summary="What the last hours brought")
def get(
    request: Request,
    visitor: Viewer,
    hours: Annotated[float, Query(gt=0, le=24 * 366)] = 24,
    place: Annotated[str | None, Query(max_length=200, description="Id of a place")] = None,
) -> Situation:
    """Counts by label and place, and sentences that are counted, not written by a model."""
    found, _ = situation(service_of(request).store, hours, place=place or None)
    return found
