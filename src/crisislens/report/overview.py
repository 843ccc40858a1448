"""What stands above the posts: totals, languages, near-duplicates, what the totals cannot say. Plain records
for the template.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from crisislens.domain.language_names import language_name
from crisislens.report.display import lines_of, moment, number, shorten, visible
from crisislens.report.fields import field_of
from crisislens.report.model import ReportCluster, ReportMeta
from crisislens.report.selection import ClusterSeen
from crisislens.report.tally import NOT_SURE, Tally, only_relevance

__all__ = [
    "ClusterRow",
    "LanguageRow",
    "Tile",
    "asides",
    "caveats",
    "cluster_rows",
    "clusters_in_words",
    "exactly",
    "language_rows",
    "link",
    "mostly_unsure",
    "tiles",
]

_SHOWN_UNREAD = 4
_MOST_LANGUAGES = 8
# beyond this share of "not sure", a table of the rest would mislead
_NEARLY_ALL = 0.9


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
class LanguageRow:
    """Posts of one language; `width` in [0, 100] is their share of the most frequent one's."""

    name: str
    code: str
    count: str
    width: float


@dataclass(frozen=True)
class ClusterRow:
    """Near-duplicates; `position` is that of the most urgent of them in the run, 0 where none has passed;
    the page finds its row by it.
    """

    size: str
    kind: str
    text: str
    id: str
    span: str
    position: int


def link(**filters: str) -> str:
    """The part of an address that sets filters.

    >>> link(damage="severe_damage")
    '#damage=severe_damage'
    """
    return "#" + urlencode(filters)


def exactly(*names: str) -> str:
    """What the field for places takes as whole names, any of them; a name's own quotes would end it.

    >>> exactly("Ponce, PR", "Utuado, PR")
    '"Ponce, PR" "Utuado, PR"'
    """
    return " ".join('"{}"'.format(name.replace('"', "")) for name in names)


def tiles(tally: Tally, failed: int, repeats: int = 0) -> tuple[Tile, ...]:
    """The totals of the head; `failed` rows have no post, and `repeats` posts say what another one says.

    Whether posts are worth reading is told whole: with those that are not sure, its answers add up to all.
    """

    def of(count: int, whole: int, what: str) -> str:
        return f"{100 * count / whole:.1f}% of {what}" if whole else f"no {what}"

    different = f"{number(tally.posts - repeats)} different messages"
    found = [Tile("Posts analyzed", number(tally.posts), different, "")]
    for name, task in tally.tasks.items():
        # what is worth reading stands first
        for label in sorted(task.labels, key=lambda label: label.nothing):
            # "0 posts" of what the model can hardly ever say would read as good news
            if not (label.counted or only_relevance(task)) or mostly_unsure(tally, name):
                continue
            count = tally.answers[name][label.name]
            where = link(**{field_of(name): label.name}) if count else ""
            found.append(Tile(label.words, number(count), of(count, tally.posts, "posts"), where))
    # by task: nearly every post has one answer that is not sure, most often severity, which says nothing
    counts = {name: answers[NOT_SURE] for name, answers in tally.answers.items()}
    if counts:
        first, *others = counts
        words = {name: task.phrase or name for name, task in tally.tasks.items()}
        # what is never surely told would be all posts of every run
        told = [name for name in others if name not in tally.never_sure]
        rest = "".join(f"; {words[name]} {number(counts[name])}" for name in told)
        unread = tally.unread_unsure[first]
        among = f", {number(unread)} of them not read" if unread else ""
        detail = f"about {words[first]}{among}{rest}"
        where = link(**{field_of(first): NOT_SURE}) if counts[first] else ""
        found.append(Tile("Not sure", number(counts[first]), detail, where))
    if tally.unread:
        found.append(_unread_tile(tally))
    if tally.photos:
        found.append(_photo_tile(tally))
    found.append(
        Tile(
            "Rows that failed",
            number(failed),
            "could not be assessed; not among the posts" if failed else "every row was read",
            "#failed" if failed else "",
        )
    )
    return tuple(found)


def _photo_tile(tally: Tally) -> Tile:
    """How many photos could be looked at. Where none could, that is said once, and not counted as a fault of
    each.
    """
    seen = tally.photos - tally.photos_unusable
    if not seen:
        return Tile(
            "Photos seen", "none", f"{number(tally.photos)} posts name one; no file was there or read", ""
        )
    if not tally.photos_unusable:
        return Tile("Photos seen", number(seen), "all that posts came with", "")
    lost = f"{number(tally.photos_unusable)} more could not be used"
    return Tile("Photos seen", number(seen), lost, link(photo="unusable"))


def _unread_tile(tally: Tally) -> Tile:
    """How many posts no model reads, and in which languages they are: somebody has to read them."""
    most = tally.unread.most_common(_SHOWN_UNREAD)
    names = [f"{language_name(code)} {number(count)}" for code, count in most]
    rest = len(tally.unread) - len(most)
    detail = ", ".join(names) + (f" and {rest} more" if rest > 0 else "")
    return Tile("Not read, by language", number(tally.unread.total()), detail, link(unsure="unread"))


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


def cluster_rows(seen: Sequence[ClusterSeen]) -> tuple[ClusterRow, ...]:
    """The largest clusters, with the post that stands for them."""
    kinds = {"text": "same words", "photo": "same photo, other words", "both": "same words and photo"}
    rows = []
    for found in seen:
        post = found.best.post if found.best else None
        text = shorten(" ".join(visible(lines_of(post.text)).split()), 160) if post else ("", "")
        span = f"{moment(found.first)} to {moment(found.last)}" if found.first and found.last else ""
        rows.append(
            ClusterRow(
                size=number(found.cluster.size),
                kind=kinds[found.cluster.kind],
                text=text[0] + (" …" if text[1] else ""),
                id=post.id if post else found.cluster.representative,
                span=span,
                position=found.position,
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


def asides(tally: Tally) -> tuple[str, ...]:
    """The questions that nearly all posts left open, one line each: their tables would say nothing."""
    found = []
    for name, task in tally.tasks.items():
        unsure = tally.answers[name][NOT_SURE]
        if mostly_unsure(tally, name):
            of = f"{number(unsure)} of {number(tally.posts)} posts"
            found.append(
                f"{task.heading}: the model is not sure on {of}, so no table of it is shown. "
                f"{tally.why_unsure(name)}"
            )
    return tuple(found)


def mostly_unsure(tally: Tally, question: str) -> bool:
    """Whether nearly all answers to a question are "not sure"."""
    return tally.posts > 0 and tally.answers[question][NOT_SURE] > _NEARLY_ALL * tally.posts


def caveats(meta: ReportMeta, tally: Tally) -> tuple[str, ...]:
    """What the totals cannot say, in sentences that depend on the run."""
    found = []
    foreign = sum(
        count for code, count in tally.languages.items() if code is not None and code not in meta.languages
    )
    if meta.languages and foreign:
        names = ", ".join(language_name(code) for code in meta.languages)
        posts, them = ("post seems", "it") if foreign == 1 else ("posts seem", "them")
        found.append(
            f"{number(foreign)} {posts} to be in a language that the model was not trained on (it knows "
            f"{names}); trust {them} less."
        )
    return (*found, *meta.known_limits)
