"""Assessments as flat tables: CSV for spreadsheets, Parquet for programs.

One row a post. Columns: the post, what its assessment rests on, the entities and relations of its text, per
task `T_label`, `T_confidence`, `T_not_sure`, `T_reason` and a `T_p_CLASS` for each class, then places and the
provenance. The columns follow from the first assessment: all of a run have the same tasks and classes.

A cell that begins with `=`, `+`, `-`, `@`, their full-width twins, a tab or a line break is run as a formula
by spreadsheets (OWASP, "CSV Injection"), so in CSV such texts get an apostrophe in front; numbers are written
by us and stay numbers. Parquet has types and keeps every text as it is. Both are written beside their place
and renamed, in batches, so memory does not grow with the run.

Spreadsheets read ids of more than 15 digits as rounded numbers unless the column is imported as text; the
file itself is exact.
"""

import csv
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any

from crisislens.core.errors import DataError
from crisislens.domain.assessment import Assessment
from crisislens.report.display import utc
from crisislens.report.named import entity_texts, relation_texts

__all__ = ["write_csv", "write_parquet"]

_BATCH_ROWS = 1_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_POST = {
    "id": "string",
    "created_at": "time",
    "event": "string",
    "lang": "string",
    "lat": "float",
    "lon": "float",
    "text": "string",
    "image": "string",
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


def write_csv(assessments: Iterable[Assessment], path: Path) -> int:
    """Writes assessments as CSV (RFC 4180, UTF-8 with the byte order mark that Excel asks for), with formulas
    neutralized.

    Arguments:
        assessments: Any number; read once.
        path: The file; replaced atomically.

    Returns:
        How many rows were written.

    Raises:
        DataError: If an assessment has tasks or classes that the first one does not have.
    """
    columns, rows = _table(assessments)
    count = 0
    with _beside(path) as part, part.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(row.get(name)) for name in columns])
            count += 1
    return count


def write_parquet(assessments: Iterable[Assessment], path: Path) -> int:
    """Writes assessments as Parquet, compressed with Zstandard; times are in UTC, notes and modalities are
    lists.

    Arguments:
        assessments: Any number; read once, 1,000 held at a time.
        path: The file; replaced atomically.

    Returns:
        How many rows were written.

    Raises:
        DataError: If an assessment has tasks or classes that the first one does not have.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "string": pa.string(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "list": pa.list_(pa.string()),
    }
    columns, rows = _table(assessments)
    schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
    count = 0
    with _beside(path) as part, pq.ParquetWriter(part, schema, compression="zstd") as writer:
        while batch := list(islice(rows, _BATCH_ROWS)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _table(assessments: Iterable[Assessment]) -> tuple[dict[str, str], Iterator[dict[str, Any]]]:
    """The columns with their kinds, and the rows."""
    stream = iter(assessments)
    first = list(islice(stream, 1))
    columns = _columns(first[0]) if first else {**_POST, **_PLACE, **_PROVENANCE}
    return columns, (_row(assessment, columns) for assessment in chain(first, stream))


def _columns(assessment: Assessment) -> dict[str, str]:
    columns = dict(_POST)
    for name, task in assessment.tasks.items():
        columns |= {
            f"{name}_label": "string",
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
    row: dict[str, Any] = post.model_dump(exclude={"image", "created_at"})
    row |= {
        "created_at": utc(post.created_at) if post.created_at else None,
        "image": post.image.path if post.image else None,
        "modalities": list(assessment.modalities),
        "language": assessment.language,
        "notes": list(assessment.notes),
        "entities": entity_texts(assessment),
        "relations": relation_texts(assessment),
        "urgency": assessment.urgency,
    }
    for name, task in assessment.tasks.items():
        row |= {f"{name}_label": task.label, f"{name}_confidence": task.confidence}
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
        return f"'{value}" if value.startswith(_FORMULA) else value
    return value


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when it is whole and on the disk, and goes if it does not
    come to that.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
