"""Reviews as a table for training."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from crisislens.core.files import atomic_write

__all__ = ["COLUMNS", "write_table"]

COLUMNS = ("id", "text", "image", "label", "created_at", "model_label")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_table(rows: Iterable[Mapping[str, str]], path: Path) -> int:
    """Writes rows of `Reviews.export` as CSV; returns how many.

    A text that a spreadsheet would take for a formula gets a space before it, which no reader of texts minds.

    Arguments:
        rows: The rows; they are held in memory, as a table that people labeled can be.
        path: The file.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow({name: _harmless(row[name]) for name in COLUMNS})
        count += 1
    atomic_write(path, buffer.getvalue())
    return count


def _harmless(cell: str) -> str:
    return f" {cell}" if cell.startswith(_FORMULA) else cell
