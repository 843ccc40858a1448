"""The table of needs, places and time: which answer, where, and whether posts get more. Every cell leads to
its posts.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crisislens.report.display import moment, number, shorten
from crisislens.report.labels import AnswerCount, LabelCount, LabelTallies, MeaningCount, Trend, trend_of
from crisislens.report.overview import exactly, link
from crisislens.report.timeline import Bar, Timeline

__all__ = ["NeedCell", "NeedGroup", "NeedRow", "NeedsTable", "Spark", "needs_table"]

_MOST_COLUMNS = 7
_HEAT_STEPS = 5
_HEIGHT = 24.0
_TOGETHER = "Said in answer to either question"
_COUNTED_ONCE = (
    "Two questions have answers that mean nearly the same. A post with either or both counts once here; each "
    "answer has a row of its own below."
)
_TREND_TITLES = {"rising": "▲ rising", "falling": "▼ falling", "steady": "steady", "": "too few"}


@dataclass(frozen=True)
class NeedCell:
    """Posts with one answer at one place; `heat` from 0 (none) to 5 (most), `link` the filter, `says` both in
    words.
    """

    count: int
    text: str
    heat: int
    link: str
    says: str


@dataclass(frozen=True)
class Spark:
    """One bar of a small chart: its place in a view box 24 high, its posts, its filter and what it says."""

    x: int
    y: float
    height: float
    posts: int
    link: str
    says: str


@dataclass(frozen=True)
class NeedRow:
    """One answer: all its posts, its posts over time, and its posts at each place."""

    title: str
    tone: str
    whole: NeedCell
    trend: Trend
    trend_title: str
    trend_says: str
    sparks: tuple[Spark, ...]
    cells: tuple[NeedCell, ...]


@dataclass(frozen=True)
class NeedGroup:
    """The answers to one question, or what answers to several mean; `note` says how these are counted."""

    title: str
    rows: tuple[NeedRow, ...]
    bars: int
    note: str = ""


@dataclass(frozen=True)
class NeedsTable:
    """The table.

    Attributes:
        columns: The places with most posts, then other places and no place; none where no post names one.
        groups: The answers by question.
        span: From when to when the small charts go, in words; empty without times.
        quarter: How long the last quarter of that time is, in words.
        places: How many places there are.
    """

    columns: tuple[str, ...]
    groups: tuple[NeedGroup, ...]
    span: str
    quarter: str
    places: int


def needs_table(
    tallies: LabelTallies, timeline: Timeline | None, aside: Collection[str] = ()
) -> NeedsTable | None:
    """The table; None where no answer has a post.

    Arguments:
        tallies: What was counted for each answer.
        timeline: The bars of the whole run; None where no post has a time.
        aside: Questions that step aside, because nearly all of their answers are "not sure".
    """
    rows = [
        count
        for count in tallies
        if count.posts and count.label.urgency > 0 and count.task.question not in aside
    ]
    if not rows:
        return None
    everywhere: Counter[str] = Counter()
    for count in rows:
        # by need, so that a place of many greetings does not push out one of few calls
        everywhere.update({name: n * count.label.urgency for name, n in count.places.items() if name})  # type: ignore[misc]
    named = [name for name, _ in everywhere.most_common(_MOST_COLUMNS)]
    most = max((n for count in rows for name, n in count.places.items() if name), default=1)
    bars = timeline.bars if timeline else ()
    groups = []
    for task in dict.fromkeys(count.task.question for count in rows):
        of_task = [count for count in rows if count.task.question == task]
        of_task.sort(key=lambda count: -count.label.urgency)
        made = tuple(_row(count, named, most, timeline) for count in of_task)
        groups.append(NeedGroup(of_task[0].task.heading, made, len(bars)))
    # the question with most to act on first: what is asked for stands above what posts are about
    groups.sort(key=lambda group: -_several(rows, group.title))
    together = [count for count in tallies.together() if _is_asked(count, aside)]
    if together:
        made = tuple(_row(count, named, most, timeline) for count in together)
        groups.insert(0, NeedGroup(_TOGETHER, made, len(bars), _COUNTED_ONCE))
    quarter = _quarter(bars)
    span = f"{moment(bars[0].start)} to {moment(bars[-1].end)} UTC" if bars else ""
    columns = (*(shorten(name, 28)[0] for name in named), "Other places", "No place") if named else ()
    return NeedsTable(columns, tuple(groups), span, quarter, len(everywhere))


def _is_asked(count: MeaningCount, aside: Collection[str]) -> bool:
    """Whether a row may stand for its answers: none of their questions stepped aside."""
    return count.urgency > 0 and not any(part.task.question in aside for part in count.parts)


def _several(rows: Sequence[LabelCount], title: str) -> bool:
    return any(count.task.several for count in rows if count.task.heading == title)


def _row(count: AnswerCount, named: Sequence[str], most: int, timeline: Timeline | None) -> NeedRow:
    bars = timeline.bars if timeline else ()
    counts = count.times.counts(bars) if bars else []
    trend = trend_of(counts, timeline.covered if timeline else ())
    says = ""
    if bars:
        says = f"{number(trend.last)} posts in the last quarter of the time, {number(trend.before)} before"
    whole = _plain(count.words, count.posts, "all places", link(**count.filters))
    return NeedRow(
        title=count.words,
        tone=count.tone,
        whole=whole,
        trend=trend,
        trend_title=_TREND_TITLES[trend.word],
        trend_says=says,
        sparks=_sparks(count, counts, bars),
        cells=_cells(count, named, most) if named else (),
    )


def _cells(count: AnswerCount, named: Sequence[str], most: int) -> tuple[NeedCell, ...]:
    """Posts at each place, at all other places, and at none."""
    title, answer = count.words, count.filters
    cells = [_cell(count, name, count.places[name], most) for name in named]
    nowhere = count.places[""]
    elsewhere = count.posts - nowhere - sum(cell.count for cell in cells)
    others = link(**answer, elsewhere=exactly(*named))
    cells.append(_plain(title, elsewhere, "other places", others))
    cells.append(_plain(title, nowhere, "no place", link(**answer, lacking="place")))
    return tuple(cells)


def _cell(count: AnswerCount, place: str, posts: int, most: int) -> NeedCell:
    # the square root, because one large cell would leave all others white
    heat = max(1, round(_HEAT_STEPS * (posts / most) ** 0.5)) if posts else 0
    where = link(**count.filters, place=exactly(place)) if posts else ""
    return NeedCell(posts, number(posts), heat, where, f"{count.words}, {place}: {number(posts)} posts")


def _plain(title: str, posts: int, where: str, to: str) -> NeedCell:
    return NeedCell(posts, number(posts), 0, to if posts else "", f"{title}, {where}: {number(posts)} posts")


def _sparks(count: AnswerCount, counts: Sequence[int], bars: Sequence[Bar]) -> tuple[Spark, ...]:
    most = max(counts, default=0) or 1
    found = []
    for i, (bar, posts) in enumerate(zip(bars, counts, strict=True)):
        if not posts:
            continue
        height = round(max(1.5, _HEIGHT * posts / most), 1)
        start, end = (moment(when).replace(" ", "T") for when in (bar.start, bar.end))
        where = link(**count.filters, **{"from": start, "until": end})
        says = f"{count.words}, {moment(bar.start)} UTC: {number(posts)} posts"
        found.append(Spark(i, round(_HEIGHT - height, 1), height, posts, where, says))
    return tuple(found)


def _quarter(bars: Sequence[Bar]) -> str:
    """How long the last quarter of the bars is."""
    if not bars:
        return ""
    seconds = (bars[0].end - bars[0].start).total_seconds() * max(1, len(bars) // 4)
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            whole = round(seconds / length)
            return f"{whole} {name}{'s' if whole > 1 else ''}"
    return "minute"
