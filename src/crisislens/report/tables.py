"""Assessments as flat tables: CSV for spreadsheets, Parquet for programs.

One row a post. Columns: the post, what its assessment rests on, the entities and relations of its text, per
task `T_label`, `T_labels` (those that hold; empty where it is not sure), `T_confidence`, `T_not_sure`,
`T_reason` and a `T_p_CLASS` for each class, then places and the provenance. The columns follow from the first
assessment: all of a run have the same tasks and classes.

A cell that begins with `=`, `+`, `-`, `@`, their full-width twins, a tab or a line break is run as a formula
by spreadsheets (OWASP, "CSV Injection"), so in CSV such texts get an apostrophe in front; numbers are written
by us and stay numbers. Parquet has types and keeps every text as it is. Both are sinks (`runs.sinks`):
written beside their place and renamed, in batches, so memory does not grow with the run. A record that cannot
be written costs its row in that table.

Spreadsheets read ids of more than 15 digits as rounded numbers unless the column is imported as text; the
file itself is exact.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from crisislens.core.errors import DataError
from crisislens.domain.assessment import Assessment
from crisislens.report.display import utc
from crisislens.report.named import entity_texts, relation_texts
from crisislens.runs.files import part_of, take_place, writing
from crisislens.runs.sinks import FileSink, Record, pour

__all__ = ["CsvSink", "ParquetSink", "assessments_table", "write_csv", "write_parquet"]

_BATCH_ROWS = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_INNER_FORMULA = re.compile("([;,|\t\r\n][ \"']*)([=+@＝＋＠]|[-－](?=[^\\W_]))")
_POST = {
    "id": "string",
    "created_at": "time",
    "event": "string",
    "lang": "string",
    "lat": "float",
    "lon": "float",
    "text": "string",
    "image": "string",
    "more_images": "list",
    "photo": "string",
    "modalities": "list",
    "language": "string",
    "notes": "list",
    "entities": "list",
    "relations": "list",
    "urgency": "float",
}
_PLACE = {
    "places": "list",
    "location_lat": "float",
    "location_lon": "float",
    "location_source": "string",
    "location_place": "string",
    "location_confidence": "float",
    "place_type_label": "string",
    "place_type_confidence": "float",
    "place_type_not_sure": "bool",
}
_PROVENANCE = {
    **dict.fromkeys(
        (
            "model",
            "model_version",
            "model_fingerprint",
            "encoder_fingerprint",
            "crisislens_version",
            "analyzed_at",
        ),
        "string",
    ),
    "annotators": "list",
}


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
        row = _row(record.value, columns)
        cells = [_cell(row.get(name)) for name in columns]
        with writing(self.path.parent):
            self._writer.writerow(cells)
        self.rows += 1

    def finish(self) -> None:
        """A run without assessments has a header all the same."""
        self._header(None)

    def _header(self, first: Assessment | None) -> dict[str, str]:
        """The columns, which are written with the first row."""
        if self._columns is None:
            self._columns = _columns(first)
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
        self._batch.append(_row(record.value, self._columns))
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

        self._columns = _columns(first)
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
    """
    import pyarrow as pa

    held = list(assessments)
    columns = _columns(held[0] if held else None)
    rows = [_row(assessment, columns) for assessment in held]
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


def _columns(assessment: Assessment | None) -> dict[str, str]:
    """The columns with their kinds, as the first assessment of a run has them."""
    columns = dict(_POST)
    if assessment is None:
        return {**columns, **_PLACE, **_PROVENANCE}
    for name, task in assessment.tasks.items():
        columns |= {
            f"{name}_label": "string",
            f"{name}_labels": "list",
            f"{name}_confidence": "float",
            f"{name}_not_sure": "bool",
            f"{name}_reason": "string",
        }
        columns |= {f"{name}_p_{label}": "float" for label in task.probabilities}
    # always there, since posts of one run differ in whether they have a place
    columns |= _PLACE
    return columns | _PROVENANCE


def _row(assessment: Assessment, columns: dict[str, str]) -> dict[str, Any]:
    post = assessment.post
    row: dict[str, Any] = post.model_dump(exclude={"image", "more_images", "created_at"})
    row |= {
        "created_at": utc(post.created_at) if post.created_at else None,
        "image": post.image.path if post.image else None,
        "more_images": [image.path for image in post.more_images],
        "photo": assessment.photo,
        "modalities": list(assessment.modalities),
        "language": assessment.language,
        "notes": list(assessment.notes),
        "entities": entity_texts(assessment),
        "relations": relation_texts(assessment),
        "urgency": assessment.urgency,
    }
    for name, task in assessment.tasks.items():
        row |= {f"{name}_label": task.label, f"{name}_labels": list(task.labels)}
        row |= {f"{name}_confidence": task.confidence}
        row |= {f"{name}_not_sure": task.abstained, f"{name}_reason": task.reason}
        row |= {f"{name}_p_{label}": p for label, p in task.probabilities.items()}
    row |= _place(assessment)
    row |= assessment.provenance.model_dump()
    row["annotators"] = [f"{name}: {mark}" for name, mark in assessment.provenance.annotators.items()]
    row = {name: _whole(value) for name, value in row.items()}
    if strange := row.keys() - columns.keys():
        names = ", ".join(sorted(strange)[:5])
        raise DataError(
            f"post {post.id!r:.80} has columns that the first assessment does not have ({names}); export one "
            f"run at a time"
        )
    return row


def _place(assessment: Assessment) -> dict[str, Any]:
    where, kind = assessment.location, assessment.place_type
    return {
        "places": [mention.place.name for mention in assessment.places],
        "location_lat": where.lat if where else None,
        "location_lon": where.lon if where else None,
        "location_source": where.source if where else None,
        "location_place": where.place.name if where and where.place else None,
        "location_confidence": where.confidence if where else None,
        "place_type_label": kind.label if kind else None,
        "place_type_confidence": kind.confidence if kind else None,
        "place_type_not_sure": kind.abstained if kind else None,
    }


def _whole(value: Any) -> Any:
    """A value whose texts can be written as UTF-8: halves of characters, which Python's strings can hold,
    become question marks.
    """
    if isinstance(value, list):
        return [_whole(part) for part in value]
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _cell(value: object) -> object:
    """A value as a spreadsheet may hold it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        value = " | ".join(value)
    if isinstance(value, str):
        value = value.replace("\0", "\ufffd")
        # a spreadsheet of another country splits at another delimiter, and then a new cell starts there
        value = _INNER_FORMULA.sub(r"\1'\2", value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value
