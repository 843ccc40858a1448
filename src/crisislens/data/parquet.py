"""Rows of a Parquet file, with memory bounded by bytes and every lost row counted.

A file of ten kilobytes can hold rows of gigabytes: one long text, named by every row through a
dictionary, or zeros that compress to nothing. So texts of a small row group stay in their
dictionary while they are read, a batch has as many rows as fit `_BATCH_BYTES` by what the file says
of itself, and a row group that claims far more than its bytes could hold is not read.

A large row group is read without its dictionary: Arrow keeps every text that it has met in one,
which took five times the column (0.9 GiB for 200 texts of 900,000 letters). There the size
of the dictionary, which any row may name the whole of, says how many rows fit a batch.

What cannot be read of a row group costs the rest of that group, one row each by its number, so that
what went in is what comes out and failed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crisislens.core.errors import InputError
from crisislens.data.lines import MAX_LINE, BrokenRow

__all__ = ["parquet_columns", "parquet_rows"]

_BATCH_ROWS = 512
_BATCH_BYTES = 16 << 20
# of a row group's columns: up to here, five times as much is little
_SMALL_GROUP = 32 << 20
# of one row group's column: more than this, at this ratio, is no text
_MOST_BYTES = 256 << 20
_MOST_RATIO = 200
# page by page, and not a column of a row group at once
_STREAMED = {"buffer_size": 1 << 20, "pre_buffer": False}
_DICTIONARY_PAGE = 2
_MOST_VALUES_A_ROW = 1_000
_MOST_LOST = 1_000_000


def parquet_columns(path: Path) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: If it is no Parquet file, or two columns have one name.
    """
    with _open(path) as file:
        names = [str(name) for name in file.schema_arrow.names]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"{path.name} has several columns named {', '.join(twice)[:100]}; give each a name of its own"
        )
    return names


def parquet_rows(path: Path, wanted: list[str]) -> Iterator[Mapping[str, object] | BrokenRow]:
    """The rows, with some of the columns."""
    import pyarrow as pa

    texts = _text_columns(path, wanted)
    with _open(path, read_dictionary=texts) as by_words, _open(path, **_STREAMED) as plain:
        for group in range(plain.num_row_groups):
            said = plain.metadata.row_group(group)
            given = 0
            try:
                reason = _refusal(said, wanted)
                for batch in () if reason else _batches(path, by_words, plain, group, wanted):
                    for row in _rows(batch):
                        given += 1
                        yield row
            except (pa.ArrowException, OSError, KeyError, MemoryError) as error:
                reason = " ".join(str(error).split())[:100] or type(error).__name__
            if reason:
                yield from _lost(group, given, said.num_rows, reason)
            # what Arrow's allocator holds for nothing would stand beside the models
            pa.default_memory_pool().release_unused()


def _open(path: Path, **options: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, **options)
    except (pa.ArrowException, ValueError) as error:
        raise InputError(
            f"{path.name} cannot be read as Parquet ({' '.join(str(error).split())[:100]}); write it again"
        ) from error


def _text_columns(path: Path, wanted: list[str]) -> list[str]:
    import pyarrow as pa

    with _open(path) as file:
        fields = [file.schema_arrow.field(name) for name in wanted]
    # some writers store text as bytes without saying that it is text
    kinds = {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}
    return [field.name for field in fields if field.type in kinds]


def _chunks(said: Any, wanted: list[str]) -> list[Any]:
    """What the file says of a row group's columns."""
    every = [said.column(i) for i in range(said.num_columns)]
    starts = tuple(f"{name}." for name in wanted)
    return [c for c in every if c.path_in_schema in wanted or c.path_in_schema.startswith(starts)]


def _refusal(said: Any, wanted: list[str]) -> str:
    """Why a row group is not read; empty where it is."""
    for chunk in _chunks(said, wanted):
        size, packed = chunk.total_uncompressed_size, max(1, chunk.total_compressed_size)
        # both: small columns of one repeated value are packed by any ratio
        if size > _MOST_BYTES and size / packed > _MOST_RATIO:
            return f"{chunk.path_in_schema[:60]} claims {size:,} bytes in {packed:,}, which no text does"
        if chunk.num_values > _MOST_VALUES_A_ROW * max(1, said.num_rows):
            return f"{chunk.path_in_schema[:60]} holds {chunk.num_values:,} values in {said.num_rows:,} rows"
    return ""


def _batches(path: Path, by_words: Any, plain: Any, group: int, wanted: list[str]) -> Iterator[Any]:
    said = plain.metadata.row_group(group)
    chunks = _chunks(said, wanted)
    size = sum(chunk.total_uncompressed_size for chunk in chunks)
    a_row = max(1, size // max(1, said.num_rows))
    file = by_words
    if size > _SMALL_GROUP:
        file, a_row = plain, max([a_row, *(_dictionary_bytes(path, chunk) for chunk in chunks)])
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // a_row))
    yield from file.iter_batches(rows, row_groups=[group], columns=wanted)


def _dictionary_bytes(path: Path, chunk: Any) -> int:
    """Bytes of a column's dictionary in a row group; 0 without one. No text in it is longer.

    The first page of the column is the dictionary, and its header begins with three numbers: its
    kind, its bytes as they are, and packed (`PageHeader` of the format, in Thrift's compact form).
    """
    if not any("DICTIONARY" in kind for kind in chunk.encodings):
        return 0
    offsets = (chunk.dictionary_page_offset, chunk.data_page_offset)
    with path.open("rb") as stream:
        stream.seek(min(offset for offset in offsets if offset))
        head = stream.read(32)
    at, numbers = 0, []
    for _ in range(2):
        # 0x15: the next field, a whole number of 32 bits
        if head[at : at + 1] != b"\x15":
            return int(chunk.total_uncompressed_size)
        value, at = _whole_number(head, at + 1)
        numbers.append(value)
    kind, size = numbers
    # what is no dictionary although the file says so may hide one further on
    return size if kind == _DICTIONARY_PAGE and size >= 0 else int(chunk.total_uncompressed_size)


def _whole_number(head: bytes, at: int) -> tuple[int, int]:
    """A zigzag number of seven bits a byte, and where it ends."""
    value = shift = 0
    while at < len(head):
        byte = head[at]
        value, shift, at = value | (byte & 0x7F) << shift, shift + 7, at + 1
        if byte < 0x80:
            break
    return (value >> 1) ^ -(value & 1), at


def _lost(group: int, given: int, claimed: int, reason: str) -> Iterator[BrokenRow]:
    """One broken row for each that was not given; what a file claims
    beyond a million is not believed.
    """
    for row in range(given, max(given + 1, min(claimed, given + _MOST_LOST))):
        yield BrokenRow(f"row {row} of row group {group} cannot be read ({reason}); write the file again")


def _rows(batch: Any) -> Iterator[Mapping[str, object] | BrokenRow]:
    columns = {name: _cells(batch.column(name)) for name in batch.schema.names}
    for i in range(batch.num_rows):
        row = {name: cells[i] for name, cells in columns.items()}
        if any(isinstance(value, str) and len(value) > MAX_LINE for value in row.values()):
            yield BrokenRow(f"a cell has more than {MAX_LINE:,} characters; split it or leave it out")
        else:
            yield row


def _cells(column: Any) -> list[object]:
    """The values of an Arrow column; one that Python cannot hold (a date in the year 20000) is None
    and costs no other.
    """
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        # each text once, however many rows name it
        words = _cells(column.dictionary)
        return [None if place is None else words[place] for place in column.indices.to_pylist()]
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
