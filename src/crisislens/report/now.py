"""What to look at now: calls for help first, then warnings and damage, then what no model could read. Plain
records for the template.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.report.display import number
from crisislens.report.fields import field_of
from crisislens.report.labels import LabelCount, LabelTallies
from crisislens.report.languages import language_name
from crisislens.report.lines import Line
from crisislens.report.overview import link
from crisislens.report.tally import lane_of
from crisislens.report.unread import Unread

__all__ = ["Lane", "LaneLink", "UnreadRow", "lanes", "most_urgent", "unread_rows"]

_SHOWN = 8
_SHOWN_UNREAD = 3


@dataclass(frozen=True)
class LaneLink:
    """One answer of a lane: its title, tone, how many posts, and the filter."""

    title: str
    tone: str
    count: str
    link: str


@dataclass(frozen=True)
class Lane:
    """Posts of one tone: a heading, what it says of itself, the answers in it, and its most urgent posts."""

    key: str
    title: str
    empty: str
    links: tuple[LaneLink, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class UnreadRow:
    """Posts of one language that no model reads, with a few of them."""

    name: str
    count: str
    link: str
    lines: tuple[Line, ...]


def lanes(tallies: LabelTallies) -> tuple[Lane, ...]:
    """The lanes, the gravest first; a tone that no task has makes none.

    A post with answers of several tones stands in the gravest lane alone: a call for help that also warns is
    read as a call.
    """
    made = []
    for key, title, empty in (
        ("grave", "Calls for help and people in danger", "No post was surely read so."),
        ("warm", "Warnings and damage", "No post was surely read so."),
    ):
        asked = [count for count in tallies if lane_of(count.label) == key]
        if asked:
            made.append(_lane(key, title, empty, tallies.of_tone(key)))
    return tuple(made)


def _lane(key: str, title: str, empty: str, counts: Sequence[LabelCount]) -> Lane:
    links = [
        LaneLink(
            count.label.words,
            lane_of(count.label),
            number(count.posts),
            link(**{field_of(count.task.question): count.label.name}),
        )
        for count in counts
    ]
    own = _in_order([line for count in counts for line in count.own.lines()])
    return Lane(key, title, empty, tuple(links), tuple(own[:_SHOWN]))


def most_urgent(counts: Sequence[LabelCount], most: int) -> list[Line]:
    """The most urgent posts of several answers, each post once."""
    return _in_order([line for count in counts for line in count.best.lines()])[:most]


def _in_order(lines: Sequence[Line]) -> list[Line]:
    different = {line.position: line for line in lines}
    return sorted(different.values(), key=lambda line: (-line.urgency, line.position))


def unread_rows(unread: Unread) -> tuple[UnreadRow, ...]:
    """The languages that no model reads, the most frequent first."""
    rows = []
    for code, count in unread.counts.most_common():
        where = link(unsure="unread", language=code or "unknown")
        rows.append(
            UnreadRow(language_name(code), number(count), where, tuple(unread.lines(code)[:_SHOWN_UNREAD]))
        )
    return tuple(rows)
