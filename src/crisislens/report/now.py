"""What to look at now: calls for help first, then warnings and damage, then what no model could read. Plain
records for the template.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from crisislens.domain.language_names import language_name
from crisislens.report.display import number
from crisislens.report.labels import AnswerCount, LabelCount, LabelTallies
from crisislens.report.lines import Line
from crisislens.report.overview import link
from crisislens.report.unread import Unread

__all__ = ["Lane", "LaneLink", "UnreadRow", "lanes", "most_urgent", "unread_rows"]

_SHOWN = 8
_SHOWN_UNREAD = 3
# a post that no model read looks like a call from the weight on that makes an answer grave
_LOOKS_GRAVE = 0.5


@dataclass(frozen=True)
class LaneLink:
    """One answer of a lane: its title, tone, how many posts, the filter, and how many of these posts show one
    and the same photo (empty where that is not worth a word).

    `parts` are the answers that mean nearly the same, where it counts the posts with any of them.
    """

    title: str
    tone: str
    count: str
    link: str
    of_one_photo: str = ""
    parts: tuple["LaneLink", ...] = ()


@dataclass(frozen=True)
class Lane:
    """Posts of one tone: a heading, what it says of itself, the answers in it, the most urgent posts of each
    answer and of all, and how many posts look so that no model read (0 where that is not asked).
    """

    key: str
    title: str
    empty: str
    links: tuple[LaneLink, ...]
    lines: tuple[Line, ...]
    look_alikes: int = 0


@dataclass(frozen=True)
class UnreadRow:
    """Posts of one language that no model reads, with a few of them."""

    name: str
    count: str
    link: str
    lines: tuple[Line, ...]


def lanes(tallies: LabelTallies, unread: Unread | None = None) -> tuple[Lane, ...]:
    """The lanes, the gravest first; a tone that no task has makes none.

    A post with answers of several tones stands in the gravest lane alone: a call for help that also warns is
    read as a call.

    Arguments:
        tallies: What is counted for each answer.
        unread: Posts that no model read. Those as urgent as the last line of the gravest lane are counted
            under it, and nothing surer is said of them.
    """
    made = []
    for key, title, empty in (
        ("grave", "Calls for help and people in danger", "No post was surely read so."),
        ("warm", "Warnings and damage", "No post was surely read so."),
    ):
        if any(count.tone == key for count in tallies):
            links = tuple(map(_link, tallies.told(key)))
            lines = _of_each([count.own.lines() for count in tallies.of_tone(key)])
            made.append(Lane(key, title, empty, links, tuple(lines)))
    if made and made[0].key == "grave" and unread is not None:
        least = max([_LOOKS_GRAVE, *(line.urgency for line in made[0].lines[-1:])])
        made[0] = replace(made[0], look_alikes=unread.as_urgent_as(least))
    return tuple(made)


def _link(count: AnswerCount) -> LaneLink:
    return LaneLink(
        count.words,
        count.tone,
        number(count.posts),
        link(**count.filters),
        number(count.of_one_photo) if count.of_one_photo else "",
        tuple(_link(part) for part in count.parts if part.posts),
    )


def _of_each(lists: Sequence[Sequence[Line]]) -> list[Line]:
    """The best line of each answer, then the most urgent others; no post, message or photo twice.

    There are more than the usual number where there are more answers: each has its line.
    """
    chosen: list[Line] = []
    for own in sorted(filter(None, lists), key=lambda own: _rank(own[0])):
        best = next((line for line in own if _is_new(line, chosen)), None)
        # what is its best already stands for another answer
        stands = any(line.position == own[0].position for line in chosen)
        if best is not None and not stands:
            chosen.append(best)
    chosen = _in_order(chosen)
    for line in _in_order([line for own in lists for line in own]):
        if len(chosen) < _SHOWN and _is_new(line, chosen):
            chosen.append(line)
    # those behind the others stay so, be they the best of their answer
    return sorted(chosen, key=lambda line: bool(line.note))


def _is_new(line: Line, chosen: Sequence[Line]) -> bool:
    return not any(line.repeats(other) for other in chosen)


def most_urgent(counts: Sequence[LabelCount], most: int) -> list[Line]:
    """The most urgent posts of several answers, each post once."""
    return _in_order([line for count in counts for line in count.best.lines()])[:most]


def _in_order(lines: Sequence[Line]) -> list[Line]:
    different = {line.position: line for line in lines}
    return sorted(different.values(), key=_rank)


def _rank(line: Line) -> tuple[bool, float, int]:
    return bool(line.note), -line.urgency, line.position


def unread_rows(unread: Unread) -> tuple[UnreadRow, ...]:
    """The languages that no model reads, the most frequent first."""
    rows = []
    for code, count in unread.counts.most_common():
        where = link(unsure="unread", language=code or "unknown")
        rows.append(
            UnreadRow(language_name(code), number(count), where, tuple(unread.lines(code)[:_SHOWN_UNREAD]))
        )
    return tuple(rows)
