"""What stands above the posts: totals, the matrix of category and severity, languages, near-duplicates. Plain
records for the template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from crisislens.report.cards import PostCard
from crisislens.report.display import moment, number, shorten, visible
from crisislens.report.languages import language_name
from crisislens.report.model import ReportCluster, ReportMeta, ReportTask
from crisislens.report.selection import ClusterSeen
from crisislens.report.tally import NOT_SURE, Tally

__all__ = [
    "ClusterRow",
    "LanguageRow",
    "Matrix",
    "MatrixCell",
    "Tile",
    "caveats",
    "cluster_rows",
    "clusters_in_words",
    "language_rows",
    "link",
    "matrix",
    "tiles",
]

_HEAT_STEPS = 5
_SHOWN_UNREAD = 4
_MOST_LANGUAGES = 8


@dataclass(frozen=True)
class Tile:
    """One total: its name, the count, what the count is of, and the filter that it leads to (empty for
    none).
    """

    title: str
    value: str
    detail: str
    link: str


@dataclass(frozen=True)
class MatrixCell:
    """One cell of the matrix; `heat` from 0 (none) to 5 (most), `link` the filter that it leads to, `says`
    what it is in words.
    """

    count: int
    text: str
    heat: int
    link: str
    says: str


@dataclass(frozen=True)
class Matrix:
    """Posts by category (rows) and severity (columns), both with "not sure" and sums at the end.

    A task that is not answered has one row, or no column but the sums.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
    title: str


@dataclass(frozen=True)
class LanguageRow:
    """Posts of one language; `width` in [0, 100] is their share of the most frequent one's."""

    name: str
    code: str
    count: str
    width: float


@dataclass(frozen=True)
class ClusterRow:
    """Near-duplicates; `card` is the rank of the card that stands for them, None where none is listed."""

    size: str
    kind: str
    text: str
    id: str
    span: str
    card: int | None


def link(**filters: str) -> str:
    """The part of an address that sets filters.

    >>> link(damage="severe_damage")
    '#damage=severe_damage'
    """
    return "#" + urlencode(filters)


def tiles(tally: Tally, failed: int) -> tuple[Tile, ...]:
    """The totals of the head."""

    def of(count: int, whole: int, what: str) -> str:
        return f"{100 * count / whole:.1f}% of {what}" if whole else f"no {what}"

    found = [Tile("Posts analyzed", number(tally.posts), f"{number(tally.located)} with coordinates", "")]
    for name, task in tally.tasks.items():
        for label in task.labels:
            if not label.counted:
                continue
            count = tally.answers[name][label.name]
            where = link(**{name: label.name}) if count else ""
            found.append(Tile(label.words, number(count), of(count, tally.posts, "posts"), where))
    # by task: nearly every post has one answer that is not sure, most often severity, which says nothing
    counts = {name: answers[NOT_SURE] for name, answers in tally.answers.items()}
    if counts:
        first, *others = counts
        words = {name: task.phrase or name for name, task in tally.tasks.items()}
        rest = "".join(f"; {words[name]} {number(counts[name])}" for name in others)
        detail = f"about {words[first]}{rest}"
        found.append(
            Tile(
                "Not sure", number(counts[first]), detail, link(**{first: NOT_SURE}) if counts[first] else ""
            )
        )
    if tally.unread:
        found.append(_unread_tile(tally))
    photos = of(
        tally.photos_unusable, tally.photos, f"{number(tally.photos)} photos" if tally.photos else "photos"
    )
    found.append(
        Tile(
            "Photos not usable",
            number(tally.photos_unusable),
            photos,
            link(photo="unusable") if tally.photos_unusable else "",
        )
    )
    found.append(
        Tile(
            "Rows that failed",
            number(failed),
            "could not be assessed" if failed else "every row was read",
            "#failed" if failed else "",
        )
    )
    return tuple(found)


def _unread_tile(tally: Tally) -> Tile:
    """How many posts no model reads, and in which languages they are: somebody has to read them."""
    most = tally.unread.most_common(_SHOWN_UNREAD)
    names = [f"{language_name(code)} {number(count)}" for code, count in most]
    rest = len(tally.unread) - len(most)
    detail = ", ".join(names) + (f" and {rest} more" if rest > 0 else "")
    return Tile("Not read, by language", number(tally.unread.total()), detail, link(unsure="unread"))


def matrix(tally: Tally, tasks: Sequence[ReportTask]) -> Matrix | None:
    """The matrix of kind and scale, such as category and severity; None where the model answers neither."""
    by_name = {task.name: task for task in tasks}
    down = by_name[tally.down.question] if tally.down else None
    across = by_name[tally.across.question] if tally.across else None
    if down is None and across is None:
        return None
    rows, columns = _answers(down), _answers(across)
    most = max((tally.pairs[r, c] for r in rows for c in columns), default=0)
    body = []
    for r, name in rows.items():
        cells = [
            _cell(tally.pairs[r, c], most, down, r, across, c, f"{name}, {title}")
            for c, title in columns.items()
        ]
        whole = sum(tally.pairs[r, c] for c in columns)
        body.append((name, (*cells, _cell(whole, 0, down, r, None, "", f"{name}, all severities"))))
    sums = []
    for c, title in columns.items():
        whole = sum(tally.pairs[r, c] for r in rows)
        sums.append(_cell(whole, 0, None, "", across, c, f"All categories, {title}"))
    body.append(("All", (*sums, _cell(tally.posts, 0, None, "", None, "", "All posts"))))
    if across is None:
        # without a scale there is nothing to cross the kinds with
        body = [(name, cells[-1:]) for name, cells in body]
        columns = {}
    title = " and ".join(task.phrase for task in (down, across) if task is not None)
    return Matrix((*columns.values(), "All"), tuple(body), title[:1].upper() + title[1:])


def _answers(task: ReportTask | None) -> dict[str, str]:
    return {NOT_SURE: "Not answered"} if task is None else {**task.classes, NOT_SURE: "Not sure"}


def _cell(
    count: int, most: int, down: ReportTask | None, r: str, across: ReportTask | None, c: str, says: str
) -> MatrixCell:
    filters = {task.name: value for task, value in ((down, r), (across, c)) if task is not None}
    # the square root, because one large cell (not humanitarian, no damage) would leave all others white
    heat = max(1, round(_HEAT_STEPS * (count / most) ** 0.5)) if count and most else 0
    return MatrixCell(
        count,
        number(count),
        heat,
        link(**filters) if filters and count else "",
        f"{says}: {number(count)} posts",
    )


def language_rows(tally: Tally) -> tuple[LanguageRow, ...]:
    """The most frequent languages; the others in one row."""
    order = tally.languages.most_common()
    shown, others = order[:_MOST_LANGUAGES], sum(count for _, count in order[_MOST_LANGUAGES:])
    most = max([count for _, count in shown] + [others], default=0)
    rows = [
        LanguageRow(language_name(code), code or "unknown", number(count), round(100 * count / most, 1))
        for code, count in shown
    ]
    if others:
        rows.append(
            LanguageRow(
                f"{len(order) - len(shown)} others", "", number(others), round(100 * others / most, 1)
            )
        )
    return tuple(rows)


def cluster_rows(seen: Sequence[ClusterSeen], cards: Sequence[PostCard]) -> tuple[ClusterRow, ...]:
    """The largest clusters, with the cards that stand for them."""
    kinds = {"text": "same words", "photo": "same photo, other words", "both": "same words and photo"}
    card_of = {card.id: card.rank for card in cards}
    rows = []
    for found in seen:
        post = found.best.post if found.best else None
        text = shorten(visible(post.text).replace("\n", " "), 160) if post else ("", "")
        span = f"{moment(found.first)} to {moment(found.last)}" if found.first and found.last else ""
        rows.append(
            ClusterRow(
                size=number(found.cluster.size),
                kind=kinds[found.cluster.kind],
                text=text[0] + (" …" if text[1] else ""),
                id=post.id if post else found.cluster.representative,
                span=span,
                card=card_of.get(post.id) if post else None,
            )
        )
    return tuple(rows)


def clusters_in_words(clusters: Sequence[ReportCluster]) -> str:
    """How many posts repeat others' words, and how many share a photo; empty where none does.

    >>> clusters_in_words([ReportCluster("1", 3, ("1", "2", "3"), "text")])
    '3 posts in 1 group say the same'
    """
    parts = []
    for one_message, does in ((True, "say the same"), (False, "show one photo with different words")):
        sizes = [cluster.size for cluster in clusters if cluster.one_message == one_message]
        if sizes:
            groups = f"{number(len(sizes))} group{'s' if len(sizes) > 1 else ''}"
            parts.append(f"{number(sum(sizes))} posts in {groups} {does}")
    return "; ".join(parts)


def caveats(meta: ReportMeta, tally: Tally) -> tuple[str, ...]:
    """What the totals cannot say, in sentences that depend on the run."""
    found = []
    foreign = sum(
        count for code, count in tally.languages.items() if code is not None and code not in meta.languages
    )
    if meta.languages and foreign:
        names = ", ".join(language_name(code) for code in meta.languages)
        found.append(
            f"{number(foreign)} posts seem to be in a language that the model was not trained on (it knows "
            f"{names}); trust them less."
        )
    return (*found, *meta.known_limits)
