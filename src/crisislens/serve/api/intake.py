"""`POST /v1/posts`: one post, a batch, NDJSON, or one with photos.

A post is taken when it is on disk, and answered with 202 before any model has seen it. What a model says is
read later, or waited for with `?wait=`. The same key again is 200 with the same number; with other content
409. A batch answers for each row: rows in are rows out.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from crisislens.core.errors import ImageError
from crisislens.core.lines import cut_lines
from crisislens.serve.access import Reviewer
from crisislens.serve.api.schemas import EXAMPLE, IncomingPost, Outcome, Results, SourceName, Taken
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import Accepted, NewPost, Photo

__all__ = ["router", "wait_for"]

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
_REASONS = {
    "conflict": "this id is here with other content; nothing was changed",
    "erased": "this post was erased here and is not taken again",
}
_FINISHED = frozenset({"done", "failed"})


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
    source: SourceName = "api",
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the assessment")] = 0,
) -> Response:
    """Takes one post, up to 500 as a JSON array, NDJSON, or one with up to four photos."""
    service = service_of(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        values = _json(await _body(request))
        if isinstance(values, list):
            return await _many(service, source, values, wait)
        return await _one(service, source, _post(values), (), wait)
    if kind in ("application/x-ndjson", "application/jsonl"):
        return await _many(service, source, _lines(await _body(request)), wait)
    if kind == "multipart/form-data":
        post, photos = await _form(request, service)
        return await _one(service, source, post, photos, wait)
    raise ProblemError(415, "send application/json, application/x-ndjson or multipart/form-data")


async def wait_for(service: Service, ids: Sequence[int], seconds: float) -> dict[int, str]:
    """Waits until all posts are assessed or have failed, or the time is over; their states then."""
    ends = asyncio.get_running_loop().time() + seconds
    with service.news.listening():
        while True:
            mark = service.news.mark()
            states = await run_in_threadpool(service.store.posts.states, ids)
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or all(state in _FINISHED for state in states.values()) or service.news.ended:
                return states
            await service.news.changed(mark, min(left, 1.0))


async def _one(
    service: Service, source: str, post: IncomingPost, photos: tuple[Photo, ...], wait: float
) -> Response:
    [found] = await _store(service, source, [post.stored(photos)])
    if found.outcome in _REASONS:
        raise ProblemError(410 if found.outcome == "erased" else 409, _REASONS[found.outcome])
    assert found.id is not None
    state: str | None = found.state
    assessment = None
    if wait and state not in _FINISHED:
        state = (await wait_for(service, [found.id], wait)).get(found.id)
    if wait and state == "done":
        document = await run_in_threadpool(service.store.posts.assessment, found.id)
        assessment = json.loads(document) if document else None
    taken = Taken(
        id=found.id,
        external_id=post.id,
        state=state,
        created=found.outcome in ("created", "replaced"),
        notes=[photo.reason for photo in photos if photo.reason],
        assessment=assessment,
    )
    status = 202 if taken.created else 200
    return JSONResponse(taken.model_dump(), status, headers={"Location": f"/v1/posts/{found.id}"})


async def _many(service: Service, source: str, rows: Sequence[Any], wait: float) -> Response:
    """A batch: rows that are no posts are refused, and cost no other row."""
    most = service.limits.posts
    if not 1 <= len(rows) <= most:
        raise ProblemError(422, f"a call takes 1 to {most} posts; this one has {len(rows)}")
    outcomes: list[Outcome | None] = []
    good: list[tuple[int, NewPost]] = []
    for number, values in enumerate(rows):
        try:
            good.append((number, _post(values).stored()))
            outcomes.append(None)
        except ProblemError as error:
            outcomes.append(_refused(number, values, error.detail))
    if good:
        taken = await _store(service, source, [post for _, post in good])
        ids = [found.id for found in taken if found.id is not None]
        states = await wait_for(service, ids, wait) if wait and ids else {}
        for (number, _), found in zip(good, taken, strict=True):
            outcomes[number] = _outcome(number, found, states)
    results = [outcome for outcome in outcomes if outcome is not None]
    kinds = [outcome.outcome for outcome in results]
    created, same = kinds.count("created") + kinds.count("replaced"), kinds.count("same")
    body = Results(created=created, same=same, refused=len(kinds) - created - same, results=results)
    status = 202 if created else 200 if same else 422
    if status == 422 and all(kind == "conflict" for kind in kinds):
        status = 409
    return JSONResponse(body.model_dump(), status)


async def _store(service: Service, source: str, posts: list[NewPost]) -> list[Accepted]:
    taken = await asyncio.wrap_future(service.store.posts.accept_soon(source, posts))
    for found in taken:
        service.metrics.accepted.labels(found.outcome).inc()
    if any(found.outcome == "replaced" for found in taken):
        await run_in_threadpool(service.store.posts.tidy)
    return taken


def _outcome(row: int, found: Accepted, states: dict[int, str]) -> Outcome:
    return Outcome(
        row=row,
        external_id=found.external_id,
        id=found.id,
        outcome=found.outcome,
        reason=_REASONS.get(found.outcome),
        state=states.get(found.id or 0, found.state),
    )


def _refused(row: int, values: Any, reason: str) -> Outcome:
    given = values.get("id") if isinstance(values, dict) else None
    name = str(given)[:500] if isinstance(given, (str, int)) else None
    return Outcome(row=row, external_id=name, id=None, outcome="refused", reason=reason)


def _post(values: Any) -> IncomingPost:
    """A post of what JSON gave.

    Raises:
        ProblemError: 422; the sentence names the field and holds nothing of what was sent.
    """
    try:
        return IncomingPost.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])[:100] or "the post"
        raise ProblemError(422, f"{where}: {first['msg']}"[:300]) from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise ProblemError(422, "the body is not JSON in UTF-8") from None


def _lines(body: bytes) -> list[Any]:
    """The values of NDJSON; a line that is not JSON is no post, which its row will say."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise ProblemError(422, "the body is not UTF-8") from None
    values: list[Any] = []
    for line in cut_lines(text):
        if not line.strip():
            continue
        try:
            values.append(json.loads(line))
        except (ValueError, RecursionError):
            values.append(None)
    return values


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
        post = _post(_json(given.encode("utf-8", "replace")))
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
