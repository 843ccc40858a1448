"""One post on its own page, its evidence and its near-duplicates, all posts as a list, and photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from crisislens.report.display import moment, shorten
from crisislens.serve.access import Viewer
from crisislens.serve.api.posts import PostId
from crisislens.serve.filters import Wanted
from crisislens.serve.pages.items import item_of, title_of
from crisislens.serve.pages.queue import filter_form
from crisislens.serve.pages.render import page, part
from crisislens.serve.service import service_of
from crisislens.serve.tables import FORMATS
from crisislens.serve.task_views import asked_tasks
from crisislens.store import listing
from crisislens.store.records import PostDetail, PostRow, ReviewRow

__all__ = ["router"]

router = APIRouter()
_NO_EVIDENCE = "No evidence could be made for this post."


@router.get("/posts")
def posts(request: Request, visitor: Viewer, wanted: Wanted) -> Response:
    """All posts of a filter, a page at a time, with the exports of the same filter."""
    service = service_of(request)
    base = {} if "order" in wanted.values else {"order": "time"}
    found = service.store.posts.find(wanted.filter.model_copy(update=base))
    items = [item_of(row, service.store.posts.assessment(row.id), visitor) for row in found.rows]
    query = wanted.but(after=None, limit=None)
    return page(
        request,
        "posts.html",
        visitor,
        items=items,
        after=f"/posts?{wanted.but(after=found.next)}" if found.next else "",
        query=query,
        capped=listing.MOST_FOUND if service.store.posts.finds_too_many(wanted.filter.words) else 0,
        formats=FORMATS,
        **filter_form(service, wanted, "/posts", "time"),
    )


@router.get("/posts/{post_id}")
def post(request: Request, visitor: Viewer, post_id: PostId) -> Response:
    """Everything that is known of a post: words, answers, what people say, twins, and who changed what."""
    service = service_of(request)
    detail = service.store.posts.detail(post_id)
    may_act = visitor.may_review and detail.row.held_by in (None, visitor.name)
    item = item_of(detail.row, _document(detail), visitor, rationale=detail.rationale, act=may_act)
    return page(
        request,
        "post.html",
        visitor,
        title=f"Post {post_id}",
        item=item,
        row=detail.row,
        detail=detail,
        twins=_twins(detail.twins),
        same_photo=_twins(detail.same_photo),
        told=[_told(review) for review in detail.reviews],
        no_evidence=_NO_EVIDENCE,
        waits=item.evidence is None and service.explain is not None and bool(item.answers),
        others=[each for each in detail.assessments if not each.current],
    )


@router.get("/posts/{post_id}/evidence")
def evidence(request: Request, visitor: Viewer, post_id: PostId, make: bool = False) -> Response:
    """Why the model says so, as a piece of a page: at once what there is; then, with `make`, what a worker
    has to look for.
    """
    service = service_of(request)
    detail = service.store.posts.detail(post_id)
    rationale = service.evidence(detail) if make else detail.rationale
    item = item_of(detail.row, _document(detail), visitor, rationale=rationale)
    waits = not make and item.evidence is None and service.explain is not None and bool(item.answers)
    return part("_evidence.html", visitor, item=item, no_evidence=_NO_EVIDENCE, waits=waits)


@router.get("/posts/{post_id}/twins")
def twins(request: Request, visitor: Viewer, post_id: PostId) -> Response:
    """The near-duplicates of a post, as a piece of the queue."""
    detail = service_of(request).store.posts.detail(post_id)
    return part("_twins.html", visitor, post_id=post_id, twins=_twins(detail.twins))


@router.get("/media/{name}")
def photo(
    request: Request, visitor: Viewer, name: Annotated[str, Path(pattern=r"^[0-9a-f]{64}\.jpg$")]
) -> Response:
    """A photo, which was decoded and encoded anew when it came."""
    data = service_of(request).store.blobs.read(name.removesuffix(".jpg"))
    headers = {"Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}
    return Response(data, media_type="image/jpeg", headers=headers)


@dataclass(frozen=True)
class ReviewTold:
    """A review in words; `undone` is when it was taken back, empty where it stands."""

    by: str
    when: str
    said: str
    model: str
    note: str
    undone: str


def _told(review: ReviewRow) -> ReviewTold:
    headings = {name: task.heading for name, task in asked_tasks().items()}
    model = [
        f"{headings.get(task, task)}: {_titles(task, review.model_said(task)) or 'nothing'}"
        for task in review.said
    ]
    said = "the model is right"
    if review.verdict != "right":
        labels = _titles(review.task, review.labels) or "none"
        words = "not sure" if review.verdict == "unsure" else labels
        said = f"{headings.get(review.task, review.task)}: {words}"
    undone = moment(review.undone_at) if review.undone_at else ""
    told = f"(the model – {'; '.join(model)})"
    return ReviewTold(review.user, moment(review.at), said, told, review.note or "", undone)


def _titles(task: str, labels: Sequence[str]) -> str:
    return ", ".join(title_of(task, label) for label in labels)


def _document(detail: PostDetail) -> str | None:
    return next((each.doc for each in detail.assessments if each.current), None)


def _twins(rows: Sequence[PostRow]) -> list[dict[str, object]]:
    """Other posts in a line each."""
    found = []
    for row in rows:
        start, rest = shorten(row.text.replace("\n", " "), 200)
        text = start + (" …" if rest else "")
        found.append({"id": row.id, "text": text, "source": row.source, "when": moment(row.at)})
    return found
