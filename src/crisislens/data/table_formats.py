"""How each format of tables is read: its columns, and its rows with the wanted ones, as a stream."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.data.delimited import csv_records, table_header, tsv_records
from crisislens.data.encoding import Encoding
from crisislens.data.exports import LeftOut, names_in
from crisislens.data.headings import ABOVE, MOST_ROWS_ABOVE, rows_above, told_apart
from crisislens.data.json_rows import json_line_rows, json_rows
from crisislens.data.lines import BrokenRow, ends_in_returns, read_lines
from crisislens.data.parquet import parquet_columns, parquet_rows
from crisislens.data.survey import PEEKED_ROWS
from crisislens.data.whatsapp import COLUMNS, chat_rows, is_chat
from crisislens.data.workbook import sheet_columns, sheet_rows

__all__ = ["SUFFIXES", "Row", "TableFormat", "unreadable"]

Row = Mapping[str, object] | BrokenRow | LeftOut


@dataclass(frozen=True)
class TableFormat:
    """How one format is read: its name, its columns, and its rows with the wanted columns (JSON:
    with all)."""

    name: str
    columns: Callable[[Path, Encoding], list[str]]
    rows: Callable[[Path, Encoding, list[str]], Iterator[Row]]
    is_text: bool = True

    def with_text(self, column: str) -> "TableFormat":
        """The same where the user names the column of the text, which tells a page of JSON from a post."""
        make = _JSON.get(self.name)
        return make(column) if make is not None else self


def unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror or ' '.join(str(error).split())[:200]}); check the file"
    )


def _json_columns(path: Path, rows: Iterator[Row], what: str) -> list[str]:
    looked = list(islice(rows, PEEKED_ROWS))
    if not looked:
        raise InputError(f"{path} is empty; give a file with at least one post")
    objects = [row for row in looked if isinstance(row, Mapping)]
    if not objects:
        raise InputError(f"{path.name} holds no JSON object in its first {len(looked)} {what}")
    return list(dict.fromkeys(name for row in objects for name in names_in(row)))


def _json_lines(column: str = "") -> TableFormat:
    def columns(path: Path, how: Encoding) -> list[str]:
        return _json_columns(path, json_line_rows(path, how, column), "lines; JSONL has one object a line")

    def rows(path: Path, how: Encoding, wanted: list[str]) -> Iterator[Row]:
        return json_line_rows(path, how, column)

    return TableFormat("jsonl", columns, rows)


def _json_values(column: str = "") -> TableFormat:
    def columns(path: Path, how: Encoding) -> list[str]:
        what = "values; give a list of posts, or one object a line"
        return _json_columns(path, json_rows(path, how, column), what)

    def rows(path: Path, how: Encoding, wanted: list[str]) -> Iterator[Row]:
        return json_rows(path, how, column)

    return TableFormat("json", columns, rows)


_JSON: dict[str, Callable[[str], TableFormat]] = {"jsonl": _json_lines, "json": _json_values}


@dataclass(frozen=True)
class _Header:
    """The column names, the delimiter, how many lines with a title stand above, and the lines behind."""

    names: list[str]
    delimiter: str
    above: int
    lines: Iterator[str | BrokenRow]


def _header(path: Path, how: Encoding, *, quoted: bool) -> _Header:
    above = rows_above([names for names, _ in _first_rows(path, how, quoted=quoted)])
    lines = _lines(path, how, quoted=quoted)
    for _ in range(above):
        table_header(lines, quoted=quoted)
    # None for a file without a line, a broken row for one whose first line cannot be read
    found = table_header(lines, quoted=quoted)
    if not isinstance(found, tuple):
        what = "is empty" if found is None else "has no header line"
        raise InputError(f"{path} {what}; give a table with column names in its first line")
    names, delimiter = found
    return _Header(told_apart(names), delimiter, above, lines)


def _lines(path: Path, how: Encoding, *, quoted: bool) -> Iterator[str | BrokenRow]:
    return read_lines(path, how, returns=ends_in_returns(path, how, quoted=quoted))


def _first_rows(path: Path, how: Encoding, *, quoted: bool) -> Iterator[tuple[list[str], str]]:
    """The first lines, each read as if it were the header."""
    lines = _lines(path, how, quoted=quoted)
    for _ in range(MOST_ROWS_ABOVE + 2):
        found = table_header(lines, quoted=quoted)
        if not isinstance(found, tuple):
            return
        yield found


def _delimited(
    quoted: bool,
) -> tuple[Callable[[Path, Encoding], list[str]], Callable[[Path, Encoding, list[str]], Iterator[Row]]]:
    def columns(path: Path, how: Encoding) -> list[str]:
        return _header(path, how, quoted=quoted).names

    def rows(path: Path, how: Encoding, wanted: list[str]) -> Iterator[Row]:
        head = _header(path, how, quoted=quoted)
        yield from [LeftOut(ABOVE)] * head.above
        width = len(head.names)
        place = {name: head.names.index(name) for name in wanted}
        records = csv_records(head.lines, width, head.delimiter) if quoted else tsv_records(head.lines, width)
        for record in records:
            if isinstance(record, BrokenRow):
                yield record
            elif any(cell.strip() for cell in record):
                yield {name: record[i] for name, i in place.items()}
            else:
                # spreadsheets save the rows below a table as separators alone
                yield LeftOut("blank rows")

    return columns, rows


def _chat_columns(path: Path, how: Encoding) -> list[str]:
    if not is_chat(path, how):
        raise InputError(
            f"{path.name} is no chat as WhatsApp exports it; give a {', '.join(SUFFIXES)} file of posts"
        )
    return COLUMNS


def _chat_rows(path: Path, how: Encoding, wanted: list[str]) -> Iterator[Row]:
    return chat_rows(path, how)


SUFFIXES: dict[str, TableFormat] = {
    ".jsonl": _json_lines(),
    ".ndjson": _json_lines(),
    ".json": _json_values(),
    ".csv": TableFormat("csv", *_delimited(True)),
    ".tsv": TableFormat("tsv", *_delimited(False)),
    ".parquet": TableFormat(
        "parquet", lambda path, _: parquet_columns(path), lambda path, _, w: parquet_rows(path, w), False
    ),
    ".xlsx": TableFormat(
        "xlsx", lambda path, _: sheet_columns(path), lambda path, _, w: sheet_rows(path, w), False
    ),
    ".txt": TableFormat("chat", _chat_columns, _chat_rows),
}
"""The formats that are read, by the suffix of the file; those of text also with `.gz` behind it."""
