"""Reading posts, what is said of them, and saying something oneself."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.core.errors import NotFoundError
from crisislens.serve.access import Admin, Reviewer, Viewer, Visitor
from crisislens.serve.api.schemas import PostOut, PostPage, ReviewIn, ReviewOut
from crisislens.serve.api.taking import SOURCE
from crisislens.serve.filters import Wanted
from crisislens.serve.judging import labels_of
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import service_of

__all__ = ["PostId", "router"]

router = APIRouter(tags=["posts"])
PostId = Annotated[int, Path(ge=1, le=2**53, description="The number that the service gave")]


@router.get("/v1/posts", summary="Find posts")
def find(request: Request, visitor: Viewer, wanted: Wanted) -> PostPage:
    """Posts by any filter, a page at a time; `next` leads on and stays right while posts arrive."""
    posts = service_of(request).store.posts
    page = posts.find(wanted.filter)
    capped = posts.finds_too_many(wanted.filter.words)
    return PostPage(posts=[PostOut.of(row) for row in page.rows], next=page.next, capped=capped)


@router.get("/v1/posts/{post_id}", summary="One post")
def get(request: Request, visitor: Viewer, post_id: PostId) -> PostOut:
    """A post with the current answers and the standing reviews."""
    return PostOut.of(service_of(request).store.posts.get(post_id))


_Word = Annotated[str, Field(min_length=1, max_length=500)]


class TakenBack(BaseModel):
    """Posts that their source took back."""

    model_config = ConfigDict(extra="forbid")

    ids: list[_Word] = Field(default_factory=list, max_length=500, description="The source's own ids")
    authors: list[_Word] = Field(default_factory=list, max_length=100, description="Of whom all goes")
    remember: bool = Field(default=True, description="Whether ids that are not here are refused later")


class Erased(BaseModel):
    """How many were here."""

    erased: int


@router.post("/v1/deletions", summary="Obey a source that took posts back")
def take_back(
    request: Request, visitor: Admin, source: Annotated[str, Query(pattern=SOURCE)], gone: TakenBack
) -> Erased:
    """Erases what the source no longer shows; it is not taken in again."""
    erasure = service_of(request).store.erasure
    count = erasure.at_source(
        source, gone.ids, authors=gone.authors, remember=gone.remember, actor=visitor.actor
    )
    return Erased(erased=count)


@router.delete("/v1/posts/{post_id}", status_code=204, summary="Erase a post")
def erase(
    request: Request,
    visitor: Admin,
    post_id: PostId,
    reason: Annotated[str, Query(max_length=500, description="Kept in the audit trail")] = "",
) -> Response:
    """Takes a post out for good: text, photos, answers, search, events. Its key is not taken again."""
    store = service_of(request).store
    store.posts.get(post_id)
    store.erasure.posts([post_id], actor=visitor.actor, reason=reason)
    return Response(status_code=204)


@router.get("/v1/posts/{post_id}/assessment", summary="What a model says, word for word")
def assessment(
    request: Request,
    visitor: Viewer,
    post_id: PostId,
    model: Annotated[str | None, Query(pattern=r"^[0-9a-f]{1,64}$", description="Fingerprint")] = None,
) -> Response:
    """The record as `crisislens analyze` writes it; of the current model, or of a named one."""
    store = service_of(request).store
    store.posts.get(post_id)
    document = store.posts.assessment(post_id, model=model)
    if document is None:
        raise NotFoundError("no model has answered yet; ask again in a moment")
    return Response(document, media_type="application/json")


@router.get("/v1/posts/{post_id}/evidence", summary="Why the model says so")
def evidence(request: Request, visitor: Viewer, post_id: PostId) -> dict[str, Any]:
    """The rationale of the current answer, where one was made; null where none was."""
    service = service_of(request)
    detail = service.store.posts.detail(post_id)
    document = service.evidence(detail)
    found = json.loads(document) if document else None
    current = next((each for each in detail.assessments if each.current), None)
    if found is None and current is not None:
        found = json.loads(current.doc).get("rationale")
    return {"post_id": post_id, "model": current.model_fingerprint if current else None, "rationale": found}


@router.get("/v1/posts/{post_id}/reviews", summary="What people say")
def reviews(request: Request, visitor: Viewer, post_id: PostId) -> list[ReviewOut]:
    """All reviews, the oldest first, also those that were undone."""
    store = service_of(request).store
    store.posts.get(post_id)
    return [ReviewOut.of(row) for row in store.reviews.of(post_id)]


@router.post("/v1/posts/{post_id}/reviews", status_code=201, summary="Say what it is")
def review(request: Request, visitor: Reviewer, post_id: PostId, said: ReviewIn) -> ReviewOut:
    """Keeps a person's answer beside the model's. A key cannot: a program has no opinion of its own."""
    service = service_of(request)
    user = person(visitor)
    post = service.store.posts.get(post_id)
    labels = labels_of(service, post, said.task, said.labels, verdict=said.verdict)
    row = service.store.reviews.add(
        post_id, user, verdict=said.verdict, task=said.task, labels=labels, note=said.note
    )
    service.metrics.reviews.inc()
    return ReviewOut.of(row)


@router.delete("/v1/reviews/{review_id}", summary="Take back one's own review")
def undo(request: Request, visitor: Reviewer, review_id: Annotated[int, Path(ge=1, le=2**53)]) -> ReviewOut:
    """Marks it as undone; it stays readable."""
    return ReviewOut.of(service_of(request).store.reviews.undo(review_id, person(visitor)))


@router.post("/v1/posts/{post_id}/retry", status_code=202, summary="Assess again")
def retry(request: Request, visitor: Admin, post_id: PostId) -> Response:
    """Puts a failed or finished post back into the queue."""
    service_of(request).store.queue.retry(post_id, actor=visitor.actor)
    return Response(status_code=202)


def person(visitor: Visitor) -> int:
    """The person who reviews.

    Raises:
        ProblemError: 403 for a key.
    """
    if visitor.user_id is None:
        raise ProblemError(403, "reviews are people's; sign in instead of sending a key")
    return visitor.user_id
