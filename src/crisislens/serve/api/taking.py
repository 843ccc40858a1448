"""Posts from a body that was read to the answer that says what became of them: what both ways in share."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from crisislens.core.lines import cut_lines
from crisislens.serve.access import Visitor
from crisislens.serve.api.schemas import IncomingPost, Outcome, Results, Taken
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service
from crisislens.store.records import Accepted, NewPost, Photo
from crisislens.store.types import without_nul

__all__ = ["SOURCE", "post_of", "take_json", "take_one", "value_of", "wait_for"]

SOURCE: Final = r"^[\w][\w .:/#@+-]{0,79}$"
"""What a source may be called."""
_REASONS = {
    "conflict": "this id is here with other content; nothing was changed",
    "erased": "this post was erased here and is not taken again",
}
_OF_A_VERSION = (
    " (what is here is as late or later, or people reviewed it: then a later version takes the key of an "
    "administrator)"
)
_FINISHED = frozenset({"done", "failed"})


async def take_json(
    service: Service, kind: str, body: bytes, source: str, visitor: Visitor, wait: float = 0
) -> Response:
    """Takes what a body of JSON or of lines of JSON holds.

    Arguments:
        service: Where to.
        kind: The media type.
        body: The body, whole.
        source: Where the posts come from.
        visitor: Who sends them.
        wait: Seconds to wait for the assessment.

    Raises:
        ProblemError: 415 where it is neither, 422 where it holds no post, 409 or 410 where one is refused.
        CrisisLensError: If the store does not take them.
    """
    if kind == "application/json":
        values = value_of(body)
        if isinstance(values, list):
            return await _many(service, visitor, source, values, wait)
        return await take_one(service, visitor, source, post_of(values), (), wait)
    if kind in ("application/x-ndjson", "application/jsonl"):
        return await _many(service, visitor, source, _lines(body), wait)
    raise ProblemError(415, "send application/json, application/x-ndjson or multipart/form-data")


async def wait_for(service: Service, ids: Sequence[int], seconds: float) -> dict[int, str]:
    """Waits until all posts are assessed or have failed, or the time is over; their states then. Where too
    many listen already it does not wait: the posts are taken, and whoever sent them is to be told so.
    """
    if service.news.full:
        return await run_in_threadpool(service.store.posts.states, ids)
    ends = asyncio.get_running_loop().time() + seconds
    with service.news.listening():
        while True:
            mark = service.news.mark()
            states = await run_in_threadpool(service.store.posts.states, ids)
            left = ends - asyncio.get_running_loop().time()
            if left <= 0 or all(state in _FINISHED for state in states.values()) or service.news.ended:
                return states
            await service.news.changed(mark, min(left, 1.0))


async def take_one(
    service: Service,
    visitor: Visitor,
    source: str,
    post: IncomingPost,
    photos: tuple[Photo, ...],
    wait: float,
) -> Response:
    """Takes one post, with the photos that came along.

    Raises:
        ProblemError: 409 where its id is here with other content, 410 where it was erased.
        CrisisLensError: If the store does not take it.
    """
    [found] = await _store(service, visitor, source, [post.stored(photos)])
    if found.outcome in _REASONS:
        raise ProblemError(410 if found.outcome == "erased" else 409, _reason(found, post.edited_at) or "")
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
    return _json(taken, status, headers={"Location": f"/v1/posts/{found.id}"})


async def _many(
    service: Service, visitor: Visitor, source: str, rows: Sequence[Any], wait: float
) -> Response:
    """A batch: rows that are no posts are refused, and cost no other row."""
    most = service.limits.posts
    if not 1 <= len(rows) <= most:
        raise ProblemError(422, f"a call takes 1 to {most} posts; this one has {len(rows)}")
    outcomes: list[Outcome | None] = []
    good: list[tuple[int, NewPost]] = []
    for number, values in enumerate(rows):
        try:
            good.append((number, post_of(values).stored()))
            outcomes.append(None)
        except ProblemError as error:
            outcomes.append(_refused(number, values, error.detail))
    if good:
        taken = await _store(service, visitor, source, [post for _, post in good])
        ids = [found.id for found in taken if found.id is not None]
        states = await wait_for(service, ids, wait) if wait and ids else {}
        for (number, post), found in zip(good, taken, strict=True):
            outcomes[number] = _outcome(number, found, states, _reason(found, post.edited_at))
    results = [outcome for outcome in outcomes if outcome is not None]
    kinds = [outcome.outcome for outcome in results]
    created, same = kinds.count("created") + kinds.count("replaced"), kinds.count("same")
    body = Results(created=created, same=same, refused=len(kinds) - created - same, results=results)
    status = 202 if created else 200 if same else 422
    if status == 422 and all(kind == "conflict" for kind in kinds):
        status = 409
    return _json(body, status)


def _json(body: BaseModel, status: int, headers: dict[str, str] | None = None) -> Response:
    # written by pydantic, in a third of the time of a copy that `json` then writes
    return Response(body.model_dump_json(), status, headers, "application/json")


async def _store(service: Service, visitor: Visitor, source: str, posts: list[NewPost]) -> list[Accepted]:
    # what people said of a post is not taken out by a program that only sends posts
    waiting = service.store.posts.accept_soon(
        source, posts, actor=visitor.actor, keep_reviewed=not visitor.is_admin
    )
    taken = await asyncio.wrap_future(waiting)
    for found in taken:
        service.metrics.accepted.labels(found.outcome).inc()
    if any(found.outcome == "replaced" for found in taken):
        await run_in_threadpool(service.store.posts.tidy)
    return taken


def _reason(found: Accepted, edited_at: datetime | None) -> str | None:
    """Why a post was not taken; None where it was, or is there already."""
    reason = _REASONS.get(found.outcome)
    if reason is not None and found.outcome == "conflict" and edited_at is not None:
        return reason + _OF_A_VERSION
    return reason


def _outcome(row: int, found: Accepted, states: dict[int, str], reason: str | None) -> Outcome:
    return Outcome(
        row=row,
        external_id=found.external_id,
        id=found.id,
        outcome=found.outcome,
        reason=reason,
        state=states.get(found.id or 0, found.state),
    )


def _refused(row: int, values: Any, reason: str) -> Outcome:
    given = values.get("id") if isinstance(values, dict) else None
    # half a surrogate pair cannot be written in the answer
    name = without_nul(str(given)[:500]) if isinstance(given, (str, int)) else None
    return Outcome(row=row, external_id=name, id=None, outcome="refused", reason=reason)


def post_of(values: Any) -> IncomingPost:
    """A post of what JSON gave.

    Raises:
        ProblemError: 422; the sentence names the field and holds nothing of what was sent.
    """
    try:
        return IncomingPost.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = without_nul(".".join(str(part) for part in first["loc"])[:100]) or "the post"
        if first["type"] == "extra_forbidden":
            known = ", ".join(IncomingPost.model_fields)
            raise ProblemError(422, f"{where}: a post has no such field; it has {known}"[:300]) from None
        raise ProblemError(422, f"{where}: {first['msg']}"[:300]) from None


def value_of(body: bytes) -> Any:
    """A body as JSON.

    Raises:
        ProblemError: 422 where it is none.
    """
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
