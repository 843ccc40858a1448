"""The matrix of kind and scale, such as category and severity."""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.report.display import number
from crisislens.report.fields import field_of
from crisislens.report.model import ReportTask
from crisislens.report.overview import link, mostly_unsure
from crisislens.report.tally import NOT_SURE, Tally

__all__ = ["Matrix", "MatrixCell", "matrix"]

_HEAT_STEPS = 5


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
    """Posts by category (rows) and severity (columns), both with "not sure" and sums at the end."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[MatrixCell, ...]], ...]
    title: str


def matrix(tally: Tally, tasks: Sequence[ReportTask]) -> Matrix | None:
    """The matrix of kind and scale, such as category and severity; None where the model answers only one of
    them, or is not sure of nearly all.
    """
    by_name = {task.name: task for task in tasks}
    down, across = (
        by_name[task.question] if task and not mostly_unsure(tally, task.question) else None
        for task in (tally.down, tally.across)
    )
    if down is None or across is None:
        # one question alone stands in the table of needs
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
    title = f"{down.phrase} and {across.phrase}"
    return Matrix((*columns.values(), "All"), tuple(body), title[:1].upper() + title[1:])


def _answers(task: ReportTask) -> dict[str, str]:
    return {**task.classes, NOT_SURE: "Not sure"}


def _cell(
    count: int, most: int, down: ReportTask | None, r: str, across: ReportTask | None, c: str, says: str
) -> MatrixCell:
    filters = {field_of(task.name): value for task, value in ((down, r), (across, c)) if task is not None}
    # the square root, because one large cell (not humanitarian, no damage) would leave all others white
    heat = max(1, round(_HEAT_STEPS * (count / most) ** 0.5)) if count and most else 0
    return MatrixCell(
        count,
        number(count),
        heat,
        link(**filters) if filters and count else "",
        f"{says}: {number(count)} posts",
    )
