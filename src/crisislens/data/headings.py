"""Where a sheet's column names stand, if not in its first row.

People put a title above a table ("Flood reports", "as of 3 November"), and a spreadsheet saves it
with it. A title fills one cell and is no name that a column is known by. The names are then the
first row with two filled cells or more, where that is sure: one of them is known (`data.columns`),
or the title was saved as wide as the table and the row behind the names is filled too.
"""

from collections import Counter
from collections.abc import Sequence

from crisislens.data.columns import is_known

__all__ = ["ABOVE", "MOST_ROWS_ABOVE", "rows_above", "told_apart"]

MOST_ROWS_ABOVE = 8
ABOVE = "lines above the column names"
"""What is said of them, in the plural."""
_COLUMNS = 2


def rows_above(rows: Sequence[Sequence[str]]) -> int:
    """How many of the first rows stand above the column names; 0 where nothing is sure.

    >>> rows_above([["Flood reports", ""], ["When", "Message"], ["3 Nov", "Bridge is gone"]])
    1

    Arguments:
        rows: The first rows of the sheet that hold something, as their cells.
    """
    if not rows or any(map(is_known, rows[0])):
        return 0
    filled = (at for at, row in enumerate(rows) if len(_filled(row)) >= _COLUMNS)
    at = next(filled, 0)
    return at if 0 < at <= MOST_ROWS_ABOVE and _names_columns(rows, at) else 0


def told_apart(names: Sequence[str]) -> list[str]:
    """The names of columns, each once; where one stands again it gets a number.

    >>> told_apart(["id", "text", "text", "", "", "text"])
    ['id', 'text', 'text (2)', '', '', 'text (3)']
    """
    found: list[str] = []
    times = Counter(names)
    before: Counter[str] = Counter()
    for name in names:
        before[name] += 1
        numbered = f"{name} ({before[name]})"
        # a sheet's empty columns have no name; a name that is there already is nobody else's
        again = name and before[name] > 1 and numbered not in times
        found.append(numbered if again else name)
    return found


def _names_columns(rows: Sequence[Sequence[str]], at: int) -> bool:
    """Whether a row below a title surely holds the names."""
    if any(map(is_known, rows[at])):
        return True
    # lines of a table of one column are not padded, and hold separators by chance
    padded = all(len(row) >= _COLUMNS for row in rows[:at])
    return padded and at + 1 < len(rows) and len(_filled(rows[at + 1])) >= _COLUMNS


def _filled(row: Sequence[str]) -> list[str]:
    return [cell for cell in row if cell.strip()]
