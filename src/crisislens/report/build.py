"""Builds `report.html`: one file that a responder opens in any browser, from a disk, without a network. What
keeps its posts from harm stands in `report.page`.

Assessments stream through; kept are running totals, the posts that are listed in full, and one short row a
post for the page to search, up to a bound that the page tells (`report.archive`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from markupsafe import Markup

from crisislens.core.files import atomic_write
from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.post import Post
from crisislens.report.archive import MOST_POSTS, Archive, Packed
from crisislens.report.atlas import kind_rows, place_rows
from crisislens.report.cards import CardMaker, PostCard
from crisislens.report.changes import Changes, Earlier
from crisislens.report.chart import draw_chart
from crisislens.report.fields import field_of
from crisislens.report.geography import Geography
from crisislens.report.grounds import Grounds
from crisislens.report.groups import Groups
from crisislens.report.labels import LabelTallies
from crisislens.report.mapdata import map_data
from crisislens.report.matrix import matrix
from crisislens.report.model import ReportCluster, ReportMeta
from crisislens.report.naming import Naming
from crisislens.report.needs import needs_table
from crisislens.report.now import lanes, unread_rows
from crisislens.report.overview import (
    asides,
    caveats,
    cluster_rows,
    clusters_in_words,
    language_rows,
    mostly_unsure,
    tiles,
)
from crisislens.report.page import asset, digest, environment, policy, script, style
from crisislens.report.selection import Selection
from crisislens.report.summary import Counted, Summary, summarize
from crisislens.report.tally import NONE, NOT_SURE, PERHAPS_BELOW, Tally, lane_of, only_relevance
from crisislens.report.unread import Unread
from crisislens.report.worldmap import WorldMap, draw_map, hot_frames
from crisislens.runs.files import writing
from crisislens.runs.sinks import Record, pour

__all__ = ["ReportSink", "write_report"]

_MOST_FAILED = 200
_MOST_CLUSTERS = 30
_SPARKS = 24


class ReportSink:
    """The situation report, written when all records are there.

    Arguments:
        out: The HTML file; replaced atomically.
        clusters: Near-duplicates; of those that say the same, one post is listed. All are counted.
        thumbnails: Gives a small JPEG of a post's photo (up to 150 kB), or None; asked for posts listed in
            full only, the most urgent first.
        meta: What the report says of the run.
        top: How many of the most urgent posts are listed in full.
        most_posts: How many posts the page can search at most.
        since: Posts from this time on are called new.
        earlier: An earlier run; posts that it does not have are called new.
        summary: The stem of the one-page summary, which is written as `STEM.html` and `STEM.md`; None writes
            none.
    """

    def __init__(
        self,
        out: Path,
        *,
        clusters: Sequence[ReportCluster],
        thumbnails: Callable[[Post], bytes | None],
        meta: ReportMeta,
        top: int = 200,
        most_posts: int = MOST_POSTS,
        since: datetime | None = None,
        earlier: Earlier | None = None,
        summary: Path | None = None,
    ) -> None:
        self.path, self.name, self.lost = out, out.name, 0
        self._thumbnails, self._meta, self._summary = thumbnails, meta, summary
        groups = self._groups = Groups(clusters)
        plain = [task.task for task in meta.tasks]
        naming = self._naming = Naming.of_map(meta.base_map)
        self._tally, self._geography = Tally(meta.tasks), Geography(naming)
        self._labels = LabelTallies(meta.tasks, groups, naming)
        self._unread = Unread(plain, groups, naming)
        self._changes = Changes(meta.tasks, groups, since, earlier, naming)
        self._grounds = Grounds(meta.tasks, groups, naming)
        self._archive = Archive(meta.tasks, groups, most_posts=most_posts, naming=naming)
        self._selection = Selection(groups, top=top, top_clusters=_MOST_CLUSTERS)
        self._failures: list[FailedPost] = []
        self._failed = 0

    def add(self, record: Record[Assessment]) -> None:
        """Counts an assessment, and keeps it where it may be listed."""
        assessment = record.value
        fresh = self._changes.is_fresh(assessment)
        position = self._archive.add(assessment, fresh=fresh)
        self._tally.add(assessment)
        self._geography.add(assessment)
        self._labels.add(assessment, position)
        self._unread.add(assessment, position)
        self._changes.add(assessment, position, fresh=fresh)
        self._grounds.add(assessment, position)
        self._selection.add(assessment, position)

    def fail(self, record: Record[Assessment]) -> None:
        """Counts a failed row; the first 200 are listed."""
        self._failed += 1
        if len(self._failures) < _MOST_FAILED:
            self._failures.append(record.failure)

    def commit(self) -> None:
        """Writes the page, and the summary where one was asked for."""
        packed = self._archive.packed(self._geography)
        maker = CardMaker(self._meta.tasks, self._thumbnails, self._naming)
        rows = packed.row_of
        # only a run of long texts could leave a post out that is among the most urgent
        listed = [found for found in self._selection.listed() if found.position in rows]
        cards = [maker.card(rows[found.position], found) for found in listed]
        summary = self._summarized()
        context = self._overview() | self._lists(packed, cards) | {"summary": summary}
        page = environment().get_template("report.html").render(context)
        with writing(self.path.parent):
            atomic_write(self.path, page)
            if self._summary is not None:
                _write_summary(self._summary, summary, self._meta, self.path.name)

    def discard(self) -> None:
        """Nothing was written."""

    @property
    def _repeats(self) -> int:
        """Posts that say what another one says."""
        return sum(cluster.size - 1 for cluster in self._groups.clusters if cluster.one_message)

    def _summarized(self) -> Summary:
        run = Counted(
            meta=self._meta,
            tally=self._tally,
            labels=self._labels,
            unread=self._unread,
            geography=self._geography,
            changes=self._changes,
            grounds=self._grounds,
            timeline=self._tally.times.timeline(_SPARKS),
            failed=self._failed,
            failures=self._failures,
            repeats=self._repeats,
        )
        return summarize(run)

    def _overview(self) -> dict[str, object]:
        """What stands above the posts: numbers, lanes, tables."""
        meta, tally = self._meta, self._tally
        timeline = tally.times.timeline()
        return {
            "meta": meta,
            "tally": tally,
            "tiles": tiles(tally, self._failed, self._repeats),
            "chart": draw_chart(timeline) if timeline else None,
            "lanes": lanes(self._labels, self._unread),
            "unread": unread_rows(self._unread),
            "changes": self._changes,
            "need_table": needs_table(
                self._labels,
                tally.times.timeline(_SPARKS),
                [name for name in tally.tasks if mostly_unsure(tally, name)],
            ),
            "matrix": matrix(tally, meta.tasks),
            "asides": asides(tally),
            "lead": tally.gate.lead.words.lower() if tally.gate else "",
            "languages": language_rows(tally),
            "geography": self._geography,
            "doubtful": sorted(self._geography.doubtful()),
            "kinds": kind_rows(self._geography),
            "cluster_count": len(self._groups.clusters),
            "said": clusters_in_words(self._groups.clusters),
            "failures": self._failures,
            "failed_count": self._failed,
            "caveats": caveats(meta, tally),
            "evidence": list(dict.fromkeys(chain.from_iterable(task.thresholds for task in meta.tasks))),
            "post_files": [name for name in meta.files if name.startswith("assessments")] or meta.files[:1],
            "not_sure": NOT_SURE,
            # `none` means something else in a template
            "none_of_them": NONE,
        }

    def _map_data(self, drawn: WorldMap) -> str:
        return map_data(drawn.frame, self._meta.base_map, hot_frames(self._geography), drawn.home)

    def _lists(self, packed: Packed, cards: Sequence[PostCard]) -> dict[str, object]:
        """The posts, and what the script of the page needs to know of them."""
        row_of = packed.row_of
        drawn = draw_map(self._geography)
        return {
            "cards": cards,
            "packed": packed,
            "row_of": row_of,
            "schema": Markup(_schema(self._meta)),
            "map": drawn,
            "map_data": self._map_data(drawn[0]) if drawn else "",
            "named": place_rows(self._geography),
            "clusters": cluster_rows(self._selection.clusters),
            "style": Markup(style()),
            "script": Markup(script()),
            "policy": policy(),
        }


def write_report(
    out: Path,
    *,
    assessments: Iterable[Assessment],
    failed: Iterable[FailedPost],
    clusters: Sequence[ReportCluster],
    thumbnails: Callable[[Post], bytes | None],
    meta: ReportMeta,
    **options: object,
) -> Path:
    """Writes the situation report, atomically.

    Arguments:
        out: The HTML file.
        assessments: Every assessment of the run; read once.
        failed: The rows that could not become assessments; read once.
        clusters: See `ReportSink`, as the other arguments.
        thumbnails: Gives a small JPEG of a post's photo, or None.
        meta: What the report says of the run.
        options: Further arguments of `ReportSink`.

    Returns:
        `out`.
    """
    sink = ReportSink(out, clusters=clusters, thumbnails=thumbnails, meta=meta, **options)  # type: ignore[arg-type]
    records = chain((Record.of(a, "") for a in assessments), (Record.of_failed(f) for f in failed))
    pour(records, [sink])
    return out


def _schema(meta: ReportMeta) -> str:
    """The questions, for the script: names, titles, tones, and below how many percent a label is said with
    "perhaps". A `<` would end the element that holds it.
    """
    tasks: list[Mapping[str, object]] = []
    for task in meta.tasks:
        labels = [[label.name, label.words, lane_of(label)] for label in task.task.labels]
        tasks.append(
            {
                "name": field_of(task.name),
                "title": task.title,
                "several": task.task.several,
                "relevance": only_relevance(task.task),
                "perhaps_below": PERHAPS_BELOW,
                "labels": labels,
            }
        )
    return json.dumps(tasks).replace("<", "\\u003c").replace("&", "\\u0026")


def _write_summary(stem: Path, summary: Summary, meta: ReportMeta, report: str) -> None:
    """The one page as HTML and Markdown; its links lead into the report of that name beside it."""
    for ending in ("html", "md"):
        template = environment().get_template(f"summary.{ending}")
        looks = {
            "standalone": True,
            "style": Markup(asset("summary.css")),
            "style_hash": digest(asset("summary.css")),
        }
        page = template.render(summary=summary, meta=meta, report=quote(report), **looks)
        atomic_write(stem.with_name(f"{stem.name}.{ending}"), page)
