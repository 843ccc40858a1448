"""A table of runs as one HTML page that needs no server, script or network: numbers, a plot of published
beside ours, and what is unsaid.

The paper shows its table as a plot too (Fig. 5, known to us by its number only); this one is of OURS: one
line a row, a diamond for what was published, a dot with its interval for what was measured here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from crisislens.bench.tables import SettingTable, TableRow
from crisislens.bench.text import COLUMNS, cells
from crisislens.report.bench_page import bench_page
from crisislens.training.config import RowConfig

__all__ = ["table_page"]

_WIDTH, _LEFT, _STEP = 980, 400, 22


@dataclass(frozen=True)
class _Mark:
    """One row of the plot, in the units of its view box."""

    title: str
    form: str
    y: float
    ours: float | None
    low: float | None
    high: float | None
    published: float | None


@dataclass(frozen=True)
class _Tick:
    x: float
    label: str


@dataclass(frozen=True)
class _Line:
    cells: tuple[str, ...]
    blocked: bool


@dataclass(frozen=True)
class _Page:
    table: SettingTable
    lines: tuple[_Line, ...]
    marks: tuple[_Mark, ...]
    ticks: tuple[_Tick, ...]
    height: int
    width: int = _WIDTH
    left: int = _LEFT


def table_page(title: str, tables: Sequence[SettingTable], rows: Mapping[str, RowConfig], footer: str) -> str:
    """The page.

    Arguments:
        title: Its title.
        tables: One a setting.
        rows: All rows, for what is unsaid of them.
        footer: Where the numbers come from.
    """
    return bench_page(
        "table.html",
        title=title,
        pages=[_page(table) for table in tables],
        columns=COLUMNS,
        unsaid=[(name, row) for name, row in rows.items() if row.unsaid],
        footer=footer,
    )


def _page(table: SettingTable) -> _Page:
    lines = tuple(_Line(cells(row), not row.ours) for row in table.rows)
    shown = [row for row in table.rows if row.ours or row.published]
    values = [v for row in shown for v in _span(row)]
    if not values:
        return _Page(table, lines, (), (), 0)
    low, high = max(0.0, min(values) - 1), min(100.0, max(values) + 1)

    def x(value: float) -> float:
        # an interval of few seeds may reach beyond all scores that there are
        value = min(max(value, low), high)
        return round(_LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - 20), 1)

    marks = tuple(_mark(row, 12 + i * _STEP, x) for i, row in enumerate(shown))
    step = next(s for s in (1, 2, 5, 10, 20) if (high - low) / s <= 8)
    first = -(-low // step) * step
    values = [first + i * step for i in range(int((high - first) / step) + 1)]
    ticks = tuple(_Tick(x(value), f"{value:g}") for value in values)
    return _Page(table, lines, marks, ticks, len(shown) * _STEP + 34)


def _span(row: TableRow) -> list[float]:
    """All values of weighted F1 that a row shows, in percent."""
    found = [] if row.published is None else [row.published[2]]
    if row.ours:
        mine = row.ours["weighted_f1"]
        half = mine.half_width or 0.0
        found += [100 * (mine.mean - half), 100 * (mine.mean + half)]
    return found


def _mark(row: TableRow, y: float, x: Callable[[float], float]) -> _Mark:
    theirs = None if row.published is None else x(row.published[2])
    title = row.row.title if len(row.row.title) <= 62 else row.row.title[:61] + "…"
    if not row.ours:
        return _Mark(title, row.row.form, y, None, None, None, theirs)
    mine = row.ours["weighted_f1"]
    half = mine.half_width or 0.0
    return _Mark(
        title,
        row.row.form,
        y,
        x(100 * mine.mean),
        x(100 * (mine.mean - half)),
        x(100 * (mine.mean + half)),
        theirs,
    )
