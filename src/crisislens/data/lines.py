"""Lines and CSV records of files that nobody checked: any encoding mark, bad bytes, endless lines, quotation
marks that never close.

Nothing is held but the current record. A line longer than `MAX_LINE` is skipped without ever being held
whole. UTF-8 is expected, with or without a mark; UTF-16 and UTF-32 are known by theirs. A line that is not
valid UTF-8 is judged by itself: one without a single valid non-ASCII character is read as Windows-1252 (a
spreadsheet's export), any other as UTF-8 with U+FFFD in place of the bad bytes.

A CSV record may hold line breaks inside quotation marks. Where a mark opens a field and does not close it
within `MAX_RECORD_LINES` lines, or closes it in some later row so that the columns no longer fit, only the
line with the mark is lost and reading goes on with the next one.
"""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MAX_LINE", "BrokenRow", "csv_records", "read_lines", "split_header", "tsv_records"]

MAX_LINE = 1 << 20
MAX_RECORD_LINES = 500
# longer marks first: the UTF-32 mark starts with that of UTF-16
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TOO_LONG = f"the line is longer than {MAX_LINE:,} bytes; split it or leave it out"
_NEVER_CLOSED = (
    'a quotation mark (") opens a field and does not close it; double it inside the field, or close it'
)


@dataclass(frozen=True)
class BrokenRow:
    """A row that could not be read; `reason` is the sentence for people."""

    reason: str


def read_lines(path: Path) -> Iterator[str | BrokenRow]:
    """The lines of a file without line ends, NULs and an encoding mark.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
        mark, encoding = next(
            ((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", "utf-8")
        )
        if encoding != "utf-8":
            yield from _wide_lines(path, encoding)
            return
        stream.seek(len(mark))
        while line := stream.readline(MAX_LINE + 1):
            if len(line) <= MAX_LINE or line.endswith(b"\n"):
                yield _decode(line).rstrip("\r\n").replace("\0", "")
                continue
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield BrokenRow(_TOO_LONG)


def _wide_lines(path: Path, encoding: str) -> Iterator[str | BrokenRow]:
    with path.open(encoding=encoding, errors="replace", newline="\n") as stream:
        while line := stream.readline(MAX_LINE + 1):
            if len(line) <= MAX_LINE or line.endswith("\n"):
                yield line.rstrip("\r\n").replace("\0", "")
                continue
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith("\n"):
                pass
            yield BrokenRow(_TOO_LONG)


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("utf-8", "replace")
        return line.decode("cp1252", "replace") if text.replace("\ufffd", "").isascii() else text


def split_header(line: str, *, quoted: bool) -> tuple[list[str], str]:
    """The column names of a header line and the delimiter.

    Arguments:
        line: The first line.
        quoted: True for CSV, where the delimiter is the most frequent of comma, semicolon and tab; otherwise
            it is the tab.
    """
    if not quoted:
        return [name.strip() for name in line.split("\t")], "\t"
    delimiter = max(",;\t", key=line.count)
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
    pending: deque[str | BrokenRow] = deque()
    complete = _complete_fields(delimiter)
    while (line := pending.popleft() if pending else next(lines, None)) is not None:
        if isinstance(line, BrokenRow):
            yield line
            continue
        if not line.strip():
            continue
        taken, is_open, size = [line], _open_at_end(line, complete, inside=False), len(line)
        while is_open and len(taken) < MAX_RECORD_LINES and size < MAX_LINE:
            following = pending.popleft() if pending else next(lines, None)
            if not isinstance(following, str):
                pending.extendleft([following] if following else [])
                break
            taken.append(following)
            size += len(following)
            is_open = _open_at_end(following, complete, inside=True)
        record = BrokenRow(_NEVER_CLOSED) if is_open else _record("\n".join(taken), width, delimiter)
        if isinstance(record, BrokenRow) and len(taken) > 1:
            pending.extendleft(reversed(taken[1:]))
            record = BrokenRow(_NEVER_CLOSED)
        yield record


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
    """Matches as many whole fields as stand in a row, by the same reading of quotation marks as the csv
    module's.
    """
    d = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"[^{d}]*+|[^"{d}][^{d}]*+|)'
    return re.compile(rf"{field}(?:{d}{field})*+", re.DOTALL)


_INSIDE = re.compile(r'(?:[^"]++|"")*+')


def _open_at_end(line: str, complete: re.Pattern[str], *, inside: bool) -> bool:
    """True where a quoted field is still open at the end of a line that starts inside one or not."""
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
