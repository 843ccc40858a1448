"""A study as one HTML page: a plot for each setting and metric, the numbers below, and every comparison that
was named before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.bench.cells import Blocked
from crisislens.bench.study_table import Named, StudyTable
from crisislens.bench.study_text import CONTRAST_COLUMNS, blocked_line, contrast_cells, facts_line, mean_cells
from crisislens.report.bench_page import bench_page
from crisislens.report.curves import CurvePlot, draw_curves

__all__ = ["study_page"]


@dataclass(frozen=True)
class _Part:
    """One setting and metric, ready to print."""

    name: str
    metric: str
    facts: str
    notes: tuple[str, ...]
    plot: CurvePlot
    head: tuple[str, ...]
    means: tuple[tuple[str, ...], ...]
    contrasts: tuple[tuple[str, ...], ...]
    kept: tuple[tuple[str, ...], ...]


def study_page(study: Named, tables: Sequence[StudyTable], blocked: Sequence[Blocked], footer: str) -> str:
    """The page.

    Arguments:
        study: The study.
        tables: Its tables.
        blocked: Settings that could not run.
        footer: Where the numbers come from.
    """
    return bench_page(
        "bench_study.html",
        title=study.title,
        axis=study.axis,
        margin=f"{100 * study.margin:g}",
        parts=[_part(study, table) for table in tables],
        columns=CONTRAST_COLUMNS,
        blocked=[blocked_line(study, one) for one in blocked],
        footer=footer,
    )


def _part(study: Named, table: StudyTable) -> _Part:
    return _Part(
        name=f"{table.setting}: {table.metric}",
        metric=table.metric,
        facts=facts_line(table),
        notes=table.notes,
        plot=draw_curves(table.points, table.lines),
        head=(study.axis, *(f"{at:g}" for at in table.points)),
        means=tuple(mean_cells(table)),
        contrasts=tuple(contrast_cells(one) for one in table.contrasts),
        kept=tuple((name, *values) for name, values in table.facts),
    )
