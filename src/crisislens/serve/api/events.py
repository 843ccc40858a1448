"""`GET /v1/events`: what happens, as server-sent events.

Each event has the number that it has in the store. Who comes back with `Last-Event-ID` goes on after it and
misses nothing, as long as the events are still kept; where some are gone, the first event is `gap`. A stream
begins with the number that it goes on after, and tells while nothing happens how far it has looked, so that
who has heard of no event yet can come back too. A stream ends after ten minutes, and the client, which every
browser is, comes back by itself.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from crisislens.core.errors import CrisisLensError
from crisislens.serve.access import Viewer
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import EVENT_KINDS, EventRow

__all__ = ["router"]

router = APIRouter(tags=["events"])
_RETRY_MS: Final = 2000
_BEAT_S: Final = 15.0
_BATCH: Final = 200
_STREAM: Final = {
    "description": "Events without end",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@router.get(
    "/v1/events", response_class=StreamingResponse, responses={200: _STREAM}, summary="What happens, live"
)
async def events(
    request: Request,
    visitor: Viewer,
    kind: Annotated[
        list[str] | None,
        Query(max_length=20, description="Only these, as in `post.assessed`; all by default"),
    ] = None,
    since: Annotated[
        int | None, Query(ge=0, le=2**53, description="After this number; from now on by default")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Server-sent events; `data` is JSON."""
    service = service_of(request)
    for one in kind or ():
        if one not in EVENT_KINDS:
            known = ", ".join(EVENT_KINDS)
            raise ProblemError(422, f"kind: not one of those that happen; give one of {known}")
    start = await _start(service, last_event_id, since)
    if service.news.listeners >= service.news.most:
        with service.news.listening():
            raise AssertionError("unreachable")
    feed = _feed(service, start, tuple(kind or ()))
    return StreamingResponse(feed, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _start(service: Service, last_event_id: str | None, since: int | None) -> int:
    if last_event_id:
        if not last_event_id.isascii() or not last_event_id.isdecimal() or int(last_event_id) > 2**53:
            raise ProblemError(422, "Last-Event-ID: expected the number of an event")
        return int(last_event_id)
    return since if since is not None else await run_in_threadpool(service.store.events.last)


async def _feed(service: Service, seq: int, kinds: tuple[str, ...]) -> AsyncIterator[str]:
    """The lines of a stream."""
    loop = asyncio.get_running_loop()
    ends, beat = loop.time() + service.limits.stream_s, loop.time()
    with service.news.listening():
        yield f"retry: {_RETRY_MS}\nid: {seq}\n\n"
        first = await run_in_threadpool(service.store.events.first)
        if seq and first > seq + 1:
            # who comes back after it is not told of the same gap again
            yield _block("gap", {"after": seq, "before": first}, first - 1)
            seq = first - 1
        while loop.time() < ends and not service.news.ended:
            mark = service.news.mark()
            due = loop.time() - beat > _BEAT_S
            try:
                # read before the events, so that none up to it is left out
                newest = await run_in_threadpool(service.store.events.last) if due else seq
                found = await run_in_threadpool(service.store.events.after, seq, most=_BATCH, kinds=kinds)
            except CrisisLensError:
                # the store will be back, and the client comes again with its last number
                return
            if found:
                seq = found[-1].seq
                yield "".join(_line(event) for event in found)
                continue
            if due:
                # what is of other kinds was looked at too: it may go without a gap for this listener
                beat, seq = loop.time(), max(seq, newest)
                yield f": still here\nid: {seq}\n\n"
            await service.news.changed(mark, min(_BEAT_S, max(0.01, ends - loop.time())))


def _line(event: EventRow) -> str:
    data = {"seq": event.seq, "at": event.at.isoformat(), "kind": event.kind, "post_id": event.post_id}
    return _block(event.kind, {**data, **event.doc}, event.seq)


def _block(kind: str, data: dict[str, object], seq: int) -> str:
    return f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
