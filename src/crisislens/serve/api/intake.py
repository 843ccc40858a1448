"""`POST /v1/posts`: one post, a batch, NDJSON, or one with photos.

A post is taken when it is on disk, and answered with 202 before any model has seen it. What a model says is
read later, or waited for with `?wait=`. The same key again is 200 with the same number; with other content
409. A batch answers for each row: rows in are rows out.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from crisislens.core.errors import ImageError
from crisislens.serve.access import Reviewer
from crisislens.serve.api.schemas import EXAMPLE, IncomingPost, Results, Taken
from crisislens.serve.api.taking import SOURCE, post_of, take_json, take_one, value_of
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import Photo

__all__ = ["router"]

router = APIRouter()
_POST_SCHEMA = {"$ref": "#/components/schemas/IncomingPost"}
_MANY = {"type": "array", "items": _POST_SCHEMA, "maxItems": 500}
_MULTIPART = {
    "type": "object",
    "required": ["post"],
    "properties": {
        "post": {"type": "string", "description": "The post as JSON"},
        "photo": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 4},
    },
}
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"oneOf": [_POST_SCHEMA, _MANY]},
            "examples": {"one": {"value": EXAMPLE}, "batch": {"value": [EXAMPLE]}},
        },
        "application/x-ndjson": {
            "schema": {"type": "string"},
            "examples": {"lines": {"value": json.dumps(EXAMPLE) + "\n"}},
        },
        "multipart/form-data": {"schema": _MULTIPART},
    },
}
_TAKEN = {"model": Taken, "description": "Taken, and on disk"}


@router.post(
    "/v1/posts",
    status_code=202,
    response_model=Taken | Results,
    responses={200: {"model": Taken | Results, "description": "Here before, word for word"}, 202: _TAKEN},
    openapi_extra={"requestBody": _BODY},
    summary="Send posts",
    tags=["posts"],
)
async def accept(
    request: Request,
    visitor: Reviewer,
    source: Annotated[str, Query(pattern=SOURCE, description="Where they come from")] = "api",
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the assessment")] = 0,
) -> Response:
    """Takes one post, up to 500 as a JSON array, NDJSON, or one with up to four photos."""
    service = service_of(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        post, photos = await _form(request, service)
        return await take_one(service, visitor, source, post, photos, wait)
    return await take_json(service, kind, await _body(request), source, visitor, wait)


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise ProblemError(400, "the request was cut off") from None


async def _form(request: Request, service: Service) -> tuple[IncomingPost, tuple[Photo, ...]]:
    """The post and the photos of a form; names of files are not looked at."""
    limits = service.limits
    # closed at the end, since large files of a form lie on disk
    async with request.form(max_files=limits.photos, max_fields=4) as form:
        given = form.get("post")
        if not isinstance(given, str):
            raise ProblemError(422, "post: expected a field with the post as JSON")
        post = post_of(value_of(given.encode("utf-8", "replace")))
        photos = [photo async for photo in _photos(form.getlist("photo"), service)]
        return post, tuple(photos)


async def _photos(files: Sequence[Any], service: Service) -> AsyncIterator[Photo]:
    for file in files:
        if not isinstance(file, UploadFile):
            raise ProblemError(422, "photo: expected a file")
        if (file.size or 0) > service.limits.photo_bytes:
            raise ProblemError(413, f"a photo takes at most {service.limits.photo_bytes} bytes")
        data = await file.read()
        try:
            yield await run_in_threadpool(service.store.blobs.keep, data)
        except ImageError as error:
            # the post counts all the same, and says why its photo was not looked at
            yield Photo(state="refused", reason=f"the photo was not used: {error}"[:300])
