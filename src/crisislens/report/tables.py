"""Assessments as flat tables: CSV for spreadsheets, Parquet for programs. The columns are those of
`report.flat`.

A cell that begins with `=`, `+`, `-`, `@`, their full-width twins, a tab or a line break is run as a formula
by spreadsheets (OWASP, "CSV Injection"), so in CSV such texts get an apostrophe in front; numbers are written
by us and stay numbers. Parquet has types and keeps every text as it is. Both are sinks (`runs.sinks`):
written beside their place and renamed, in batches, so memory does not grow with the run. A record that cannot
be written costs its row in that table.

Spreadsheets read ids of more than 15 digits as rounded numbers unless the column is imported as text; the
file itself is exact.
"""

import csv
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from crisislens.core.errors import InputError
from crisislens.domain.assessment import Assessment
from crisislens.report.flat import columns_of, row_of, spreadsheet_cell
from crisislens.runs.files import part_of, take_place, writing
from crisislens.runs.sinks import FileSink, Record, pour

__all__ = ["CsvSink", "ParquetSink", "assessments_table", "spreadsheet_cell", "write_csv", "write_parquet"]

_BATCH_ROWS = 1_000


class CsvSink(FileSink[Assessment]):
    """Assessments as CSV (RFC 4180, UTF-8 with the byte order mark that Excel asks for), with formulas
    neutralized.

    Arguments:
        path: The file; replaced atomically.
    """

    encoding = "utf-8-sig"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._writer = csv.writer(self.stream)
        self._columns: dict[str, str] | None = None
        self.rows = 0

    def add(self, record: Record[Assessment]) -> None:
        """Writes a row.

        Raises:
            DataError: If the assessment has tasks or classes that the first one does not have.
        """
        columns = self._header(record.value)
        row = row_of(record.value, columns)
        cells = [spreadsheet_cell(row.get(name)) for name in columns]
        with writing(self.path.parent):
            self._writer.writerow(cells)
        self.rows += 1

    def finish(self) -> None:
        """A run without assessments has a header all the same."""
        self._header(None)

    def _header(self, first: Assessment | None) -> dict[str, str]:
        """The columns, which are written with the first row."""
        if self._columns is None:
            self._columns = columns_of(first)
            self._writer.writerow(self._columns)
        return self._columns


class ParquetSink:
    """Assessments as Parquet, compressed with Zstandard; times are in UTC, notes and modalities are lists.
    1,000 rows are held at a time.

    Arguments:
        path: The file; replaced atomically.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.part, self.name, self.lost = path, part_of(path), path.name, 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._columns: dict[str, str] | None = None
        self._batch: list[dict[str, Any]] = []
        self._writer: Any = None

    def add(self, record: Record[Assessment]) -> None:
        """Takes a row.

        Raises:
            DataError: If the assessment has tasks or classes that the first one does not have.
        """
        self._open(record.value)
        assert self._columns is not None
        self._batch.append(row_of(record.value, self._columns))
        if len(self._batch) == _BATCH_ROWS:
            self._flush()

    def fail(self, record: Record[Assessment]) -> None:
        """Failed rows have a file of their own."""

    def commit(self) -> None:
        """Puts the file in its place."""
        self._open(None)
        self._flush()
        self._close()
        take_place(self.part, self.path)

    def discard(self) -> None:
        """Removes what was written."""
        with suppress(OSError):
            self._close()
        self.part.unlink(missing_ok=True)

    def _open(self, first: Assessment | None) -> None:
        """Opens the file when its columns are known."""
        if self._columns is not None:
            return
        import pyarrow.parquet as pq

        self._columns = columns_of(first)
        self._schema = _schema(self._columns)
        with writing(self.path.parent):
            self._writer = pq.ParquetWriter(self.part, self._schema, compression="zstd")

    def _flush(self) -> None:
        import pyarrow as pa

        batch, self._batch = self._batch, []
        try:
            table = pa.RecordBatch.from_pylist(batch, schema=self._schema)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            batch = self._writable(batch)
            table = pa.RecordBatch.from_pylist(batch, schema=self._schema)
        if batch:
            with writing(self.path.parent):
                self._writer.write_batch(table)
        self.rows += len(batch)

    def _writable(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows of a batch that can be written, each tried alone."""
        import pyarrow as pa

        good = []
        for row in batch:
            try:
                pa.RecordBatch.from_pylist([row], schema=self._schema)
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                self.lost += 1
            else:
                good.append(row)
        return good

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with writing(self.path.parent):
                writer.close()


def write_csv(assessments: Iterable[Assessment], path: Path) -> int:
    """Writes assessments as CSV, see `CsvSink`.

    Arguments:
        assessments: Any number; read once.
        path: The file; replaced atomically.

    Returns:
        How many rows were written.

    Raises:
        DataError: If an assessment has tasks or classes that the first one does not have.
    """
    sink = CsvSink(path)
    pour((Record.of(a, "") for a in assessments), [sink])
    return sink.rows


def write_parquet(assessments: Iterable[Assessment], path: Path) -> int:
    """Writes assessments as Parquet, see `ParquetSink`.

    Arguments:
        assessments: Any number; read once, 1,000 held at a time.
        path: The file; replaced atomically.

    Returns:
        How many rows were written.

    Raises:
        DataError: If an assessment has tasks or classes that the first one does not have.
    """
    sink = ParquetSink(path)
    pour((Record.of(a, "") for a in assessments), [sink])
    return sink.rows


def assessments_table(assessments: Iterable[Assessment]) -> Any:
    """Assessments as a `pyarrow.Table` with the columns of the Parquet file; pandas, polars and whatever else
    speaks Arrow take it as it is (`table.to_pandas()`, `polars.from_arrow(table)`).

    Arguments:
        assessments: Of one run.

    Raises:
        DataError: If an assessment has tasks or classes that the first one does not have.
        InputError: If it is one assessment and no list of them.
    """
    import pyarrow as pa

    # it can be gone through, and gives its fields
    if isinstance(assessments, Assessment):
        raise InputError("one assessment was given, and a list of them makes a table; give [assessment]")
    held = list(assessments)
    columns = columns_of(held[0] if held else None)
    rows = [row_of(assessment, columns) for assessment in held]
    return pa.Table.from_pylist(rows, schema=_schema(columns))


def _schema(columns: dict[str, str]) -> Any:
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "list": pa.list_(pa.string()),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()])
