"""Posts from the first sheet of an Excel workbook (`.xlsx`), by openpyxl, the extra `excel`.

A workbook is a zip of XML: what it unpacks to is looked at before anything is read. Formulas give
what the spreadsheet last computed. Numbers of more than 15 digits are rounded in the file itself
(`cells.is_rounded_id`).
"""

import zipfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from crisislens.core.errors import InputError
from crisislens.core.optional import require
from crisislens.data.exports import LeftOut
from crisislens.data.headings import ABOVE, MOST_ROWS_ABOVE, rows_above, told_apart
from crisislens.data.lines import MAX_LINE, BrokenRow

__all__ = ["sheet_columns", "sheet_rows"]

_MOST_BYTES = 512 << 20
_MOST_COLUMNS = 10_000
# the format has no more; what is numbered higher would be made of blank rows first
_MOST_ROWS = 1 << 20


def sheet_columns(path: Path) -> list[str]:
    """The names in the first row that holds something, titles above them passed over (`data.headings`).

    Raises:
        InputError: If it is no workbook, or has no such row.
        MissingExtraError: If openpyxl is not installed.
    """
    names, _, _ = _headed(path)
    if names:
        return names
    raise InputError(
        f"{path} is empty; give a workbook with column names in the first row of its first sheet"
    )


def sheet_rows(path: Path, wanted: list[str]) -> Iterator[dict[str, object] | BrokenRow | LeftOut]:
    """The rows behind the names; rows without a value are none."""
    names, above, rows = _headed(path)
    yield from [LeftOut(ABOVE)] * above
    place = {name: names.index(name) for name in wanted}
    for row in rows:
        if any(isinstance(value, str) and len(value) > MAX_LINE for value in row):
            yield BrokenRow(f"a cell has more than {MAX_LINE:,} characters; split it or leave it out")
        else:
            yield {name: row[i] if i < len(row) else None for name, i in place.items()}


def _headed(path: Path) -> tuple[list[str], int, Iterator[tuple[object, ...]]]:
    """The names (none for an empty sheet), how many rows stand above them, and the rows behind them."""
    rows = _values(path)
    first = list(islice(rows, MOST_ROWS_ABOVE + 2))
    # titles are as wide as the table in a sheet
    width = max(map(len, first), default=0)
    above = rows_above([[*_names(row), *[""] * (width - len(row))] for row in first])
    names = told_apart(_names(first[above])) if first else []
    return names, above, chain(first[above + 1 :], rows)


def _names(row: tuple[object, ...]) -> list[str]:
    return ["" if value is None else str(value).strip() for value in row]


def _values(path: Path) -> Iterator[tuple[object, ...]]:
    """The values of rows that have some."""
    openpyxl = require("openpyxl", extra="excel")
    _check_size(path)
    try:
        book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            # programs write sizes that are wrong, and rows beyond them would be lost
            sheet.reset_dimensions()
            # each as wide as it is: a million rows may be saved that hold nothing
            for row in sheet.iter_rows(values_only=True, max_row=_MOST_ROWS):
                if any(value is not None and value != "" for value in row):
                    yield row[:_MOST_COLUMNS]
        finally:
            book.close()
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:
        # openpyxl and the parser of XML raise whatever they ran into: the bytes are at fault
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise InputError(
            f"{path.name} cannot be read as a workbook ({reason}); save it again as .xlsx"
        ) from error


def _check_size(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path.name} cannot be read as a workbook; save it again as .xlsx") from error
    if size > _MOST_BYTES:
        raise InputError(
            f"{path.name} unpacks to {size:,} bytes, more than {_MOST_BYTES:,}; save its sheet as .csv"
        )
