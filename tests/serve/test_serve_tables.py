"""Exports: every format from the same rows, nothing that a spreadsheet runs, no author unless asked for."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from serve_rows import AT, post_row, review_row

from crisislens.serve.tables import (
    columns_of,
    csv_text,
    geojson_text,
    jsonl_text,
    parquet_bytes,
)
from crisislens.store.records import PostRow

ROWS = (
    post_row(1, text="=HYPERLINK(1)", external_id="@one", reviews=(review_row(),)),
    post_row(2, text='comma, "quote"\nline', place_name="＝SUM(1)", map_lat=None, map_lon=None),
    post_row(3, answers={}, state="queued", urgency=None),
)


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def rows() -> Iterator[PostRow]:
    return iter(ROWS)


def test_csv_keeps_every_row_and_runs_nothing() -> None:
    found = table("".join(csv_text(rows())))
    assert [row["id"] for row in found] == ["1", "2", "3"]
    assert found[0]["text"] == "'=HYPERLINK(1)"
    assert found[0]["external_id"] == "'@one"
    assert found[1]["place_name"] == "'＝SUM(1)"
    assert found[1]["text"] == 'comma, "quote"\nline'
    # numbers stay numbers, and what is not known is empty
    assert found[0]["lon"] == "-72.3"
    assert found[2]["urgency"] == ""


def test_a_persons_answer_stands_beside_the_models() -> None:
    first = table("".join(csv_text(rows())))[0]
    assert first["humanitarian_labels"] == "infrastructure_and_utility_damage"
    assert first["humanitarian_people_say"] == "affected"
    assert first["damage_not_sure"] == "true"


def test_what_the_model_only_leans_to_stands_in_no_column_of_labels() -> None:
    first = table("".join(csv_text(rows())))[0]
    assert (first["damage_labels"], first["damage_leaning"]) == ("", "severe_damage")
    assert first["humanitarian_leaning"] == ""
    [feature, *_] = json.loads("".join(geojson_text(rows())))["features"]
    assert feature["properties"]["damage_labels"] == ""
    assert feature["properties"]["damage_leaning"] == "severe_damage"


def test_hxl_has_one_tag_a_column() -> None:
    lines = list(csv.reader(io.StringIO("".join(csv_text(rows(), hxl=True)).removeprefix("\ufeff"))))
    head, tags = lines[0], lines[1]
    assert len(head) == len(tags) == len(lines[2])
    assert all(tag.startswith("#") for tag in tags)
    assert len(set(tags)) == len(tags)
    assert tags[head.index("place_name")] == "#loc+name"


WRITERS: dict[str, Callable[..., Iterator[Any]]] = {
    "csv": csv_text,
    "jsonl": jsonl_text,
    "geojson": geojson_text,
    "parquet": parquet_bytes,
}


@pytest.mark.parametrize("name", WRITERS)
def test_authors_are_left_out_unless_asked_for(name: str) -> None:
    def written(authors: bool) -> bytes:
        pieces = list(WRITERS[name](rows(), authors=authors))
        return b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)

    assert b"@ann" not in written(False)
    if name != "parquet":  # whose columns are compressed
        assert b"@ann" in written(True)


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_an_export_too(name: str) -> None:
    pieces = list(WRITERS[name](iter(())))
    whole = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    if name == "geojson":
        assert json.loads(whole) == {"type": "FeatureCollection", "features": []}
    elif name == "parquet":
        assert pq.read_table(io.BytesIO(whole)).num_rows == 0
    else:
        assert len(whole.splitlines()) == (1 if name == "csv" else 0)


def test_jsonl_reads_back() -> None:
    lines = "".join(jsonl_text(rows())).splitlines()
    first = json.loads(lines[0])
    assert first["external_id"] == "@one"
    assert first["reviews"][0]["labels"] == ["affected"]
    assert len(lines) == 3


def test_geojson_has_the_posts_that_can_be_placed() -> None:
    found = json.loads("".join(geojson_text(rows())))
    assert [feature["id"] for feature in found["features"]] == [1, 3]
    first = found["features"][0]
    assert first["geometry"]["coordinates"] == [-72.3, 18.5]
    assert first["properties"]["humanitarian_people_say"] == "affected"


def test_parquet_has_types() -> None:
    data = b"".join(parquet_bytes(rows(), authors=True))
    found = pq.read_table(io.BytesIO(data))
    assert found.column("author").to_pylist() == ["@ann"] * 3
    assert found.column("created_at").to_pylist()[0] == AT
    assert found.column("humanitarian_labels").to_pylist()[2] is None
    assert found.column("text").to_pylist()[0] == "=HYPERLINK(1)"


def test_exports_are_streamed() -> None:
    """Rows are read as pieces are taken, never all at once."""
    taken = 0

    def many() -> Iterator[PostRow]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield post_row(number + 1)

    pieces = csv_text(many())
    next(pieces)
    assert taken <= 200
    assert sum(piece.count("\r\n") for piece in pieces) == 1000


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_a_table_has_columns_for_what_only_later_rows_have(name: str) -> None:
    waiting = [post_row(number, answers={}, state="queued") for number in range(1, 400)]
    pieces = list(WRITERS[name](iter([*waiting, ROWS[0]]), tasks=["damage", "humanitarian"]))
    if name == "parquet":
        found = pq.read_table(io.BytesIO(b"".join(pieces)))
        last = found.column("humanitarian_people_say").to_pylist()[-1]
        assert last == ["affected"]
    else:
        last_row = table("".join(pieces))[-1]
        assert last_row["humanitarian_people_say"] == "affected"
        assert last_row["damage_leaning"] == "severe_damage"


def test_what_people_say_has_a_column_where_no_model_answered() -> None:
    alone = post_row(1, answers={}, reviews=(review_row(task="roofs", labels=("gone",)),))
    assert table("".join(csv_text(iter([alone]))))[0]["roofs_people_say"] == "gone"


def test_columns_follow_the_tasks_that_are_there() -> None:
    names = [column.name for column in columns_of(ROWS)]
    assert "humanitarian_labels" in names
    assert "author" not in names
    assert names.index("external_id") < names.index("humanitarian_labels")
