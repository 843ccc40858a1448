"""The run on one page, in the order that situation reports have: highlights, numbers, needs, response, gaps,
what is uncertain. Every line names the posts that it rests on.

No sentence says more than was counted. Quotes are the posts' own words.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.report.changes import Changes
from crisislens.report.display import number, percent
from crisislens.report.geography import Geography
from crisislens.report.labels import LabelCount, LabelTallies, trend_of
from crisislens.report.languages import language_name
from crisislens.report.lines import Line
from crisislens.report.model import ReportMeta
from crisislens.report.now import most_urgent
from crisislens.report.tally import NOT_SURE, Tally, only_relevance
from crisislens.report.timeline import Timeline
from crisislens.report.unread import Unread

__all__ = ["Section", "Statement", "Summary", "summarize"]

_HIGHLIGHTS = 6
_IDS = 3
_PLACES = 3
_LANGUAGES = 5


@dataclass(frozen=True)
class Statement:
    """One line and the ids of the posts that it rests on, the most urgent first."""

    text: str
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines under one heading."""

    title: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True)
class Summary:
    """The page: its title, what it is of, and its sections."""

    title: str
    scope: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Counted:
    """All that was counted of a run."""

    meta: ReportMeta
    tally: Tally
    labels: LabelTallies
    unread: Unread
    geography: Geography
    changes: Changes
    timeline: Timeline | None
    failed: int
    repeats: int


def summarize(run: Counted) -> Summary:
    """The summary of a run."""
    when = f", posted {run.timeline.first} to {run.timeline.last} UTC" if run.timeline else ""
    scope = f"{number(run.tally.posts)} posts from {run.meta.source_name}{when}"
    sections = [
        Section("Highlights", tuple(_highlights(run))),
        Section("Numbers", tuple(_numbers(run))),
        Section("Needs and harm", tuple(_of_tones(run, "grave", "warm"))),
        Section("Response", tuple(_of_tones(run, "calm"))),
        Section("Gaps", tuple(_gaps(run))),
        Section("What is uncertain", tuple(_uncertain(run))),
    ]
    return Summary(run.meta.title, scope, tuple(sections))


def _highlights(run: Counted) -> list[Statement]:
    """The most urgent messages in their own words."""
    found = [_quote(line) for line in most_urgent(run.labels.of_tone("grave", "warm"), _HIGHLIGHTS)]
    if run.changes.asked:
        new = run.changes
        ids = _ids(new.best.lines())
        found.insert(0, Statement(f"{number(new.fresh)} posts are new {new.against}.", ids))
    return found or [Statement("No post was surely read as a call for help, a warning or damage.")]


def _quote(line: Line) -> Statement:
    where = " · ".join(part for part in (line.when and f"{line.when} UTC", line.place) if part)
    copies = f" (said by {number(line.copies)} posts)" if line.copies > 1 else ""
    said = ", ".join(dict.fromkeys(chip.title for chip in line.chips))
    return Statement(f"“{line.text}”{copies} – {said}{f' · {where}' if where else ''}", (line.id,))


def _numbers(run: Counted) -> list[Statement]:
    tally = run.tally
    different = tally.posts - run.repeats
    found = [Statement(f"{number(tally.posts)} posts were read: {number(different)} different messages.")]
    for name, task in tally.tasks.items():
        for label in task.labels:
            if only_relevance(task) and not label.nothing:
                count = tally.answers[name][label.name]
                found.append(Statement(f"{label.words}: {number(count)} of them."))
    graves = run.labels.of_tone("grave")
    if graves:
        # in one line: where and when stands among the needs
        counts = "; ".join(f"{count.label.words} {number(count.posts)}" for count in graves)
        found.append(Statement(f"People in danger: {counts}.", _ids(most_urgent(graves, _IDS))))
    return found


def _of_tones(run: Counted, *tones: str) -> list[Statement]:
    """What each answer was counted, where, and whether it gets more."""
    found = []
    for count in run.labels.of_tone(*tones):
        parts = [f"{count.label.words}: {number(count.posts)} post{'s' if count.posts > 1 else ''}"]
        if places := _places(count):
            parts.append(f"most named: {places}")
        if run.timeline:
            trend = trend_of(count.times.counts(run.timeline.bars))
            if trend.word in ("rising", "falling"):
                parts.append(f"{trend.word} ({number(trend.last)} lately, {number(trend.before)} before)")
        found.append(Statement("; ".join(parts) + ".", _ids(count.best.lines())))
    return found or [Statement("No post was surely read so.")]


def _places(count: LabelCount) -> str:
    named = [(name, n) for name, n in count.places.most_common(_PLACES + 1) if name]
    return ", ".join(f"{name} ({number(n)})" for name, n in named[:_PLACES])


def _gaps(run: Counted) -> list[Statement]:
    """What nobody read, what cannot be placed, and where needs are named and no help is."""
    found = []
    for code, posts in run.unread.counts.most_common(_LANGUAGES):
        lines = run.unread.lines(code)
        language = f"posts in {language_name(code)}" if code else "posts whose language nobody can tell"
        found.append(Statement(f"No model reads {number(posts)} {language}.", _ids(lines)))
    if statement := _places_without_help(run):
        found.append(statement)
    if nowhere := run.tally.posts - run.geography.located:
        found.append(Statement(f"{number(nowhere)} posts name no place that is known."))
    if run.tally.undated:
        found.append(Statement(f"{number(run.tally.undated)} posts have no time."))
    if run.failed:
        found.append(Statement(f"{number(run.failed)} rows could not be read."))
    return found or [Statement("None was found.")]


def _places_without_help(run: Counted) -> Statement | None:
    helped = {name for count in run.labels.of_tone("calm") for name in count.places}
    asking: dict[str, int] = {}
    for count in run.labels.of_tone("grave"):
        for name, posts in count.places.items():
            if name and name not in helped:
                asking[name] = max(asking.get(name, 0), posts)
    if not asking or not run.labels.of_tone("calm"):
        return None
    order = sorted(asking.items(), key=lambda item: (-item[1], item[0]))[:_PLACES]
    places = ", ".join(f"{name} ({number(posts)})" for name, posts in order)
    named = {name for name, _ in order}
    lines = [line for count in run.labels.of_tone("grave") for line in count.best.lines()]
    ids = dict.fromkeys(line.id for line in lines if line.place in named)
    return Statement(f"People in danger are spoken of and no help is: {places}.", tuple(ids)[:_IDS])


def _uncertain(run: Counted) -> list[Statement]:
    tally, meta = run.tally, run.meta
    found = [
        Statement("A model read these posts and no person has checked them; a post may be false or old.")
    ]
    for name, task in tally.tasks.items():
        unsure = tally.answers[name][NOT_SURE]
        if unsure and tally.posts:
            share = percent(unsure / tally.posts)
            found.append(
                Statement(f"Not sure about {task.phrase or name}: {number(unsure)} posts ({share}).")
            )
    if doubtful := run.geography.doubtful():
        names = ", ".join(sorted(doubtful)[:_PLACES])
        found.append(Statement(f"{number(len(doubtful))} names of places are doubtful, such as {names}."))
    found.extend(Statement(limit) for limit in meta.known_limits)
    return found


def _ids(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(line.id for line in lines[:_IDS])
