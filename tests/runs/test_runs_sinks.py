"""Sinks: one pass for all, all or none, and a record that one cannot write costs its row there."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crisislens.core.errors import DataError, NotRegisteredError
from crisislens.domain.assessment import FailedPost
from crisislens.runs.sinks import SINKS, FileSink, InMemory, JsonLines, Record, line_of_failed, pour

BAD = FailedPost(row=2, id="x", reason="bad")


def records(read: list[str]) -> "Iterator[Record[dict[str, str]]]":
    """Three records and a failed row; notes which lines were parsed."""

    def parse(line: str) -> dict[str, str]:
        read.append(line)
        found: dict[str, str] = json.loads(line)
        return found

    for i in range(3):
        yield Record(json.dumps({"id": str(i)}), parse)
    yield Record.of_failed(BAD)


class Ids(FileSink[dict[str, str]]):
    """The ids, but not of every record."""

    def add(self, record: Record[dict[str, str]]) -> None:
        if record.value["id"] == "1":
            raise ValueError("not this one")
        self.write(record.value["id"] + "\n")


def test_all_are_filled_in_one_pass(tmp_path: Path) -> None:
    read: list[str] = []
    lines, failed = JsonLines(tmp_path / "a.jsonl"), JsonLines(tmp_path / "f.jsonl", failed=True)
    memory: InMemory[dict[str, str]] = InMemory()
    lost = pour(records(read), [lines, failed, Ids(tmp_path / "ids.txt"), memory])
    assert lost == {"ids.txt": 1}
    assert (tmp_path / "a.jsonl").read_text() == '{"id": "0"}\n{"id": "1"}\n{"id": "2"}\n'
    assert FailedPost.model_validate_json((tmp_path / "f.jsonl").read_text()) == BAD
    assert (tmp_path / "ids.txt").read_text() == "0\n2\n"
    assert (len(memory.records), memory.failures) == (3, [BAD])
    assert len(read) == 3, "a line is parsed once, for all sinks that ask"


def test_lines_alone_parse_nothing(tmp_path: Path) -> None:
    read: list[str] = []
    pour(records(read), [JsonLines(tmp_path / "a.jsonl")])
    assert read == []


def test_nothing_takes_its_place_where_one_sink_cannot_go_on(tmp_path: Path) -> None:
    class Refusing(Ids):
        def add(self, record: Record[dict[str, str]]) -> None:
            raise DataError("another run's record")

    (tmp_path / "a.jsonl").write_text("old")
    with pytest.raises(DataError):
        pour(records([]), [JsonLines(tmp_path / "a.jsonl"), Refusing(tmp_path / "ids.txt")])
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]
    assert (tmp_path / "a.jsonl").read_text() == "old"


def test_half_characters_in_a_reason_can_be_written() -> None:
    failed = FailedPost.model_construct(row=1, id="\ud800", reason="\udfff no")
    assert json.loads(line_of_failed(failed)) == {"row": 1, "id": "?", "reason": "? no"}


def test_the_registry_names_what_it_has() -> None:
    import crisislens.report.situation  # noqa: F401 - registers the sinks

    assert list(SINKS) == ["csv", "parquet", "geojson"]
    with pytest.raises(NotRegisteredError, match="did you mean 'csv'"):
        SINKS["cvs"]
