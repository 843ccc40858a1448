"""Headers and records of CSV and TSV files that nobody checked: quotation marks that never close cost
a row, not the rest of the file.

A CSV record may hold line breaks inside quotation marks. Where a mark opens a field and does not
close it within `MAX_RECORD_LINES` lines, or closes it in some later row, so that the columns no
longer fit or rows would vanish in its text (`data.csv_shape`), the mark is taken for a character
where the line is then a row; otherwise that line is lost. Reading goes on with the next one.
"""

import csv
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from crisislens.data.csv_shape import RowShape
from crisislens.data.lines import MAX_LINE, BrokenRow

__all__ = ["csv_records", "split_header", "table_header", "tsv_records"]

MAX_RECORD_LINES = 500
# enough to see the shape of rows; more would be held in memory for nothing
_LEARNED_LINES = 300
_LEARNED_CHARACTERS = 1 << 17
_HEADER_LINES = 50
_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NEVER_CLOSED = (
    'a quotation mark (") opens a field and does not close it; double it inside the field, or close it'
)


def table_header(
    lines: Iterator[str | BrokenRow], *, quoted: bool
) -> tuple[list[str], str] | BrokenRow | None:
    """The column names and the delimiter of a table, read from its first lines; None where there is no line,
    a broken row where it cannot be read.

    A line `sep=;` before the names, as spreadsheets write it, names the delimiter.

    Arguments:
        lines: The lines; those of the header are taken from them.
        quoted: As of `split_header`.
    """
    delimiter = None
    for first in lines:
        if isinstance(first, BrokenRow):
            return first
        if not first.strip():
            continue
        named = _SEPARATOR_LINE.fullmatch(first) if quoted and delimiter is None else None
        if named is not None:
            delimiter = named[1]
            continue
        whole = _whole_header(first, lines) if quoted else first
        try:
            return split_header(whole, quoted=quoted, delimiter=delimiter)
        except csv.Error as error:
            return BrokenRow(f"the header cannot be read as CSV ({error})")
    return None


def _whole_header(first: str, lines: Iterator[str | BrokenRow]) -> str:
    """A header whose quoted names hold line breaks; an odd number of marks leaves one open."""
    taken = [first]
    while "".join(taken).count('"') % 2 and len(taken) < _HEADER_LINES:
        following = next(lines, None)
        if not isinstance(following, str):
            break
        taken.append(following)
    return " ".join(taken)


def split_header(line: str, *, quoted: bool, delimiter: str | None = None) -> tuple[list[str], str]:
    """The column names of a header line and the delimiter.

    Arguments:
        line: The first line.
        quoted: True for CSV, where the delimiter is the most frequent of comma, semicolon, tab and
            bar outside of quotation marks; otherwise it is the tab.
        delimiter: Where it is known.
    """
    if not quoted:
        return [name.strip() for name in line.split("\t")], "\t"
    bare = _QUOTED.sub("", line)
    delimiter = delimiter or max(",;\t|", key=bare.count)
    return [name.strip() for name in _parse(line, delimiter)], delimiter


def tsv_records(lines: Iterator[str | BrokenRow], width: int) -> Iterator[list[str] | BrokenRow]:
    """Records of `width` tab-separated fields; quotation marks are characters like any other."""
    for line in lines:
        if isinstance(line, BrokenRow):
            yield line
        elif line.strip():
            yield _fitting(line.split("\t"), width)


def csv_records(
    lines: Iterator[str | BrokenRow], width: int, delimiter: str
) -> Iterator[list[str] | BrokenRow]:
    """Records of `width` fields, quoted as spreadsheets do."""
    return _CsvRecords(lines, width, delimiter).records()


class _CsvRecords:
    """The records of one pass. See `csv_records`."""

    def __init__(self, lines: Iterator[str | BrokenRow], width: int, delimiter: str) -> None:
        self._lines, self._width, self._delimiter = lines, width, delimiter
        self._complete = _complete_fields(delimiter)
        self._pending: deque[str | BrokenRow] = deque()
        self._shape = RowShape()

    def records(self) -> Iterator[list[str] | BrokenRow]:
        """All records, in order."""
        self._learn()
        while (line := self._next()) is not None:
            if isinstance(line, BrokenRow):
                yield line
            elif line.strip():
                yield self._record_from(line)

    def _next(self) -> str | BrokenRow | None:
        return self._pending.popleft() if self._pending else next(self._lines, None)

    def _learn(self) -> None:
        """Looks at the first lines, which are read all the same afterwards."""
        size = 0
        for line in islice(self._lines, _LEARNED_LINES):
            self._pending.append(line)
            size += len(line) if isinstance(line, str) else 0
            if size > _LEARNED_CHARACTERS:
                break
        texts = [line for line in self._pending if isinstance(line, str) and line.strip()]
        records = [self._alone(line) for line in texts]
        self._shape = RowShape.of([record for record in records if len(record) == self._width])

    def _alone(self, line: str) -> list[str]:
        """The fields of a line as if no other belonged to it."""
        if _open_at_end(line, self._complete, inside=False):
            return line.split(self._delimiter)
        try:
            return _parse(line, self._delimiter)
        except csv.Error:
            return []

    def _record_from(self, line: str) -> list[str] | BrokenRow:
        taken, is_open, size = [line], _open_at_end(line, self._complete, inside=False), len(line)
        while is_open and len(taken) < MAX_RECORD_LINES and size < MAX_LINE:
            following = self._next()
            if not isinstance(following, str):
                self._pending.extendleft([following] if following else [])
                break
            taken.append(following)
            size += len(following)
            is_open = _open_at_end(following, self._complete, inside=True)
        if not is_open:
            record = _record("\n".join(taken), self._width, self._delimiter)
            if len(taken) == 1 or (isinstance(record, list) and not self._swallowed(taken)):
                return record
        # the lines that were taken in vain are read again as rows of their own
        self._pending.extendleft(reversed(taken[1:]))
        # the mark is a character of the text, where the row then is whole
        literal = line.split(self._delimiter)
        return literal if self._shape.forms and self._fits(literal) else BrokenRow(_NEVER_CLOSED)

    def _fits(self, record: list[str], *, behind: Sequence[str] = (), lines: int = 0) -> bool:
        return len(record) == self._width and self._shape.fits(record, behind=behind, lines=lines)

    def _swallowed(self, taken: list[str]) -> bool:
        """Whether the lines of a record are rows of their own."""
        if not self._shape.forms:
            return not _is_strict("\n".join(taken), self._delimiter)
        first = taken[0].split(self._delimiter)
        fit = [self._fits(self._alone(line), behind=first, lines=len(taken)) for line in taken[1:]]
        # where ids are long or count on, one line that fits is no chance
        return any(fit) if self._shape.strong else all(fit)


def _is_strict(text: str, delimiter: str) -> bool:
    """Whether a delimiter or the end follows on every mark that closes a field."""
    try:
        next(csv.reader([text.replace("\r", " ")], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return False
    return True


def _record(text: str, width: int, delimiter: str) -> list[str] | BrokenRow:
    try:
        return _fitting(_parse(text, delimiter), width)
    except csv.Error as error:
        return BrokenRow(f"the row cannot be read as CSV ({error}); mend or leave it out")


def _parse(text: str, delimiter: str) -> list[str]:
    # the parser takes a lone carriage return for the end of the record
    return next(csv.reader([text.replace("\r", " ")], delimiter=delimiter), [])


def _fitting(record: list[str], width: int) -> list[str] | BrokenRow:
    if len(record) == width:
        return record
    return BrokenRow(
        f"the row has {len(record)} columns where the header has {width}; mend its separators or quotation "
        f"marks"
    )


def _complete_fields(delimiter: str) -> re.Pattern[str]:
    """Matches as many whole fields as stand in a row, by the same reading of quotation marks as the
    csv module's.
    """
    d = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"[^{d}]*+|[^"{d}][^{d}]*+|)'
    return re.compile(rf"{field}(?:{d}{field})*+", re.DOTALL)


_INSIDE = re.compile(r'(?:[^"]++|"")*+')


def _open_at_end(line: str, complete: re.Pattern[str], *, inside: bool) -> bool:
    """True where a quoted field is still open at the end of a line that
    starts inside one or not.
    """
    at = 0
    if inside:
        found = _INSIDE.match(line)
        at = found.end() if found else 0
        if at == len(line):
            return True
        at += 1  # the closing mark; what follows it up to the delimiter belongs to the field
        match = complete.match("x" + line[at:])
        return match is None or match.end() < len(line) - at + 1
    match = complete.match(line)
    return match is None or match.end() < len(line)
