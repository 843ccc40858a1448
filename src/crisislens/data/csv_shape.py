"""What a table's rows look like, so that a CSV record that swallowed other rows is told from one
with line breaks in its text.

A quotation mark that opens a field by accident (a post that begins with `"` and was not quoted)
joins its row with all rows up to the next such mark, and the joined record may well have as many
fields as the header. What gives it away are the swallowed lines: each would be a row of its own.
That alone proves little in a table of two columns, since a line of a post may hold one comma; but
the columns of ids, times and file names look alike in every row,
and lines of a post do not look like them.

The form of a field is its characters with runs of digits and letters cut to one (`2023-02-06` is
`9-9-9`); a column is steady where three forms cover nine tenths of its fields. Ids that only count
up must also go on counting. In a table of a handful of rows whose ids are short numbers in no
order, lines such as `1,Ali` within a text cannot be told from rows, and are taken for them: a row
too many is seen, one that vanished is not.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

__all__ = ["RowShape"]

_LONG_ID = re.compile(r"\d{12,}")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
# characters of a form; what is longer differs by its beginning or is a text
_MOST_FORM = 40
_MOST_FORMS = 3
_COVERED = 0.9
_SHARE = 0.05
# below this, that two rows look alike is chance
_FEW_ROWS = 3
_MANY_ROWS = 30


@dataclass(frozen=True)
class RowShape:
    """The steady columns of a table.

    Attributes:
        forms: From the place of a steady column to the forms of its fields.
        counting: The place of a column of numbers that count up by one, if there is one.
    """

    forms: dict[int, frozenset[str]] = field(default_factory=dict)
    counting: int | None = None

    @classmethod
    def of(cls, records: Sequence[Sequence[str]]) -> "RowShape":
        """Learns from records of equal length, in the order of the table."""
        if len(records) < _FEW_ROWS:
            return cls()
        forms = {}
        for place, column in enumerate(zip(*records, strict=True)):
            # of few rows only one form is no chance
            most = _MOST_FORMS if len(records) >= _MANY_ROWS else 1
            counted = Counter(_form(value) for value in column).most_common(most)
            # what stands once among many is a line of a text, not a form of the column
            counted = [(form, count) for form, count in counted if count >= _SHARE * len(records)]
            covered = sum(count for _, count in counted)
            usual = frozenset(form for form, _ in counted)
            # empty fields and texts with blanks look alike in posts and rows, and prove nothing
            if covered >= _COVERED * len(records) and not any(form == "" or " " in form for form in usual):
                forms[place] = usual
        return cls(forms, _counting(records, forms))

    @property
    def strong(self) -> bool:
        """Whether one line that fits is proof enough."""
        long_ids = any("9L" in form for forms in self.forms.values() for form in forms)
        return long_ids or self.counting is not None or len(self.forms) > 1

    def fits(self, record: Sequence[str], *, behind: Sequence[str] = (), lines: int = 0) -> bool:
        """Whether a line's fields are those of a row.

        Arguments:
            record: The fields.
            behind: Those of the row that it would follow.
            lines: How many lines further on it stands.
        """
        if not self.forms or any(
            place >= len(record) or _form(record[place]) not in forms for place, forms in self.forms.items()
        ):
            return False
        if self.counting is None or self.counting >= len(behind) or not behind[self.counting].isdecimal():
            return True
        # ids go on behind the row that would be followed, by no more than the lines between
        return 0 < int(record[self.counting]) - int(behind[self.counting]) <= lines


def _form(value: str) -> str:
    value = _LONG_ID.sub("9L", value.strip()[: 4 * _MOST_FORM])
    # the L of a long number is kept, which letters would swallow
    value = _LETTERS.sub(lambda found: found[0] if found[0] == "L" else "a", value)
    return _DIGITS.sub("9", value)[:_MOST_FORM]


def _counting(records: Sequence[Sequence[str]], forms: dict[int, frozenset[str]]) -> int | None:
    for place, usual in forms.items():
        values = [record[place] for record in records]
        if usual != {"9"} or not all(value.isdecimal() for value in values):
            continue
        numbers = [int(value) for value in values]
        steps = sum(later - earlier == 1 for earlier, later in pairwise(numbers))
        if steps >= _COVERED * (len(numbers) - 1):
            return place
    return None
