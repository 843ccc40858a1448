"""CSV whose quotation marks nobody looked after, and Parquet that is not what it claims: no row vanishes."""

import csv
import io
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.data.csv_shape import RowShape
from crisislens.data.delimited import csv_records
from crisislens.data.lines import BrokenRow
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post


def records(content: str, width: int, delimiter: str = ",") -> list[list[str] | BrokenRow]:
    return list(csv_records(iter(content.split("\n")), width, delimiter))


# two rows such as `0,"` and `1,"` have no shape yet, and are one record whose text breaks its line
@given(
    st.lists(st.text(st.sampled_from('ab ""\''), max_size=16), min_size=3, max_size=40),
    st.sampled_from(["counting", "long", "any"]),
    st.integers(2, 4),
    st.integers(0, 2**32),
)
@settings(max_examples=150, deadline=None)
def test_rows_in_are_records_and_failures(texts: list[str], ids: str, width: int, seed: int) -> None:
    draw = random.Random(seed)
    name = {
        "counting": lambda i: str(i),
        "long": lambda i: str(draw.randint(10**17, 10**18)),
        "any": lambda i: str(draw.randint(0, 10**6)),
    }[ids]
    rows = [",".join([name(i), text, "2023-02-06", f"{i}.jpg"][:width]) for i, text in enumerate(texts)]
    assert len(records("\n".join(rows), width)) == len(rows)


STRAY = {
    "a mark that a later row closes": '1622371234567890101,"he said hi,a.jpg\n'
    '1622371234567890102,plain,b.jpg\n1622371234567890103,"closed",c.jpg',
    "closed at the end of a field": '1622371234567890101,"he said hi,a.jpg\n'
    '1622371234567890102,said hi",b.jpg\n1622371234567890103,plain,c.jpg',
    "in the last field": '1622371234567890101,a,"b.jpg\n'
    '1622371234567890102,plain,b.jpg\n1622371234567890103,c,"d.jpg',
    "never closed": "1622371234567890101,plain,a.jpg\n"
    '1622371234567890102,"said,b.jpg\n1622371234567890103,plain,c.jpg',
}


@pytest.mark.parametrize("kind", STRAY)
def test_a_stray_mark_is_a_character(kind: str) -> None:
    found = records(STRAY[kind], 3)
    assert [record[0][-3:] for record in found if isinstance(record, list)] == ["101", "102", "103"]


WHOLE = {
    "a list that looks like rows": (["17", "Rescue list:\n1,Ali\n2,Veli"], 2),
    "a comma in each line": (["17", "Flood at A, B\nsend help, please"], 2),
    "lines of a table": (["17", "names, ages\nAli, 4\nVeli, 9", "2023-02-06"], 3),
    "blank lines": (["17", "a\n\n\nb, c", "2023-02-06"], 3),
    "marks at line ends": (["17", 'he said "go"\nand "stay"', "2023-02-06"], 3),
}


# of few rows nobody can tell whether the list is one
@pytest.mark.parametrize(
    ("kind", "size"), [(k, n) for k in WHOLE for n in (1, 5, 200) if n == 200 or "list" not in k]
)
def test_line_breaks_in_a_text_stay_in_it(kind: str, size: int) -> None:
    row, width = WHOLE[kind]
    rows = [[str(i), f"plain {i}", "2023-02-05"][:width] for i in range(size)]
    rows.insert(min(17, size), row)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    found = records(buffer.getvalue().rstrip("\n"), width)
    assert row in found
    assert len(found) == size + 1


def test_a_shape_needs_rows_that_are_alike() -> None:
    assert not RowShape.of([["1", "a"], ["2", "b"]]).forms
    shape = RowShape.of([[str(i), "some words here" * (i % 3), "2023-02-06"] for i in range(10)])
    assert set(shape.forms) == {0, 2}
    assert shape.counting == 0
    assert shape.fits(["10", "x", "2024-01-01"], behind=["9", "", ""], lines=1)
    assert not shape.fits(["7", "x", "2024-01-01"], behind=["9", "", ""], lines=1)
    assert not shape.fits(["10", "x", "no day"])
    assert not shape.fits(["10"])


@pytest.mark.real
def test_real_posts_saved_as_csv_without_a_thought_all_come_back(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "verification" / "tweets.tsv"
    lines = source.read_text(encoding="utf-8").split("\n")
    path = tmp_path / "tweets.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    rows = list(read_posts(path))
    assert len(rows) == 3_781
    # as many as without quoting, but for rows that no reading makes whole
    assert sum(isinstance(row, Post) for row in rows) >= 3_770


def write(path: Path, table: pa.Table, **options: object) -> Path:
    pq.write_table(table, path, **options)
    return path


def test_a_small_parquet_file_takes_little_memory(tmp_path: Path) -> None:
    # one text of half a megabyte, named by every row: 138 MB of bytes in a few kilobytes of file
    text = "water " * 90_000
    table = pa.table({"id": [str(i) for i in range(256)], "text": pa.array([text] * 256).dictionary_encode()})
    path = write(
        tmp_path / "posts.parquet",
        table.cast(pa.schema([("id", pa.string()), ("text", pa.string())])),
        compression="zstd",
    )
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    count = sum(isinstance(row, Post) for row in read_posts(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 256
    assert peak < 30_000_000
    assert pa.default_memory_pool().max_memory() - before < 200_000_000


@pytest.mark.parametrize("kind", ["text", "list"])
def test_a_group_that_claims_too_much_is_lost_by_number(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisislens.data import parquet

    if kind == "text":
        monkeypatch.setattr(parquet, "_MOST_BYTES", 1_000_000)
        column = pa.array(["a" * 300_000 + str(i) for i in range(10)])
        table = pa.table({"id": [str(i) for i in range(10)], "text": column})
    else:
        images = [["a.jpg"] * 20_000 for _ in range(10)]
        table = pa.table({"id": [str(i) for i in range(10)], "text": ["a"] * 10, "image": images})
    good = pa.table({"id": ["x"], "text": ["whole"], **({"image": [["b.jpg"]]} if kind == "list" else {})})
    path = tmp_path / "posts.parquet"
    with pq.ParquetWriter(path, good.schema, compression="zstd", use_dictionary=kind == "list") as writer:
        writer.write_table(table)
        writer.write_table(good)
    rows = list(read_posts(path))
    assert [isinstance(row, FailedPost) for row in rows] == [True] * 10 + [False]
    assert isinstance(rows[3], FailedPost)
    assert rows[3].reason.startswith("row 3 of row group 0 cannot be read")


def test_two_columns_of_one_name_are_refused_by_name(tmp_path: Path) -> None:
    table = pa.table([pa.array(["1"]), pa.array(["a"]), pa.array(["b"])], names=["id", "text", "text"])
    with pytest.raises(InputError, match="several columns named text"):
        read_posts(write(tmp_path / "posts.parquet", table))


def test_a_huge_cell_of_parquet_costs_its_row(tmp_path: Path) -> None:
    table = pa.table({"id": ["1", "2"], "text": ["a" * (3 << 20), "b"]})
    first, second = read_posts(write(tmp_path / "posts.parquet", table))
    assert isinstance(first, FailedPost)
    assert isinstance(second, Post)


def test_a_long_post_arrives_whole(tmp_path: Path) -> None:
    text = "water " * 5_000 + "two people on the roof"
    path = tmp_path / "posts.csv"
    path.write_text(f'id,text\n1,"{text}"\n')
    (post,) = read_posts(path)
    assert isinstance(post, Post)
    assert post.text == text
