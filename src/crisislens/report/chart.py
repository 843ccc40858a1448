"""Geometry of the chart of posts over time, for an SVG that stretches to any width (its labels are HTML and
never stretch).
"""

from dataclasses import dataclass
from datetime import datetime

from crisislens.report.display import moment, number
from crisislens.report.timeline import Bar, Timeline

__all__ = ["Chart", "ChartBar", "draw_chart"]

_WIDTH, _HEIGHT = 1000.0, 100.0
_GAP = 0.15


@dataclass(frozen=True)
class ChartBar:
    """One bar in the units of the SVG's view box (1000 wide, 100 high, y downward).

    Attributes:
        x: Left edge of its slot.
        slot: Width of its slot, which takes the pointer.
        left: Left edge of the bar.
        width: Width of the bar.
        y: Top of the whole bar.
        height: Height of the whole bar.
        y_informative: Top of the informative part, which stands at the bottom.
        height_informative: Height of that part.
        start: Begin of the bin as a form control writes it, `2017-09-20T14:00`, UTC.
        end: End of the bin.
        label: The bin and its counts in words.
        when: The bin in words.
        total: All its posts.
        informative: Its informative posts.
    """

    x: float
    slot: float
    left: float
    width: float
    y: float
    height: float
    y_informative: float
    height_informative: float
    start: str
    end: str
    label: str
    when: str
    total: int
    informative: int


@dataclass(frozen=True)
class Chart:
    """The chart.

    Attributes:
        bars: Its bars, left to right.
        levels: Labels of the vertical axis, top to bottom.
        ticks: Labels of the horizontal axis: begin, middle, end.
        summary: The chart in one sentence, for those who cannot see it.
        timeline: What is drawn.
    """

    bars: tuple[ChartBar, ...]
    levels: tuple[str, ...]
    ticks: tuple[str, ...]
    summary: str
    timeline: Timeline


def draw_chart(timeline: Timeline) -> Chart:
    """Lays out the bars of a timeline."""
    top, slot = timeline.top, _WIDTH / len(timeline.bars)
    bars = tuple(_bar(bar, i * slot, slot, top) for i, bar in enumerate(timeline.bars))
    busiest = max(timeline.bars, key=lambda bar: bar.total)
    first, last = timeline.bars[0].start, timeline.bars[-1].end
    ticks = (moment(first), moment(first + (last - first) / 2), moment(last))
    summary = (
        f"{len(bars)} bars of {timeline.width} each; most posts ({number(busiest.total)}) from "
        f"{moment(busiest.start)} UTC."
    )
    return Chart(bars, (number(top), number(top // 2) if top % 2 == 0 else "", "0"), ticks, summary, timeline)


def _bar(bar: Bar, x: float, slot: float, top: int) -> ChartBar:
    height, informative = (round(_HEIGHT * count / top, 2) for count in (bar.total, bar.informative))
    when = f"{moment(bar.start)} to {_until(bar.start, bar.end)}"
    return ChartBar(
        x=round(x, 2),
        slot=round(slot, 2),
        left=round(x + slot * _GAP / 2, 2),
        width=round(slot * (1 - _GAP), 2),
        y=round(_HEIGHT - height, 2),
        height=height,
        y_informative=round(_HEIGHT - informative, 2),
        height_informative=informative,
        start=moment(bar.start).replace(" ", "T"),
        end=moment(bar.end).replace(" ", "T"),
        label=f"{when} UTC: {number(bar.total)} posts, {number(bar.informative)} informative",
        when=when,
        total=bar.total,
        informative=bar.informative,
    )


def _until(start: datetime, end: datetime) -> str:
    return moment(end)[11:] if start.date() == end.date() else moment(end)
