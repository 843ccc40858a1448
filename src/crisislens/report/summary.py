"""The run on one page, in the order that situation reports have: highlights, numbers, needs, response, gaps,
what is uncertain. Every line names the posts that it rests on: three by their ids, and how many more there
are behind a link that opens them in the report. A line on the model names the model's card.

No sentence says more than was counted. Quotes are the posts' own words.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.domain.assessment import FailedPost
from crisislens.domain.language_names import language_name
from crisislens.report.changes import Changes
from crisislens.report.display import number, percent, visible
from crisislens.report.fields import field_of
from crisislens.report.geography import Geography
from crisislens.report.grounds import NAMED, Ground, Grounds
from crisislens.report.labels import AnswerCount, LabelTallies, trend_of
from crisislens.report.lines import Line
from crisislens.report.model import ReportMeta
from crisislens.report.now import most_urgent
from crisislens.report.overview import exactly, link
from crisislens.report.tally import NOT_SURE, Tally, only_relevance
from crisislens.report.timeline import Timeline
from crisislens.report.unread import Unread

__all__ = ["Named", "Section", "Statement", "Summary", "summarize"]

_HIGHLIGHTS = 6
_PLACES = 3
_LANGUAGES = 5
_ALL = "#view=read"


@dataclass(frozen=True)
class Named:
    """A post or row that a line rests on: what it is called, and the part of the report's address that shows
    it; empty for none.
    """

    id: str
    link: str = ""


@dataclass(frozen=True)
class Statement:
    """One line and what it rests on.

    Attributes:
        text: The line.
        named: The posts that it rests on, the most urgent first, at most three.
        more: How many more there are.
        link: The part of the report's address that lists all of them; empty for none.
        basis: What it rests on where that is no post.
    """

    text: str
    named: tuple[Named, ...] = ()
    more: int = 0
    link: str = ""
    basis: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are named."""
        return tuple(one.id for one in self.named)

    @property
    def rest(self) -> str:
        """How many are not named, in words; empty where all are.

        >>> Statement("12 posts", (Named("a"), Named("b")), more=10).rest
        'and 10 more'
        """
        return f"and {number(self.more)} more" if self.more else ""


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
    """All that was counted of a run; `failures` are the first of the `failed` rows."""

    meta: ReportMeta
    tally: Tally
    labels: LabelTallies
    unread: Unread
    geography: Geography
    changes: Changes
    grounds: Grounds
    timeline: Timeline | None
    failed: int
    repeats: int
    failures: Sequence[FailedPost] = ()


def summarize(run: Counted) -> Summary:
    """The summary of a run."""
    when = f", posted {run.timeline.first} to {run.timeline.last} UTC" if run.timeline else ""
    scope = f"{_posts(run.tally.posts)} from {run.meta.source_name}{when}"
    sections = [
        Section("Highlights", tuple(_highlights(run))),
        Section("Numbers", tuple(_numbers(run))),
        Section("Needs and harm", tuple(_of_tones(run, "grave", "warm"))),
        Section("Response", tuple(_of_tones(run, "calm"))),
        Section("Gaps", tuple(_gaps(run))),
        Section("What is uncertain", tuple(_uncertain(run))),
    ]
    return Summary(run.meta.title, scope, tuple(sections))


def _posts(count: int) -> str:
    """
    >>> _posts(1), _posts(1200)
    ('1 post', '1,200 posts')
    """
    return f"{number(count)} post{'' if count == 1 else 's'}"


def _resting(text: str, ids: Sequence[str], posts: int, where: str) -> Statement:
    """A line that rests on some posts, of which `ids` are the most urgent."""
    named = tuple(Named(one, link(post_id=one)) for one in ids[:NAMED])
    return Statement(text, named, max(0, posts - len(named)), where if posts else "")


def _on_ground(text: str, ground: Ground, where: str) -> Statement:
    return _resting(text, ground.ids, ground.posts, where)


def _on_all(run: Counted, text: str) -> Statement:
    """A line that rests on all posts."""
    return _on_ground(text, run.grounds.of("all"), _ALL)


def _highlights(run: Counted) -> list[Statement]:
    """The most urgent messages in their own words."""
    found = [_quote(line) for line in most_urgent(run.labels.of_tone("grave", "warm"), _HIGHLIGHTS)]
    if run.changes.asked:
        new = run.changes
        are = "is" if new.fresh == 1 else "are"
        text = f"{_posts(new.fresh)} {are} new {new.against}."
        found.insert(0, _resting(text, _ids(new.best.lines()), new.fresh, link(fresh="1")))
    none = "No post was surely read as a call for help, a warning or damage."
    return found or [_on_all(run, none)]


def _quote(line: Line) -> Statement:
    where = " · ".join(part for part in (line.when and f"{line.when} UTC", line.place) if part)
    copies = f" (said by {number(line.copies)} posts)" if line.copies > 1 else ""
    said = ", ".join(dict.fromkeys(chip.title for chip in line.chips))
    text = f"“{line.text}”{copies} – {said}{f' · {where}' if where else ''}"
    same = link(like=str(line.message), copies="all") if line.copies > 1 else link(post_id=line.id)
    return _resting(text, (line.id,), line.copies, same)


def _numbers(run: Counted) -> list[Statement]:
    tally = run.tally
    messages = tally.posts - run.repeats
    different = f"{number(messages)} different message{'' if messages == 1 else 's'}"
    are = "was" if tally.posts == 1 else "were"
    found = [_on_all(run, f"{_posts(tally.posts)} {are} read: {different}.")]
    for name, task in tally.tasks.items():
        for label in task.labels:
            if only_relevance(task) and not label.nothing:
                count = tally.answers[name][label.name]
                text = f"{label.words}: {number(count)} of them."
                ground = run.grounds.of(name, label.name) if count else run.grounds.of("all")
                where = link(**{field_of(name): label.name}) if count else _ALL
                found.append(_on_ground(text, ground, where))
    graves = run.labels.told("grave")
    if graves:
        # in one line: where and when stands among the needs
        counts = "; ".join(f"{count.words} {number(count.posts)}{_made_of(count)}" for count in graves)
        ground = run.grounds.of("danger")
        found.append(_on_ground(f"People in danger: {counts}.", ground, link(of_tone="grave")))
    return found


def _of_tones(run: Counted, *tones: str) -> list[Statement]:
    """What each answer was counted, where, and whether it gets more."""
    found = []
    for count in run.labels.told(*tones):
        parts = [f"{count.words}: {_posts(count.posts)}{_made_of(count)}"]
        if places := _places(count):
            parts.append(f"places: {places}")
        if run.timeline:
            trend = trend_of(count.times.counts(run.timeline.bars), run.timeline.covered)
            if trend.word in ("rising", "falling"):
                parts.append(f"{trend.word} ({number(trend.last)} lately, {number(trend.before)} before)")
        where = link(**count.filters)
        text = "; ".join(parts) + "."
        found.append(_resting(text, _ids(count.best.lines()), count.posts, where))
    return found or [_on_all(run, "No post was surely read so.")]


def _made_of(count: AnswerCount) -> str:
    """Which answers are counted together; empty for one answer."""
    return f" ({count.made_of})" if count.parts else ""


def _places(count: AnswerCount) -> str:
    named = [(name, n) for name, n in count.places.most_common(_PLACES + 1) if name]
    return ", ".join(f"{name} ({number(n)})" for name, n in named[:_PLACES])


def _gaps(run: Counted) -> list[Statement]:
    """What nobody read, what cannot be placed, and where needs are named and no help is."""
    found = []
    languages = run.unread.counts.most_common()
    for code, posts in languages[:_LANGUAGES]:
        told = f"in {language_name(code)}" if code else "whose language nobody can tell"
        where = link(unsure="unread", language=code or "unknown")
        text = f"No model reads {_posts(posts)} {told}."
        found.append(_resting(text, _ids(run.unread.lines(code)), posts, where))
    if rest := languages[_LANGUAGES:]:
        found.append(_other_languages(run, rest))
    if statement := _places_without_help(run):
        found.append(statement)
    nowhere, undated = run.grounds.of("nowhere"), run.grounds.of("undated")
    if nowhere.posts:
        text = f"{_posts(nowhere.posts)} {'name' if nowhere.posts > 1 else 'names'} no place that is known."
        found.append(_on_ground(text, nowhere, link(lacking="position")))
    if undated.posts:
        text = f"{_posts(undated.posts)} {'have' if undated.posts > 1 else 'has'} no time."
        found.append(_on_ground(text, undated, link(lacking="time")))
    if run.failed:
        found.append(_failed(run))
    return found or [_on_all(run, "None was found.")]


def _other_languages(run: Counted, rest: Sequence[tuple[str | None, int]]) -> Statement:
    """Languages of fewer posts in one line: none is left out, for its one post may be the call for help."""
    named = [f"{language_name(code) if code else 'unknown'} ({number(n)})" for code, n in rest]
    posts = sum(n for _, n in rest)
    lines = [line for code, _ in rest for line in run.unread.lines(code)]
    lines.sort(key=lambda line: (-line.urgency, line.position))
    other = f"{number(len(rest))} other language{'' if len(rest) == 1 else 's'}"
    text = f"No model reads {_posts(posts)} in {other}: {', '.join(named)}."
    return _resting(text, _ids(lines), posts, link(unsure="unread"))


def _failed(run: Counted) -> Statement:
    """Rows that became no post: they are named by their ids, or by where they stand."""
    first = [visible(row.id) if row.id else f"row {row.row}" for row in run.failures[:NAMED]]
    text = f"{number(run.failed)} row{'' if run.failed == 1 else 's'} could not be read."
    named = tuple(Named(one) for one in first)
    return Statement(text, named, run.failed - len(named), "#failed")


def _places_without_help(run: Counted) -> Statement | None:
    """Places in whose country no post tells of help; None where nobody speaks of help at all, or where most
    who do name no place: their help may be anywhere.
    """
    helps = run.grounds.helps
    if not helps or 2 * helps[""] > helps.total():
        return None
    country = run.grounds.country
    asking = {
        name: ground
        for name, ground in run.grounds.danger.items()
        if country[name] and not helps[country[name]]
    }
    if not asking:
        return None
    order = sorted(asking.items(), key=lambda item: (-item[1].posts, item[0]))[:_PLACES]
    places = ", ".join(f"{name} ({number(ground.posts)})" for name, ground in order)
    # of each place its most urgent post first
    ids = [ground.ids[rank] for rank in range(NAMED) for _, ground in order if rank < len(ground.ids)]
    text = f"People in danger are spoken of, and help in the same country is not: {places}."
    where = link(of_tone="grave", place=exactly(*(name for name, _ in order)))
    return _resting(text, ids, sum(ground.posts for _, ground in order), where)


def _uncertain(run: Counted) -> list[Statement]:
    tally = run.tally
    unchecked = "A model read these posts and no person has checked them; a post may be false or old."
    found = [_on_all(run, unchecked)]
    for name, task in tally.tasks.items():
        unsure = tally.answers[name][NOT_SURE]
        if unsure and tally.posts:
            share = percent(unsure / tally.posts)
            text = f"Not sure about {task.phrase or name}: {_posts(unsure)} ({share})."
            found.append(_on_ground(text, run.grounds.of(name, NOT_SURE), link(**{field_of(name): NOT_SURE})))
    if run.geography.doubtful():
        found.append(_doubtful(run))
    card = "the model's card"
    found.extend(Statement(limit, basis=card) for limit in run.meta.known_limits)
    return found


def _doubtful(run: Counted) -> Statement:
    spots = {name: run.geography.named[name] for name in run.geography.doubtful()}
    posts = Counter({name: spot.count for name, spot in spots.items()})
    most = [name for name, _ in sorted(posts.items(), key=lambda item: (-item[1], item[0]))[:_PLACES]]
    ids = [visible(spots[name].best[1]) for name in most]
    one = len(spots) == 1
    text = (
        f"{number(len(spots))} name{'' if one else 's'} of places {'is' if one else 'are'} doubtful, such as "
        f"{', '.join(most)}."
    )
    return _resting(text, ids, posts.total(), link(doubtful="1"))


def _ids(lines: Sequence[Line]) -> tuple[str, ...]:
    return tuple(line.id for line in lines[:NAMED])
