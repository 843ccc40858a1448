"""Posts from a table: JSONL, CSV, TSV or Parquet, read as a stream whose memory does not grow with the file.

The format follows the suffix. CSV is quoted as spreadsheets do; TSV is never quoted, since tweets hold
quotation marks. Columns are found by name (`data.columns`) or given. Values are read by `data.cells`: a row
without a usable id or text fails alone, a time or place that cannot be read for certain is left out. The
columns of JSONL are those of its first `_PEEK` rows; an object may lack any of them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.columns import choose_columns
from crisislens.data.lines import BrokenRow, csv_records, read_lines, split_header, tsv_records
from crisislens.data.rows import RowReader
from crisislens.data.source import PostSource
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

__all__ = ["SUFFIXES", "read_posts", "table_rows"]

_VERSION = 1
_PEEK = 1_000
_BATCH_ROWS = 512

Row = Mapping[str, object] | BrokenRow


def read_posts(path: Path, columns: Mapping[str, str] | None = None) -> PostSource:
    """Opens a table of posts.

    Arguments:
        path: The file; its suffix is one of `SUFFIXES`.
        columns: From a field of a post (`id`, `text`, `image`, `created_at`, `lang`, `lat`, `lon`, `event`)
            to its column, where the name does not say it.

    Raises:
        InputError: If there is no such file, it is empty or of another kind, or a column is not in it.
    """
    path, table = _open(path)
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty; give a file with at least one post")
        return _TablePosts(path, choose_columns(table.columns(path), columns, where=path.name), table)
    except OSError as error:
        raise _unreadable(path, error) from error


@dataclass(frozen=True)
class _Table:
    """How one format is read: its name, its columns, and its rows with the wanted columns."""

    name: str
    columns: Callable[[Path], list[str]]
    rows: Callable[[Path, list[str]], Iterator[Row]]


def _open(path: Path) -> tuple[Path, _Table]:
    """The path and how its format is read."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the file of posts in it ({', '.join(SUFFIXES)})")
    if not path.is_file():
        raise InputError(f"no posts file at {path}; give a {', '.join(SUFFIXES)} file")
    table = SUFFIXES.get(path.suffix.lower())
    if table is None:
        raise InputError(
            f"{path.name} ends in {path.suffix or 'no suffix'}, which is not read; give a "
            f"{', '.join(SUFFIXES)} file"
        )
    return path, table


def table_rows(path: Path, columns: Sequence[str]) -> tuple[list[str], Iterator[Row]]:
    """The names of a table's columns, and its rows with some of them, row for row as `read_posts` reads them.

    Arguments:
        path: The file; its suffix is one of `SUFFIXES`.
        columns: The columns to give; each must be in the table.

    Raises:
        InputError: If there is no such file or it is of another kind.
    """
    path, table = _open(path)
    return table.columns(path), table.rows(path, list(columns))


@dataclass(frozen=True)
class _TablePosts:
    """The posts of one file. See `read_posts`."""

    path: Path
    columns: dict[str, tuple[str, ...]]
    table: _Table

    def __iter__(self) -> Iterator[Post | FailedPost]:
        reader = RowReader(self.columns)
        wanted = list(dict.fromkeys(name for names in self.columns.values() for name in names))
        try:
            for row in self.table.rows(self.path, wanted):
                yield reader.read(row)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def fingerprint(self) -> str:
        """16 hex digits over the file's bytes, the columns and the version of this reader."""
        try:
            return fingerprint(
                {
                    "file": fingerprint_file(self.path),
                    "columns": self.columns,
                    "format": self.table.name,
                    "version": _VERSION,
                }
            )
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def describe(self) -> dict[str, object]:
        """The file, its format, the columns in use, and whether ids were made."""
        return {
            "kind": "table",
            "file": self.path.name,
            "format": self.table.name,
            "columns": {field: list(names) for field, names in self.columns.items()},
            "ids": "from the file" if "id" in self.columns else "made from row numbers",
            "fingerprint": self.fingerprint(),
        }


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path} cannot be read ({error.strerror or ' '.join(str(error).split())[:200]}); check the file"
    )


def _json_columns(path: Path) -> list[str]:
    rows = list(islice(_json_rows(path, []), _PEEK))
    if not rows:
        raise InputError(f"{path} is empty; give a file with at least one post")
    objects = [row for row in rows if isinstance(row, Mapping)]
    if not objects:
        raise InputError(
            f"{path.name} holds no JSON object in its first {len(rows)} lines; JSONL has one object a line"
        )
    return list(dict.fromkeys(name for row in objects for name in row))


def _json_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    for line in read_lines(path):
        if isinstance(line, BrokenRow):
            yield line
        elif line.strip():
            yield _json_row(line)


def _json_row(line: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BrokenRow(
            f"the line is not JSON ({' '.join(str(error).split())[:100]}); JSONL has one object a line"
        )
    if isinstance(value, dict):
        return value
    return BrokenRow(f"the line is a JSON {type(value).__name__}, not an object; JSONL has one object a line")


def _header(path: Path, *, quoted: bool) -> tuple[list[str], str, Iterator[str | BrokenRow]]:
    """The column names, the delimiter and the lines behind the header."""
    lines = read_lines(path)
    first = next((line for line in lines if isinstance(line, BrokenRow) or line.strip()), None)
    if not isinstance(first, str):
        raise InputError(
            f"{path} {'is empty' if first is None else 'has no header line'}; give a table with column names "
            f"in its first line"
        )
    names, delimiter = split_header(first, quoted=quoted)
    return names, delimiter, lines


def _delimited(
    quoted: bool,
) -> tuple[Callable[[Path], list[str]], Callable[[Path, list[str]], Iterator[Row]]]:
    def columns(path: Path) -> list[str]:
        return _header(path, quoted=quoted)[0]

    def rows(path: Path, wanted: list[str]) -> Iterator[Row]:
        names, delimiter, lines = _header(path, quoted=quoted)
        # of columns with equal names the first counts
        place = {name: names.index(name) for name in wanted}
        for record in csv_records(lines, len(names), delimiter) if quoted else tsv_records(lines, len(names)):
            yield record if isinstance(record, BrokenRow) else {name: record[i] for name, i in place.items()}

    return columns, rows


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except pa.ArrowException as error:
        raise InputError(
            f"{path.name} cannot be read as Parquet ({' '.join(str(error).split())[:100]}); write it again"
        ) from error


def _parquet_columns(path: Path) -> list[str]:
    with _parquet(path) as file:
        return [str(name) for name in file.schema_arrow.names]


def _parquet_rows(path: Path, wanted: list[str]) -> Iterator[Row]:
    import pyarrow as pa

    with _parquet(path) as file:
        for group in range(file.num_row_groups):
            try:
                for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=wanted):
                    yield from _batch_rows(batch)
            except (pa.ArrowException, OSError, KeyError) as error:
                yield BrokenRow(
                    f"the rest of row group {group} cannot be read ({' '.join(str(error).split())[:100]}); "
                    f"write the file again"
                )


def _batch_rows(batch: Any) -> Iterator[Row]:
    columns = {name: _cells(batch.column(name)) for name in batch.schema.names}
    for i in range(batch.num_rows):
        yield {name: cells[i] for name, cells in columns.items()}


def _cells(column: Any) -> list[object]:
    """The values of an Arrow column; one that Python cannot hold (a date in the year 20000) is None and costs
    no other.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column = column.cast(pa.large_binary())  # bytes, since nothing promises that they are UTF-8
    try:
        if pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("us", tz="UTC"), safe=False)
        values = column.to_pylist()
    except (ValueError, OverflowError):
        values = [_cell(value) for value in column]
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]


def _cell(value: Any) -> object:
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        return None


SUFFIXES: dict[str, _Table] = {
    ".jsonl": _Table("jsonl", _json_columns, _json_rows),
    ".ndjson": _Table("jsonl", _json_columns, _json_rows),
    ".csv": _Table("csv", *_delimited(True)),
    ".tsv": _Table("tsv", *_delimited(False)),
    ".parquet": _Table("parquet", _parquet_columns, _parquet_rows),
}
"""The formats that are read, by the suffix of the file."""
