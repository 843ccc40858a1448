"""Photos with texts of their own: a table with the columns `file`, `set` and `text`, several texts of a
photo joined by ` || `, such as captions or the posts that showed it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.core.lines import cut_lines

__all__ = ["PhotoTexts", "read_photo_texts"]

_COLUMNS = ("file", "set", "text")
_BETWEEN = " || "


@dataclass(frozen=True)
class PhotoTexts:
    """A photo and what was written of it.

    Attributes:
        file: Its path relative to the table's folder.
        texts: At least one text.
    """

    file: str
    texts: tuple[str, ...]


def read_photo_texts(path: Path, sets: Collection[str] = ()) -> list[PhotoTexts]:
    """The photos of a table (TSV, UTF-8, no quoting) that have a text, in its order.

    Arguments:
        path: The table.
        sets: The sets that are taken; all where none is named.

    Raises:
        DataError: If the table is missing, lacks a column, or holds no such photo.
    """
    if not path.is_file():
        raise DataError(f"no table of photos at {path}; expected columns {', '.join(_COLUMNS)}")
    header, *lines = cut_lines(path.read_text(encoding="utf-8"))
    names = header.split("\t")
    if missing := [name for name in _COLUMNS if name not in names]:
        raise DataError(f"{path} lacks the column {missing[0]}; expected {', '.join(_COLUMNS)}")
    found = []
    for line in lines:
        row = dict(zip(names, line.split("\t"), strict=False))
        texts = tuple(text.strip() for text in row.get("text", "").split(_BETWEEN) if text.strip())
        if texts and (not sets or row.get("set") in sets):
            found.append(PhotoTexts(row["file"], texts))
    if not found:
        raise DataError(f"{path} holds no photo with a text in {', '.join(sorted(sets)) or 'any set'}")
    return found
