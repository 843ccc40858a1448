"""CSV that a spreadsheet cannot be attacked with, Parquet that loses nothing, both in one pass."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_up_posts import assessment, crisis, hostile, naming

from crisislens.core.errors import DataError, InputError
from crisislens.domain.post import Post
from crisislens.report.flat import spreadsheet_cell
from crisislens.report.tables import assessments_table, write_csv, write_parquet


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＠"])
def test_no_text_cell_begins_as_a_formula(tmp_path: Path, start: str) -> None:
    text = start + 'cmd|"/C calc"!A0'
    post = Post(id=text, text=text, event=text, lang=text, lat=-18.25, lon=-66.5)
    write_csv([assessment(post, notes=(text,), language=text)], tmp_path / "a.csv")
    [row] = rows_of(tmp_path / "a.csv")
    assert all(row[name] == "'" + text for name in ("id", "text", "event", "lang", "notes", "language"))
    assert (float(row["lat"]), float(row["lon"])) == (-18.25, -66.5)


@pytest.mark.parametrize("name", ["=1+1", "Ada"])
def test_tables_hold_entities_and_relations(tmp_path: Path, name: str) -> None:
    found = [naming(Post(id="1", text=f"{name} in Ponce")), assessment(Post(id="2", text="none"))]
    write_csv(found, tmp_path / "a.csv")
    first, second = rows_of(tmp_path / "a.csv")
    assert first["entities"] == f"PER: {name} | LOC: Ponce"
    assert first["relations"] == f"{chr(39) if name[0] == '=' else ''}{name} — place of residence — Ponce"
    assert (second["entities"], second["relations"]) == ("", "")
    write_parquet(found, tmp_path / "a.parquet")
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert (rows[0]["entities"], rows[0]["relations"]) == (
        [f"PER: {name}", "LOC: Ponce"],
        [f"{name} — place of residence — Ponce"],
    )


def test_csv_holds_every_answer(tmp_path: Path) -> None:
    found, _, _ = crisis(50)
    assert write_csv(iter(found), tmp_path / "a.csv") == 50
    rows = rows_of(tmp_path / "a.csv")
    for a, row in zip(found, rows, strict=True):
        assert row["id"] == a.post.id
        assert row["text"] == a.post.text
        for name, task in a.tasks.items():
            assert row[f"{name}_label"] == task.label
            assert row[f"{name}_not_sure"] == str(task.abstained).lower()
            assert all(float(row[f"{name}_p_{label}"]) == p for label, p in task.probabilities.items())
        assert row["model_fingerprint"] == a.provenance.model_fingerprint


def test_parquet_gives_back_what_was_written(tmp_path: Path) -> None:
    found, _, _ = crisis(2300)
    assert write_parquet(iter(found), tmp_path / "a.parquet") == 2300
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [row["id"] for row in rows] == [a.post.id for a in found]
    assert all(
        row["created_at"] == a.post.created_at and row["lat"] == a.post.lat
        for row, a in zip(rows, found, strict=True)
    )
    assert rows[7]["modalities"] == list(found[7].modalities)
    assert rows[7]["damage_p_mild_damage"] == found[7].tasks["damage"].probabilities["mild_damage"]
    # three batches: the whole run is never held
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_hostile_posts_and_none_at_all_can_be_written(tmp_path: Path, write: Callable[..., int]) -> None:
    broken = assessment(Post(id="half", text="nul \x00 and \ud800 \udfff", created_at=datetime.min))
    assert write([*hostile(), broken], tmp_path / "hostile") == len(hostile()) + 1
    assert write([], tmp_path / "empty") == 0
    assert (tmp_path / "empty").stat().st_size > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "hostile"]


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_second_kind_of_assessment_is_refused_and_leaves_the_old_file(
    tmp_path: Path, write: Callable[..., int]
) -> None:
    path = tmp_path / "table"
    path.write_text("old")
    first = assessment(Post(id="1"))
    with pytest.raises(DataError, match="export one run at a time"):
        write([first.model_copy(update={"tasks": {"damage": first.tasks["damage"]}}), first], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_time_without_zone_is_utc(tmp_path: Path) -> None:
    write_parquet([assessment(Post(id="1", created_at=datetime(2017, 9, 20, 14, 5)))], tmp_path / "a.parquet")
    [row] = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert row["created_at"] == datetime(2017, 9, 20, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_record_that_cannot_be_written_costs_its_row_only(
    tmp_path: Path, write: Callable[..., int]
) -> None:
    good, bad = assessment(Post(id="1")), assessment(Post(id="2"))
    # a value that neither table can hold, as a plug-in could set it
    broken = bad.model_copy(update={"language": object(), "urgency": "very"})
    rows = [good, broken, good.model_copy(update={"post": Post(id="3")})]
    write(rows, tmp_path / "table")
    if write is write_csv:
        assert [row["id"] for row in rows_of(tmp_path / "table")][::2] == ["1", "3"]
    else:
        assert pq.read_table(tmp_path / "table")["id"].to_pylist() == ["1", "3"]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\t@SUM(1)", "a\t'@SUM(1)"),
        ('a, "+1', "a, \"'+1"),
        ("a|-cmd", "a|'-cmd"),
        ("a\n=1", "a\n'=1"),
        ("x; - y", "x; - y"),
        ("2 + 2 = 4; fine", "2 + 2 = 4; fine"),
    ],
)
def test_no_cell_begins_as_a_formula_behind_a_delimiter_either(text: str, cell: str) -> None:
    assert spreadsheet_cell(text) == cell


def test_a_table_is_made_of_a_list() -> None:
    one = assessment(Post(id="1", text="water"))
    assert assessments_table([one]).num_rows == 1
    with pytest.raises(InputError, match=r"one assessment was given, .* give \[assessment\]"):
        assessments_table(one)  # type: ignore[arg-type]
