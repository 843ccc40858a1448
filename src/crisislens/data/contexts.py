"""Contexts of pictures that were written before: from an image's id to a text.

Read are the two layouts in use (`17_06_4705.jpg :a man at a table`, one a line, as BLIP-2 captions are passed around; and tables with the
columns `image_id` and `context`, `caption` or `text`). Ids are compared without suffix and folder. Whatever else writes captions only has
to answer to `Contexts`: a mapping.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.data.lines import BrokenRow, csv_records, read_lines, split_header, tsv_records

__all__ = ["Contexts", "context_of", "image_key", "read_contexts"]

Contexts = Mapping[str, str]
"""From an image's id, as `image_key` gives it, to its context."""

_CAPTION_LINE = re.compile(r"(\S+?)\s*:\s*(.*)")
_TEXT_COLUMNS = ("context", "caption", "text")


def image_key(image: str) -> str:
    """The id of a picture: its file's name without folder and suffix.

    >>> image_key("images/17_06_4705.jpg")
    '17_06_4705'
    """
    name = image.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and suffix.lower() in {"jpg", "jpeg", "png", "gif", "webp", "bmp"} else name


def context_of(contexts: Contexts, image: str | None) -> str:
    """The context of a picture; empty where there is none."""
    return contexts.get(image_key(image), "") if image else ""


def read_contexts(paths: Iterable[Path]) -> dict[str, str]:
    """Reads tables of contexts; where several hold an image, the first one counts.

    Raises:
        DataError: If a file is missing or of neither layout.
    """
    found: dict[str, str] = {}
    for path in paths:
        if not path.is_file():
            raise DataError(f"no table of contexts at {path}; give a file of lines 'ID.jpg :text' or a table with image_id and context")
        for image, text in _table(path) if path.suffix.lower() in {".tsv", ".csv"} else _captions(path):
            if text.strip():
                found.setdefault(image_key(image), " ".join(text.split()))
    return found


def _captions(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), start=1):
        match = _CAPTION_LINE.fullmatch(line) if isinstance(line, str) else None
        if match is None and (isinstance(line, BrokenRow) or line.strip()):
            raise DataError(
                f"line {number} of {path.name} is not 'ID.jpg :text'; give a file of such lines, or a .tsv with image_id and context"
            )
        if match:
            yield match[1], match[2]


def _table(path: Path) -> Iterable[tuple[str, str]]:
    lines = read_lines(path)
    first, quoted = next(lines, ""), path.suffix.lower() == ".csv"
    names, delimiter = split_header(first, quoted=quoted) if isinstance(first, str) else ([], "\t")
    column = next((name for name in _TEXT_COLUMNS if name in names), None)
    if "image_id" not in names or column is None:
        raise DataError(f"{path.name} has the columns {', '.join(names)[:100]}; expected image_id and one of {', '.join(_TEXT_COLUMNS)}")
    records = csv_records(lines, len(names), delimiter) if quoted else tsv_records(lines, len(names))
    for record in records:
        if not isinstance(record, BrokenRow):
            row = dict(zip(names, record, strict=True))
            yield row["image_id"], row[column]
