"""A first look at a table before its posts are read:
which columns hold what, as far as names do not say it.

- Does any row hold a text or a photo? A table in which none does is refused with the column that
  most likely holds the text: the one with the most letters in words.
- Is month or day first in its dates? That takes the whole column (`data.dates`).

The look ends as soon as nothing is open, for most tables within the first thousand rows;
it holds no rows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from crisislens.data.cells import images_of, is_nothing, text_of
from crisislens.data.dates import DateOrder
from crisislens.data.exports import value_at

__all__ = ["PEEKED_ROWS", "Survey", "likely_texts", "survey"]

PEEKED_ROWS = 1_000
"""Rows that are looked at for what a few can tell."""
_FEW_LETTERS = 15
_FEW_WORDS = 3
_MOST_COLUMNS = 500
_MOST_CHARACTERS = 2_000

Row = Mapping[str, object]
Columns = Mapping[str, Sequence[str]]


@dataclass
class Survey:
    """What was seen.

    Attributes:
        rows: How many rows could be read.
        dates: The order of day and month.
        has_text: Whether a row has a text.
        has_image: Whether a row names a photo.
    """

    rows: int = 0
    dates: DateOrder = field(default_factory=DateOrder)
    has_text: bool = False
    has_image: bool = False


def survey(rows: Iterable[object], columns: Columns) -> Survey:
    """Looks at rows.

    Arguments:
        rows: All rows of the table; others than mappings are passed over.
        columns: From each field of a post to its columns.
    """
    seen = Survey()
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        seen.rows += 1
        for name in columns.get("created_at", ()):
            seen.dates.see(value_at(row, name))
        written = (*columns.get("text", ()), *columns.get("heading", ()))
        texts = (value_at(row, name) for name in written if not seen.has_text)
        seen.has_text = seen.has_text or any((text_of(value) or "").strip() for value in texts)
        images = (value_at(row, name) for name in columns.get("image", ()) if not seen.has_image)
        seen.has_image = seen.has_image or any(images_of(value) for value in images)
        # dates such as 2/3/2023 take the whole column, everything else a look
        if seen.rows >= PEEKED_ROWS and not seen.dates.seen and (seen.has_text or seen.has_image):
            break
    return seen


def likely_texts(rows: Iterable[object], names: Sequence[str], taken: Iterable[str]) -> list[str]:
    """The columns that look like texts of people, the likeliest first.

    Arguments:
        rows: Rows of the table with all columns; the first are looked at.
        names: The columns.
        taken: Columns that hold something else.
    """
    free = [name for name in names if name not in {*taken}][:_MOST_COLUMNS]
    letters = dict.fromkeys(free, 0)
    words = dict.fromkeys(free, 0)
    filled = dict.fromkeys(free, 0)
    for row in _objects(rows):
        for name in free:
            value = value_at(row, name)
            if not isinstance(value, str) or is_nothing(value):
                continue
            text = value[:_MOST_CHARACTERS]
            filled[name] += 1
            letters[name] += sum(c.isalpha() for c in text)
            # scripts without blanks: four letters count as a word
            words[name] += max(len(text.split()), sum(c.isalpha() and not c.isascii() for c in text) // 4)
    likely = [
        name
        for name in free
        if filled[name]
        and letters[name] >= _FEW_LETTERS * filled[name]
        and words[name] >= _FEW_WORDS * filled[name]
    ]
    return sorted(likely, key=lambda name: -letters[name] / filled[name])


def _objects(rows: Iterable[object]) -> Iterator[Row]:
    for row in islice(rows, PEEKED_ROWS):
        if isinstance(row, Mapping):
            yield row
