"""Large row groups of Parquet: read without their dictionary, with the same rows, few of them at a time."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crisislens.data import parquet
from crisislens.data.parquet import parquet_rows

TEXTS = ["flood", None, "", "bridge is down", "flood", "é🌊", "flood"] * 30
SHAPES = [
    {},
    {"use_dictionary": False},
    {"data_page_size": 64, "dictionary_pagesize_limit": 40, "compression": "zstd"},
    {"row_group_size": 17},
    {"data_page_version": "2.0"},
]


def table(path: Path, texts: list[str | None], **options: object) -> Path:
    columns = {"id": pa.array([str(i) for i in range(len(texts))]), "text": pa.array(texts)}
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.mark.parametrize("options", SHAPES, ids=range(len(SHAPES)))
def test_a_large_group_has_the_rows_that_it_would_have_as_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    path = table(tmp_path / "a.parquet", TEXTS, **options)
    small = list(parquet_rows(path, ["id", "text"]))
    monkeypatch.setattr(parquet, "_SMALL_GROUP", 0)
    assert list(parquet_rows(path, ["id", "text"])) == small
    assert [row["text"] for row in small if isinstance(row, dict)] == TEXTS


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
@pytest.mark.parametrize("letters", [5, 100, 10_000, 900_000])
def test_the_dictionary_says_how_long_its_texts_may_be(
    tmp_path: Path, letters: int, compression: str
) -> None:
    path = table(tmp_path / "a.parquet", ["x" * letters] * 40, compression=compression)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    # four bytes say how long the text is
    assert parquet._dictionary_bytes(path, chunk) == letters + 4
    plain = table(tmp_path / "b.parquet", ["x" * letters] * 4, use_dictionary=False)
    assert parquet._dictionary_bytes(plain, pq.ParquetFile(plain).metadata.row_group(0).column(1)) == 0


@pytest.mark.parametrize("damage", [b"\x00" * 8, b"\x15\x00\x15\x10", b"\x15\x04\x15\x01", b"\x15\x04"])
def test_a_header_that_is_none_is_given_the_largest_size(tmp_path: Path, damage: bytes) -> None:
    path = table(tmp_path / "a.parquet", ["flood"] * 9)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset
    data[start : start + len(damage)] = damage
    path.write_bytes(data if len(damage) > 2 else data[: start + 2])
    assert parquet._dictionary_bytes(path, chunk) == chunk.total_uncompressed_size


def test_a_batch_holds_few_rows_where_each_may_name_a_long_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_SMALL_GROUP", 0)
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 10_000)
    path = table(tmp_path / "a.parquet", ["x" * 4_000] * 50)
    sizes, rows_of = [], parquet._rows

    def counted(batch: object) -> object:
        sizes.append(batch.num_rows)  # type: ignore[attr-defined]
        return rows_of(batch)

    monkeypatch.setattr(parquet, "_rows", counted)
    assert len(list(parquet_rows(path, ["text"]))) == 50
    # each text of it would be 4,004 bytes, although the column says eighty a row
    assert max(sizes) == 2
