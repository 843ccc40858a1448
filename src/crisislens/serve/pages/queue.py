"""The queue: posts in the order of their urgency, a few in hand at a time, reviewed by keys.

A reviewer takes some posts and holds them for ten minutes; nobody else is given them meanwhile. Every answer
of a person stands beside the model's and can be taken back. Without scripts the same forms work, a page at a
time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.core.errors import ConflictError, CrisisLensError, NotFoundError
from crisislens.domain.language_names import language_name
from crisislens.domain.meanings import meaning_named
from crisislens.report.model import ReportTask
from crisislens.serve.access import Reviewer, Viewer, Visitor
from crisislens.serve.api.posts import PostId, person
from crisislens.serve.filters import FilterQuery, Wanted, query_of
from crisislens.serve.judging import asked_of, labels_of
from crisislens.serve.pages.hand import in_hand, queue_filter, take_some
from crisislens.serve.pages.items import Done, Item, chosen, item_of, title_of
from crisislens.serve.pages.render import is_fragment, page, part
from crisislens.serve.service import Service, service_of
from crisislens.serve.task_views import NOT_SURE, asked_tasks
from crisislens.store.records import PostFilter, PostRow, Verdict

__all__ = ["filter_form", "router"]

router = APIRouter()
_ORDERS = {
    "urgency": "Most urgent first",
    "time": "Newest first",
    "uncertainty": "Where the model is least sure",
    "diverse": "Unlike each other",
}
# filters that the form has no field for, as words
_FURTHER = {
    "bbox": "area {}",
    "meaning": "{}",
    "not_sure": "the model is not sure of {}",
    "min_urgency": "urgency {} or more",
    "event": "event {}",
    "state": "state {}",
    "cluster": "near-duplicates of cluster {}",
    "limit": "posts a page: {}",
}
_FURTHER_FLAGS = {
    "unread": ("no model could read it", "a model could read it"),
    "reviewed": ("reviewed by a person", "not reviewed"),
    "folded": ("near-duplicates folded", "near-duplicates not folded"),
}
# of these the queue takes its own, whatever is given
_OF_QUEUE = ("state", "reviewed", "folded")
_COUNTED = 10_000
_THESE = "these"
_NONE: list[str] = []
_UNDO_WITHIN = timedelta(hours=12)


@dataclass(frozen=True)
class _Chip:
    name: str
    count: int
    link: str
    chosen: bool


@dataclass(frozen=True)
class _Further:
    """A filter that the form has no field for: it stays when the form is sent; `link` drops it."""

    name: str
    value: str
    words: str
    link: str


def filter_form(
    service: Service, wanted: FilterQuery, here: str, order: str, lane: str = ""
) -> dict[str, Any]:
    """What the form of filters shows."""
    given = wanted.values
    tasks = [ReportTask(task) for task in asked_tasks().values()]
    offered = {f"{task.name}:{name}" for task in tasks for name in task.classes}
    # the list shows one answer; the others stand beside it
    label = next((pair for pair in _pairs(wanted) if pair in offered), "")
    shown = {
        "q": given.get("q"),
        "source": given.get("source"),
        "label": label,
        "language": given.get("language"),
        "place": given.get("place"),
        "since": _typed(wanted.filter.since),
        "until": _typed(wanted.filter.until),
        "order": given.get("order", order),
    }
    return {
        "further": _further(wanted, label, here, lane),
        "wanted": shown,
        "filters_set": wanted.set,
        "here": here,
        "orders": _ORDERS,
        "sources": [source.name for source in service.store.sources.all()],
        "tasks": tasks,
    }


@router.get("/queue")
def queue(request: Request, visitor: Viewer, wanted: Wanted, lane: str = "") -> Response:
    """The page; a reviewer sees what is in hand, a viewer what waits."""
    service = service_of(request)
    lane = "unread" if lane == "unread" else ""
    chosen_filter = queue_filter(wanted, lane)
    posts = service.store.posts
    after, beside = "", 0
    if visitor.may_review:
        rows, beside = in_hand(service.store, person(visitor), chosen_filter)
        items = [_item(service, row, visitor) for row in rows]
    else:
        found = posts.find(chosen_filter)
        items = [_item(service, row, visitor) for row in found.rows]
        after = f"/queue?{wanted.but(after=found.next, lane=lane)}" if found.next else ""
    unread = posts.count(queue_filter(FilterQuery({}), "unread"), most=_COUNTED)
    query = wanted.but(after=None, lane=lane)
    return page(
        request,
        "queue.html",
        visitor,
        items=items,
        beside=beside,
        told_empty="" if visitor.may_review else _nothing(service, lane),
        waiting=posts.count(chosen_filter, most=_COUNTED),
        unread=unread,
        lane=lane,
        languages=_languages(service, wanted) if lane else [],
        hold_min=service.settings.hold_s // 60,
        hand=service.settings.hand,
        more=f"/queue/take?{query}" if query else "/queue/take",
        query=query,
        after=after,
        **filter_form(service, _heeded(wanted), "/queue", "urgency", lane),
    )


@router.post("/queue/take")
def take(request: Request, visitor: Reviewer, wanted: Wanted, lane: str = "") -> Response:
    """Gives a reviewer some more posts, which nobody else is given meanwhile."""
    service = service_of(request)
    settings = service.settings
    user = person(visitor)
    rows = take_some(
        service.store,
        user,
        queue_filter(wanted, lane),
        most=settings.hand,
        seconds=settings.hold_s,
        without=service.later.of(user),
    )
    if not is_fragment(request):
        return _back(wanted.but(lane=lane))
    items = [_item(service, row, visitor) for row in rows]
    return part("_hand.html", visitor, items=items, told_empty=_nothing(service, lane))


@router.post("/queue/give-back")
def give_back(request: Request, visitor: Reviewer) -> Response:
    """Lets go of everything that this person holds, so that others are given it."""
    service_of(request).store.reviews.let_go(person(visitor))
    return _back(request.url.query)


@router.post("/queue/{post_id}/review")
def review(
    request: Request,
    visitor: Reviewer,
    post_id: PostId,
    choice: Annotated[str, Form(max_length=200)],
    note: Annotated[str, Form(max_length=500)] = "",
    several: Annotated[list[Annotated[str, Form(max_length=200)]], Form(max_length=50)] = _NONE,
) -> Response:
    """Keeps one answer: `right`, `later`, TASK=LABEL, or TASK=these with the labels in `several`."""
    service = service_of(request)
    user = person(visitor)
    row = service.store.posts.get(post_id)
    if choice == "later":
        service.store.reviews.let_go(user, post_id)
        service.later.add(user, post_id)
        done = Done("Later: the post went back to the queue.")
        return _answer(request, service, visitor, row, done, state="later")
    verdict, task, labels = _verdict(service, row, choice, several)
    found = service.store.reviews.add(
        post_id, user, verdict=verdict, task=task, labels=labels, note=note.strip() or None
    )
    service.metrics.reviews.inc()
    done = Done(_told(verdict, task, labels), found.id)
    return _answer(request, service, visitor, row, done, state="reviewed")


@router.post("/queue/undo")
def undo_last(request: Request, visitor: Reviewer) -> Response:
    """Takes back what this person said last, wherever that was, and gives the post back into the hand."""
    service = service_of(request)
    last = service.store.reviews.last_of(person(visitor))
    if last is None or datetime.now(UTC) - last.at > _UNDO_WITHIN:
        raise NotFoundError("there is nothing to undo: you reviewed nothing in the last hours")
    return undo(request, visitor, last.post_id, str(last.id))


@router.post("/queue/{post_id}/undo")
def undo(
    request: Request,
    visitor: Reviewer,
    post_id: PostId,
    review: Annotated[str, Form(max_length=15, pattern=r"^[0-9]*$")] = "",
) -> Response:
    """Takes back what was just said of a post, and holds it again."""
    service = service_of(request)
    user = person(visitor)
    if review:
        service.store.reviews.undo(int(review), user)
    service.later.remove(user, post_id)
    try:
        service.store.reviews.hold(post_id, user, seconds=service.settings.hold_s)
    except ConflictError as error:
        row = service.store.posts.get(post_id)
        return _answer(request, service, visitor, row, Done(f"Undone. {error}"), state="later")
    return _answer(request, service, visitor, service.store.posts.get(post_id), None, state="")


def _back(query: str) -> Response:
    """To the queue as it was filtered, for a browser without scripts."""
    return RedirectResponse(f"/queue?{query}" if query else "/queue", 303)


def _heeded(wanted: FilterQuery) -> FilterQuery:
    """Without what the queue says itself, whatever is asked for."""
    return FilterQuery({name: value for name, value in wanted.values.items() if name not in _OF_QUEUE})


def _typed(when: datetime | None) -> str:
    """A time in UTC as a field for times takes it.

    >>> _typed(datetime(2026, 3, 6, 14, tzinfo=UTC)), _typed(datetime(2026, 3, 6, 14, 0, 30, tzinfo=UTC))
    ('2026-03-06T14:00', '2026-03-06T14:00:30.000')
    """
    if when is None:
        return ""
    exact = "milliseconds" if when.second or when.microsecond else "minutes"
    return when.replace(tzinfo=None).isoformat(timespec=exact)


def _further(wanted: FilterQuery, label: str, here: str, lane: str) -> list[_Further]:
    """What is given beside the fields of the form, of which one shows `label`."""
    given = wanted.values

    def without(**changes: Any) -> str:
        query = wanted.but(after=None, lane=lane, **changes)
        return f"{here}?{query}" if query else here

    found = []
    for name, words in _FURTHER.items():
        if name in given:
            said = words.format(_in_words(name, given[name]))
            found.append(_Further(name, given[name], said, without(**{name: None})))
    for name, (yes, no) in _FURTHER_FLAGS.items():
        if name in given:
            said = getattr(wanted.filter, name)
            found.append(_Further(name, given[name], yes if said else no, without(**{name: None})))
    pairs = _pairs(wanted)
    for pair in pairs:
        if pair != label:
            rest = [other for other in pairs if other != pair]
            task, _, name = pair.partition(":")
            found.append(_Further("label", pair, title_of(task, name), without(label=rest, task=None)))
    return found


def _in_words(name: str, value: str) -> str:
    """What a filter is set to, as a person reads it."""
    meaning = meaning_named(value) if name == "meaning" else None
    return value if meaning is None else meaning.title


def _pairs(wanted: FilterQuery) -> list[str]:
    """The answers that are asked for, each with its task, once."""
    return list(dict.fromkeys(f"{task}:{label}" for task, label in wanted.filter.labels))


def _item(service: Service, row: PostRow, visitor: Visitor, done: Done | None = None) -> Item:
    document = service.store.posts.assessment(row.id)
    return item_of(row, document, visitor, act=visitor.may_review, done=done)


def _answer(
    request: Request, service: Service, visitor: Visitor, row: PostRow, done: Done | None, *, state: str
) -> Response:
    if not is_fragment(request):
        return _back(request.url.query)
    # read again: the person's answer now stands beside the model's
    item = _item(service, service.store.posts.get(row.id), visitor, done)
    return part("_item.html", visitor, item=item, shown_state=state)


def _verdict(
    service: Service, row: PostRow, choice: str, several: Sequence[str]
) -> tuple[Verdict, str, list[str]]:
    """What a choice says: the verdict, of which task (empty for the whole post), and the labels.

    Raises:
        InputError: If the question or the answer is none of this post.
    """
    if choice == "right":
        return "right", "", []
    question, label = chosen(choice)
    task = asked_of(service, row, question)
    if label == NOT_SURE:
        return "unsure", question, []
    labels = [label]
    if label == _THESE and task.several:
        ticked = [name for of, name in map(chosen, several) if of == question]
        labels = list(dict.fromkeys(ticked))
    return "label", question, labels_of(service, row, question, labels)


def _told(verdict: Verdict, task: str, labels: Sequence[str]) -> str:
    if verdict == "right":
        return "The model is right, you said."
    words = ", ".join(title_of(task, label) for label in labels)
    return f"You said: {words or ('not sure' if verdict == 'unsure' else 'none of these')}."


def _nothing(service: Service, lane: str) -> str:
    """What an empty queue says, and what to do first where the whole store is empty."""
    try:
        depth = service.store.queue.depth()
        empty = not service.store.posts.find(PostFilter(limit=1)).rows
    except CrisisLensError:
        return "Nothing waits here."
    if empty:
        return "No post has come in yet. Send one to /v1/posts with a key from the page Admin."
    if depth.queued:
        return f"{depth.queued} posts wait to be assessed; they appear here when they are."
    return (
        "Nothing waits here. Well done." if not lane else "No post waits in a language that no model reads."
    )


def _languages(service: Service, wanted: FilterQuery) -> list[_Chip]:
    """The languages of the unread lane, those with most posts of the newest 200 first."""
    lane = queue_filter(FilterQuery({}), "unread").model_copy(update={"limit": 200, "order": "time"})
    counts: dict[str, int] = {}
    for row in service.store.posts.find(lane).rows:
        code = row.language or ""
        counts[code] = counts.get(code, 0) + 1
    chips = []
    for code, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        name = language_name(code or None)
        link = "/queue?" + query_of({"lane": "unread", "language": code})
        chips.append(_Chip(name, count, link, bool(code) and wanted.get("language") == code))
    return chips
