"""The situation, the map and the timeline: what the last hours brought, and where."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from crisislens.domain.tasks import ASKED, CATEGORY
from crisislens.live.told import told_of
from crisislens.report.chart import draw_chart
from crisislens.report.display import moment, number
from crisislens.report.timeline import Bar, Timeline
from crisislens.serve.access import Viewer
from crisislens.serve.filters import query_of
from crisislens.serve.pages.render import is_fragment, page, part
from crisislens.serve.service import service_of
from crisislens.serve.situation import situation
from crisislens.serve.task_views import NOT_SURE, asked_tasks
from crisislens.store.records import Counts, PostFilter, SourceRow
from crisislens.store.transaction import hour_of

__all__ = ["WINDOWS", "Hours", "ago", "router", "windows"]

router = APIRouter()
WINDOWS = {1: "1 hour", 6: "6 hours", 24: "24 hours", 168: "7 days", 8760: "1 year"}
_LATE_S = 3600.0
Hours = Annotated[int, Query(ge=1, le=8784)]
_FARTHEST_H = 24 * 60
_LONGEST_RISE_H = 168
_HOUR = "%Y-%m-%dT%H:00"
At = Annotated[int, Query(ge=-_FARTHEST_H, le=0, description="Hours from now; 0 is now")]


@dataclass(frozen=True)
class Span:
    """From when, up to when and where; as the fields of a filter take them."""

    since: str
    until: str | None
    place: str

    @property
    def fields(self) -> dict[str, str]:
        """The fields; without an end where it is now."""
        return {"since": self.since, "until": self.until or "", "place": self.place}


@dataclass(frozen=True)
class Slider:
    """Where the slider of time stands, in hours from now; links do the same without scripts."""

    at: int
    least: int
    step: int
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CountRow:
    """One answer with its posts; `width` in [0, 100] is its share of the most frequent one's."""

    title: str
    tone: str
    posts: str
    width: float
    link: str


@dataclass(frozen=True)
class CountPanel:
    """The answers to one question."""

    name: str
    title: str
    rows: tuple[CountRow, ...]


@dataclass(frozen=True)
class SourceLine:
    """One source and how long ago it brought something."""

    name: str
    kind: str
    ago: str
    late: bool
    enabled: bool
    posts: int
    dead: int


@router.get("/")
def situation_page(
    request: Request, visitor: Viewer, hours: Hours = 24, place: str = "", at: At = 0
) -> Response:
    """The first page; of now, or as it was some hours ago."""
    store = service_of(request).store
    then = None if at == 0 else hour_of(datetime.now(UTC)) + timedelta(hours=at + 1)
    found, counts = situation(store, hours, place=place or None, now=then)
    until = None if then is None else then.strftime(_HOUR)
    span = Span(found.since.strftime(_HOUR), until, place)
    values: dict[str, Any] = {
        "found": found,
        "hours": hours,
        "place": place,
        "windows": windows("/", hours, place, at=str(at or "")),
        "window": WINDOWS.get(hours, f"{hours} hours"),
        "panels": [*_together(counts, span), *_panels(counts, span)],
        "places": _places(counts, span),
        "depth": store.queue.depth(),
        "unread": store.posts.count(PostFilter(unread=True, reviewed=False)),
        "sources": [_source(source) for source in store.sources.all()],
        "chart": _informative(counts, found.since, found.until),
        "assessed": f"/posts?{query_of({**span.fields, 'order': 'time'})}",
        "digest": query_of({"hours": hours, "place": place}),
        "rising": query_of({"hours": min(hours, _LONGEST_RISE_H), "place": place}),
        # without `at`: what renews itself is of now, also where the page was opened in the past
        "live": f"/?{query_of({'hours': hours, 'place': place})}",
        "slider": _slider(at, hours, place),
        "then": then,
    }
    if is_fragment(request):
        return part("_situation.html", visitor, **values)
    return page(request, "situation.html", visitor, **values)


@router.get("/timeline")
def timeline(
    request: Request, visitor: Viewer, hours: Hours = 168, task: str = CATEGORY.question
) -> Response:
    """Answers over time, as curves and as a table."""
    store = service_of(request).store
    until = datetime.now(UTC)
    since = until - timedelta(hours=hours)
    counts = store.statistics.counts(since, until)
    tasks = asked_tasks()
    chosen = tasks.get(task, CATEGORY)
    charts = [
        (label.words, label.tone, _chart(counts, since, until, chosen.question, label.name))
        for label in chosen.labels
    ]
    return page(
        request,
        "timeline.html",
        visitor,
        hours=hours,
        windows=windows("/timeline", hours, "", task=task),
        window=WINDOWS.get(hours, f"{hours} hours"),
        task=chosen,
        tasks=list(tasks.values()),
        charts=[each for each in charts if each[2] is not None],
    )


def windows(path: str, chosen: int, place: str, **more: str) -> list[tuple[str, str, bool]]:
    """Links to the same page for other spans of time: words, address, whether it is this one."""
    return [
        (words, f"{path}?{query_of({'hours': hours, 'place': place, **more})}", hours == chosen)
        for hours, words in WINDOWS.items()
    ]


def _slider(at: int, hours: int, place: str) -> Slider:
    """As far back as a few spans, in steps that a person can hit."""
    step = max(1, min(hours // 6, 24))
    far = min(_FARTHEST_H, hours * 14)
    # a browser counts the steps from the far end, and the last of them must be now
    far -= far % step
    links = []
    for words, there in (("Earlier", at - step), ("Later", at + step), ("Now", 0)):
        shown = -far <= there < 0 or (there == 0 and at != 0) or (words == "Later" and at < 0)
        target = f"/?{query_of({'hours': hours, 'place': place, 'at': min(0, there) or ''})}"
        if shown:
            links.append((words, target))
    return Slider(max(at, -far), -far, step, tuple(links))


def _together(counts: Counts, span: Span) -> list[CountPanel]:
    """A panel of what answers to several questions mean alike, each post once; none where nothing is."""
    told = [one for one in told_of(counts.labels, counts.meanings) if one.meaning is not None]
    most = max((one.posts for one in told), default=0)
    rows = [
        CountRow(
            one.words,
            one.tone,
            number(one.posts),
            round(100 * one.posts / most, 1),
            "/posts?" + query_of({**one.filters, **span.fields, "order": "urgency"}),
        )
        for one in told
    ]
    return [CountPanel("together", "Said in answer to either question", tuple(rows))] if rows else []


def _panels(counts: Counts, span: Span) -> list[CountPanel]:
    """A panel for each question that any post answers."""
    posts: dict[str, dict[str, int]] = {}
    for count in counts.labels:
        # an empty label stands for those without a sure one
        posts.setdefault(count.task, {})[count.label or NOT_SURE] = count.posts
    panels = []
    for question, task in asked_tasks().items():
        here = posts.get(question)
        if not here:
            continue
        names: dict[str, tuple[str, str]] = {label.name: (label.words, label.tone) for label in task.labels}
        names |= {name: (task.title(name), "plain") for name in here if name not in names}
        names[NOT_SURE] = ("None, or not sure" if task.several else "Not sure", "unsure")
        most = max(here.values())
        rows = [
            CountRow(
                title,
                tone,
                number(here.get(name, 0)),
                round(100 * here.get(name, 0) / most, 1) if most else 0,
                _link(question, name, span) if here.get(name) else "",
            )
            for name, (title, tone) in names.items()
        ]
        panels.append(CountPanel(question, task.heading, tuple(rows)))
    return panels


def _link(question: str, label: str, span: Span) -> str:
    chosen = {"not_sure": question} if label == NOT_SURE else {"label": f"{question}:{label}"}
    return "/posts?" + query_of({**chosen, **span.fields, "order": "urgency"})


def _places(counts: Counts, span: Span) -> list[CountRow]:
    most = max((place.posts for place in counts.places), default=0)
    return [
        CountRow(
            place.name or place.place,
            "plain",
            number(place.posts),
            round(100 * place.posts / most, 1),
            "/posts?" + query_of({**span.fields, "place": place.place, "order": "urgency"}),
        )
        for place in counts.places
        if place.place
    ]


def _source(row: SourceRow) -> SourceLine:
    now = datetime.now(UTC)
    age_s = (now - row.last_at).total_seconds() if row.last_at else None
    return SourceLine(
        row.name,
        row.kind,
        ago(age_s),
        row.enabled and (age_s is None or age_s > _LATE_S),
        row.enabled,
        row.posts,
        row.dead,
    )


def ago(age_s: float | None) -> str:
    """How long ago something was, in words.

    >>> ago(30), ago(7300), ago(None)
    ('30 s ago', '2 h ago', 'never')
    """
    if age_s is None:
        return "never"
    for unit, words in ((86_400, "days"), (3600, "h"), (60, "min")):
        if age_s >= 2 * unit or (unit == 60 and age_s >= 60):
            return f"{int(age_s // unit)} {words} ago"
    return f"{int(max(0, age_s))} s ago"


def _informative(counts: Counts, since: datetime, until: datetime) -> object | None:
    """Posts that are worth reading over time, by the task that decides it."""
    gate = next(task for task in ASKED if task.gate)
    worth = next(label for label in gate.labels if not label.nothing)
    return _chart(counts, since, until, gate.question, worth.name)


def _chart(counts: Counts, since: datetime, until: datetime, task: str, label: str) -> object | None:
    """Posts of a label over time, as the chart of the report draws them; None where there is none."""
    hours: dict[datetime, int] = {}
    whole: dict[datetime, int] = {}
    for row in counts.hours:
        if row.task == task:
            whole[row.hour] = whole.get(row.hour, 0) + row.posts
            if row.label == label:
                hours[row.hour] = hours.get(row.hour, 0) + row.posts
    if not hours:
        return None
    bars = _bars(hours, whole, since, until)
    words = "1 hour" if (bars[0].end - bars[0].start) < timedelta(hours=2) else "several hours"
    return draw_chart(Timeline(bars, words, 0, moment(since), moment(until)))


def _bars(
    hours: dict[datetime, int], whole: dict[datetime, int], since: datetime, until: datetime
) -> tuple[Bar, ...]:
    """At most 72 bars of whole hours."""
    first = since.replace(minute=0, second=0, microsecond=0)
    count = int((until - first) // timedelta(hours=1)) + 1
    step = timedelta(hours=-(-count // 72))
    bars = []
    start = first
    while start < until:
        end = start + step
        here = sum(n for hour, n in hours.items() if start <= hour < end)
        every = sum(n for hour, n in whole.items() if start <= hour < end)
        bars.append(Bar(start, end, every, here))
        start = end
    return tuple(bars)
