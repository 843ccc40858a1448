"""Posts as flat tables for others, streamed: CSV, HXL, JSON lines, GeoJSON, Parquet.

One row a post, in the order and with the filter of the page. The source's own id is kept, so that rows can be
joined back. Authors, and addresses, which name them, are left out unless asked for. A cell of a CSV that a
spreadsheet would run as a formula gets an apostrophe in front (`report.tables`). HXL is the same CSV with the
row of tags below the header (https://hxlstandard.org).
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any

from crisislens.report.tables import spreadsheet_cell
from crisislens.store.records import PostRow

__all__ = ["FORMATS", "ExportFormat", "columns_of", "csv_text", "geojson_text", "jsonl_text", "parquet_bytes"]

_CHUNK_ROWS = 200
_BOM = "\ufeff"
_PLAIN = {
    "id": ("integer", "#meta+id"),
    "source": ("string", "#meta+source"),
    "external_id": ("string", "#meta+id+source"),
    "author": ("string", "#meta+author"),
    "url": ("string", "#meta+url"),
    "created_at": ("time", "#date+posted"),
    "received_at": ("time", "#date+received"),
    "text": ("string", "#description"),
    "language": ("string", "#meta+lang"),
    "event": ("string", "#event"),
    "lat": ("float", "#geo+lat+posted"),
    "lon": ("float", "#geo+lon+posted"),
    "map_lat": ("float", "#geo+lat"),
    "map_lon": ("float", "#geo+lon"),
    "place": ("string", "#loc+code"),
    "place_name": ("string", "#loc+name"),
    "state": ("string", "#status"),
    "unread": ("string", "#meta+unread"),
    "urgency": ("float", "#indicator+urgency+num"),
    "uncertainty": ("float", "#indicator+uncertainty+num"),
    "cluster_id": ("integer", "#meta+cluster"),
    "cluster_size": ("integer", "#indicator+copies+num"),
    "photos": ("list", "#meta+photos"),
    "model": ("string", "#meta+model"),
}
_AUTHOR = frozenset({"author", "url"})
_PARTS = {
    "labels": ("list", "#severity+code+{}"),
    "leaning": ("list", "#severity+code+leaning+{}"),
    "confidence": ("float", "#indicator+confidence+num+{}"),
    "not_sure": ("bool", "#status+not_sure+{}"),
    "people_say": ("list", "#severity+code+person+{}"),
}


@dataclass(frozen=True)
class Column:
    """One column: its name, its kind of value, and its HXL tag."""

    name: str
    kind: str
    tag: str


@dataclass(frozen=True)
class ExportFormat:
    """One form of export.

    Attributes:
        media: Its media type.
        ending: The end of the file's name.
        title: What a person reads.
    """

    media: str
    ending: str
    title: str


FORMATS = {
    "csv": ExportFormat("text/csv; charset=utf-8", "csv", "CSV, for spreadsheets"),
    "hxl.csv": ExportFormat("text/csv; charset=utf-8", "hxl.csv", "HXL (CSV with tags)"),
    "jsonl": ExportFormat("application/x-ndjson", "jsonl", "JSON lines"),
    "parquet": ExportFormat("application/vnd.apache.parquet", "parquet", "Parquet"),
    "geojson": ExportFormat("application/geo+json", "geojson", "GeoJSON, for maps"),
}


def columns_of(rows: Iterable[PostRow], *, authors: bool = False, tasks: Iterable[str] = ()) -> list[Column]:
    """The columns for rows: those of every post, then for each task that any of them has the labels that
    hold, those that the model leans to where it is not sure, how sure it is, and what people say.

    Arguments:
        rows: The first rows of the export.
        authors: Whether to name authors.
        tasks: What later rows may have too; a task that stands in neither is left out of tables.
    """
    columns = [Column(name, *kind) for name, kind in _PLAIN.items() if authors or name not in _AUTHOR]
    found: dict[str, None] = {}
    for row in rows:
        found |= dict.fromkeys(row.answers)
        for review in row.reviews:
            found |= dict.fromkeys(review.said)
    for task in [*found, *(task for task in tasks if task not in found)]:
        tag = "".join(c if c.isalnum() else "_" for c in task.lower())
        for part, (kind, pattern) in _PARTS.items():
            columns.append(Column(f"{task}_{part}", kind, pattern.format(tag)))
    return columns


def flat(row: PostRow) -> dict[str, Any]:
    """A post as one row of values by column."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN if name != "photos"}
    values["photos"] = [photo.sha256 for photo in row.photos if photo.sha256]
    for task, answer in row.answers.items():
        # who filters a column of labels must not find guesses in it
        said = list(answer.labels)
        values[f"{task}_labels"] = [] if answer.abstained else said
        values[f"{task}_leaning"] = said if answer.abstained else []
        values[f"{task}_confidence"] = answer.confidence
        values[f"{task}_not_sure"] = answer.abstained
    for review in row.reviews:
        for task, labels in review.said.items():
            said = list(labels) if review.verdict != "unsure" else ["not_sure"]
            values[f"{task}_people_say"] = said
    return values


def csv_text(
    rows: Iterator[PostRow], *, authors: bool = False, hxl: bool = False, tasks: Iterable[str] = ()
) -> Iterator[str]:
    """CSV (RFC 4180, with the byte order mark that Excel asks for), some rows a piece; `tasks` as in
    `columns_of`.
    """
    first, rows = _peek(rows)
    columns = columns_of(first, authors=authors, tasks=tasks)
    head: list[list[Any]] = [[column.name for column in columns]]
    if hxl:
        head.append([column.tag for column in columns])
    yield _BOM + _csv(head)
    for chunk in _chunks(rows):
        yield _csv([spreadsheet_cell(values.get(c.name)) for c in columns] for values in map(flat, chunk))


def jsonl_text(rows: Iterator[PostRow], *, authors: bool = False) -> Iterator[str]:
    """One JSON object a line, with everything that is said of the post."""
    left_out = None if authors else set(_AUTHOR)
    for chunk in _chunks(rows):
        yield "".join(row.model_dump_json(exclude=left_out) + "\n" for row in chunk)


def geojson_text(rows: Iterator[PostRow], *, authors: bool = False) -> Iterator[str]:
    """A feature collection (RFC 7946): the posts that can be placed, one feature a line."""
    _, rows = _peek(rows)
    yield '{"type": "FeatureCollection", "features": ['
    before = "\n"
    for chunk in _chunks(rows):
        lines = []
        for row in chunk:
            if row.map_lat is not None and row.map_lon is not None:
                lines.append(before + json.dumps(_feature(row, authors)))
                before = ",\n"
        if lines:
            yield "".join(lines)
    yield "\n]}\n"


def parquet_bytes(
    rows: Iterator[PostRow], *, authors: bool = False, tasks: Iterable[str] = ()
) -> Iterator[bytes]:
    """Parquet with Zstandard, some rows a piece; times in UTC; `tasks` as in `columns_of`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first, rows = _peek(rows)
    columns = columns_of(first, authors=authors, tasks=tasks)
    schema = pa.schema([(column.name, _arrow(column.kind)) for column in columns])
    pipe = _Pipe()
    with pq.ParquetWriter(pa.PythonFile(pipe, mode="w"), schema, compression="zstd") as writer:
        for chunk in _chunks(rows):
            writer.write_batch(pa.RecordBatch.from_pylist([flat(row) for row in chunk], schema=schema))
            yield pipe.taken()
    yield pipe.taken()


class _Pipe(io.RawIOBase):
    """A file to write to, whose bytes are taken out again as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._parts.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _feature(row: PostRow, authors: bool) -> dict[str, Any]:
    values = flat(row)
    for name in ("map_lat", "map_lon", *(() if authors else _AUTHOR)):
        values.pop(name, None)
    # flat, because most map programs show nothing else
    properties = {name: _plain(value) for name, value in values.items()}
    point = [row.map_lon, row.map_lat]
    geometry = {"type": "Point", "coordinates": point}
    return {"type": "Feature", "id": row.id, "geometry": geometry, "properties": properties}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return " | ".join(value) if isinstance(value, list) else value


def _arrow(kind: str) -> Any:
    import pyarrow as pa

    types: dict[str, Callable[[], Any]] = {
        "string": pa.string,
        "integer": pa.int64,
        "float": pa.float64,
        "bool": pa.bool_,
        "time": lambda: pa.timestamp("us", tz="UTC"),
        "list": lambda: pa.list_(pa.string()),
    }
    return types[kind]()


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _peek(rows: Iterator[PostRow]) -> tuple[list[PostRow], Iterator[PostRow]]:
    first = list(islice(rows, _CHUNK_ROWS))
    return first, chain(first, rows)


def _chunks(rows: Iterator[PostRow]) -> Iterator[list[PostRow]]:
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        yield chunk
