"""Builds `report.html`: one file that a responder opens in any browser, from a disk, without a network.

Everything in a post is hostile until shown otherwise. What holds it back, each by itself:

- Jinja2 escapes every value, and before that `display.visible` is applied to every string (as the
  environment's `finalize`), so that no template can forget it; addresses in posts stay text.
- No data stand in scripts; filters read `data-` attributes.
- A content security policy forbids every request and every script and style but the two whose SHA-256 it
  names, so even a hole in the escaping runs nothing and tells nobody.
- Pictures arrive as small JPEGs that the hardened decoder made, never as the bytes of a post.

Assessments stream through; kept are running totals and the posts that are listed, so memory does not grow
with the run (but for the ids of near-duplicates, which the caller holds anyway).
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from pathlib import Path

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from crisislens.core.files import atomic_write
from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.post import Post
from crisislens.report.atlas import kind_rows, place_rows
from crisislens.report.cards import CardMaker, PostCard
from crisislens.report.chart import draw_chart
from crisislens.report.display import instant, number, percent, visible
from crisislens.report.geography import Geography
from crisislens.report.languages import language_name
from crisislens.report.model import ReportCluster, ReportMeta
from crisislens.report.overview import caveats, cluster_rows, clusters_in_words, language_rows, matrix, tiles
from crisislens.report.selection import Selection
from crisislens.report.tally import NONE, NOT_SURE, Tally
from crisislens.report.worldmap import draw_map
from crisislens.runs.files import writing
from crisislens.runs.sinks import Record, pour

__all__ = ["ReportSink", "write_report"]

_MOST_FAILED = 200
_MOST_CLUSTERS = 30


class ReportSink:
    """The situation report, written when all records are there.

    Arguments:
        out: The HTML file; replaced atomically.
        clusters: Near-duplicates; of those that say the same, one post is listed. All are counted.
        thumbnails: Gives a small JPEG of a post's photo (up to 150 kB), or None; asked for listed posts only,
            the most urgent first.
        meta: What the report says of the run.
        top: How many of the most urgent posts are listed.
        per_cell: How many posts of each cell of category and severity are listed at least.
    """

    def __init__(
        self,
        out: Path,
        *,
        clusters: Sequence[ReportCluster],
        thumbnails: Callable[[Post], bytes | None],
        meta: ReportMeta,
        top: int = 200,
        per_cell: int = 8,
    ) -> None:
        self.path, self.name, self.lost = out, out.name, 0
        self._clusters, self._thumbnails, self._meta = clusters, thumbnails, meta
        self._top, self._per_cell = top, per_cell
        self._tally, self._geography = Tally(meta.tasks), Geography()
        self._selection = Selection(clusters, top=top, per_cell=per_cell, top_clusters=_MOST_CLUSTERS)
        self._failures: list[FailedPost] = []
        self._failed = 0

    def add(self, record: Record[Assessment]) -> None:
        """Counts an assessment, and keeps it where it may be listed."""
        assessment = record.value
        self._tally.add(assessment)
        self._geography.add(assessment)
        self._selection.add(assessment, self._tally.cell(assessment))

    def fail(self, record: Record[Assessment]) -> None:
        """Counts a failed row; the first 200 are listed."""
        self._failed += 1
        if len(self._failures) < _MOST_FAILED:
            self._failures.append(record.failure)

    def commit(self) -> None:
        """Writes the page."""
        meta, tally, geography = self._meta, self._tally, self._geography
        maker = CardMaker(meta.tasks, self._thumbnails)
        cards = [maker.card(rank, listed) for rank, listed in enumerate(self._selection.listed(), start=1)]
        timeline = tally.times.timeline()
        ranks = {card.id: card.rank for card in cards}
        context = {
            "tally": tally,
            "tiles": tiles(tally, self._failed),
            "chart": draw_chart(timeline) if timeline else None,
            "matrix": matrix(tally, meta.tasks),
            "lead": tally.gate.lead.words.lower() if tally.gate else "",
            "languages": language_rows(tally),
            "cards": cards,
            "geography": geography,
            "map": draw_map(geography, ranks),
            "named": place_rows(geography, ranks),
            "kinds": kind_rows(geography),
            "clusters": cluster_rows(self._selection.clusters, cards),
            "cluster_count": len(self._clusters),
            "said": clusters_in_words(self._clusters),
            "failures": self._failures,
            "failed_count": self._failed,
            "caveats": caveats(meta, tally),
            "top": self._top,
            "per_cell": self._per_cell,
        }
        with writing(self.path.parent):
            atomic_write(self.path, _page(meta, cards, context))

    def discard(self) -> None:
        """Nothing was written."""


def write_report(
    out: Path,
    *,
    assessments: Iterable[Assessment],
    failed: Iterable[FailedPost],
    clusters: Sequence[ReportCluster],
    thumbnails: Callable[[Post], bytes | None],
    meta: ReportMeta,
    top: int = 200,
    per_cell: int = 8,
) -> Path:
    """Writes the situation report, atomically.

    Arguments:
        out: The HTML file.
        assessments: Every assessment of the run; read once.
        failed: The rows that could not become assessments; read once.
        clusters: See `ReportSink`, as the other arguments.
        thumbnails: Gives a small JPEG of a post's photo, or None.
        meta: What the report says of the run.
        top: How many of the most urgent posts are listed.
        per_cell: How many posts of each cell of category and severity are listed at least.

    Returns:
        `out`.
    """
    options = {"top": top, "per_cell": per_cell}
    sink = ReportSink(out, clusters=clusters, thumbnails=thumbnails, meta=meta, **options)
    records = chain((Record.of(a, "") for a in assessments), (Record.of_failed(f) for f in failed))
    pour(records, [sink])
    return out


def _page(meta: ReportMeta, cards: Sequence[PostCard], context: Mapping[str, object]) -> str:
    """The page as text."""
    languages = sorted({(card.language, card.language_code or "unknown") for card in cards})
    return (
        _environment()
        .get_template("report.html")
        .render(
            context,
            meta=meta,
            card_languages=languages,
            linked_languages={code for _, code in languages} if len(languages) > 1 else set(),
            card_events=sorted({card.event for card in cards if card.event}),
            evidence=list(dict.fromkeys(chain.from_iterable(task.thresholds for task in meta.tasks))),
            post_files=[name for name in meta.files if name.startswith("assessments")] or meta.files[:1],
            not_sure=NOT_SURE,
            none=NONE,
            style=Markup(_asset("report.css")),
            script=Markup(_asset("report.js")),
            policy=_policy(),
        )
    )


def _finalize(value: object) -> object:
    """Applied to everything that a template prints: strings lose their disguises, `None` is a bug and shows
    as one.
    """
    return visible(value) if type(value) is str else value


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=DictLoader(
            {
                name: _asset(name)
                for name in ("report.html", "card.html", "overview.html", "map.html", "about.html")
            }
        ),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, instant=instant, language=language_name)
    return environment


def _asset(name: str) -> str:
    """A file of `report/templates`, with line feeds only, as the browser will hash it."""
    return (
        files("crisislens.report")
        .joinpath("templates", name)
        .read_text(encoding="utf-8")
        .replace("\r\n", "\n")
    )


def _policy() -> str:
    """The content security policy: nothing is loaded, nothing runs but what is hashed here."""
    style, script = (
        base64.b64encode(hashlib.sha256(_asset(name).encode()).digest()).decode()
        for name in ("report.css", "report.js")
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        f"base-uri 'none'; form-action 'none'"
    )
