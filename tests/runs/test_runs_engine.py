"""The engine: order, chunks, resume, and rows in = rows out, whoever breaks."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from run_cases import Shout, line

from crisislens.core.errors import DataError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.chunk_files import ChunkFiles
from crisislens.runs.engine import RunCount, known_total, run_step
from crisislens.runs.executor import Here, Threads
from crisislens.runs.ledger import Lines, Through
from crisislens.runs.sinks import Feed, InMemory
from crisislens.runs.step import Chunk, answers

Row = Post | FailedPost


def chunk_files(place: Path) -> "ChunkFiles[dict[str, object]]":
    return ChunkFiles(place, line=line)


def said(ledger: "ChunkFiles[dict[str, object]]") -> list[str]:
    """What stands in the chunks: records by id, failed rows by number."""
    return [
        f"row {record.failure.row}" if record.failed else str(record.value["id"])
        for record in ledger.records(json.loads)
    ]


def test_one_post_costs_itself_only_and_rows_keep_their_order(
    step: Shout, rows: list[Row], place: Path
) -> None:
    ledger = chunk_files(place)
    count = run_step(rows, step, ledger, executor=Here(), chunk_posts=3)
    assert count == RunCount(rows=8, resumed=0)
    assert said(ledger) == ["0", "row 1", "2", "row 3", "3", "row 5", "5", "6"]
    assert (ledger.good, ledger.failed) == (5, 3)
    reasons = [record.failure.reason for record in ledger.records(json.loads) if record.failed]
    assert reasons[0] == "could not be shouted: RuntimeError: boom"
    assert reasons[1] == "the line is not JSON"
    assert reasons[2].startswith("could not be written: TypeError: ")
    # the chunk as a whole, then each of its posts; the other chunks once
    assert step.asked == [3, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("fault", [MemoryError(), OSError(5, "I/O"), DataError("gone")])
def test_a_fault_of_the_machine_is_no_posts_fault(fault: Exception, step: Shout, rows: list[Row]) -> None:
    def broken(_posts: object) -> list[dict[str, object]]:
        raise fault

    step.map = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(type(fault)):
        answers(step, Chunk(0, 0, tuple(rows)))


def test_a_step_that_forgets_a_post_is_asked_for_each(step: Shout) -> None:
    map_all = step.map
    step.map = lambda posts: map_all(posts)[:1]  # type: ignore[method-assign]
    found = answers(step, Chunk(0, 0, (Post(id="a", text="x"), Post(id="b", text="y"))))
    assert found == [{"id": "a", "said": "X"}, {"id": "b", "said": "Y"}]


TEXTS = st.sampled_from(["flood", "poison", "unwritable", "\u2028", "\u0000", ""])
ROWS = st.lists(st.one_of(TEXTS, st.none()), max_size=20)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.integers(1, 7), st.integers(1, 3))
def test_rows_in_are_records_plus_failed_rows(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], size: int, workers: int
) -> None:
    rows: list[Row] = [
        FailedPost(row=i, reason="bad") if text is None else Post(id=str(i), text=text)
        for i, text in enumerate(texts)
    ]
    ledger = chunk_files(tmp_path_factory.mktemp("run"))
    told: list[tuple[int, int | None]] = []
    count = run_step(
        rows,
        Shout(),
        ledger,
        executor=Threads(workers),
        chunk_posts=size,
        progress=lambda done, total: told.append((done, total)),
    )
    assert count.rows == len(rows) == ledger.good + ledger.failed
    names = [
        str(i) if text in ("flood", "\u2028", "\u0000", "") else f"row {i}" for i, text in enumerate(texts)
    ]
    assert said(ledger) == names
    assert [total for _, total in told] == [len(rows)] * len(told)
    assert not told or told[-1][0] == len(rows)


def test_a_total_is_told_where_the_source_knows_it() -> None:
    assert known_total([1, 2]) == 2
    assert known_total(iter([1, 2])) is None


@pytest.mark.parametrize("after", range(5))
def test_a_run_that_was_ended_anywhere_goes_on_and_redoes_nothing(
    after: int, rows: list[Row], place: Path, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, _total: int | None) -> None:
        if done > after * 2:
            raise Killed

    ledger = chunk_files(place)
    with contextlib.suppress(Killed):
        run_step(rows, Shout(), ledger, executor=Here(), chunk_posts=2, progress=kill)
    again = chunk_files(place)
    count = run_step(rows, Shout(), again, executor=Threads(2), chunk_posts=2)
    assert count.resumed == min(8, 2 * after + 2)
    whole = chunk_files(tmp_path / "whole")
    run_step(rows, Shout(), whole, executor=Here(), chunk_posts=2)
    assert [r.line for r in again.records(json.loads)] == [r.line for r in whole.records(json.loads)]


def test_reading_stays_a_few_chunks_ahead(step: Shout) -> None:
    read = 0

    def source() -> Iterator[Post]:
        nonlocal read
        for i in range(40):
            read += 1
            yield Post(id=str(i), text="x")

    ahead: list[int] = []
    memory: InMemory[dict[str, object]] = InMemory()
    run_step(
        source(),
        step,
        Through(Feed([memory]), line=line, where=""),
        executor=Threads(2),
        chunk_posts=2,
        progress=lambda done, _: ahead.append(read - done),
    )
    assert len(memory.records) == 40
    assert max(ahead) <= 2 * 2


def test_an_interrupted_run_says_what_is_kept_and_waits_for_nobody(rows: list[Row], place: Path) -> None:
    go = threading.Event()

    class Slow(Shout):
        def map(self, posts: object) -> list[dict[str, object]]:
            go.wait(20)
            return super().map(posts)  # type: ignore[arg-type]

    class Stopping(Threads):
        """Ctrl+C arrives while the first chunk is awaited."""

    def source() -> Iterator[Row]:
        yield from rows[:4]
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as stop:
        run_step(source(), Slow(), chunk_files(place), executor=Stopping(2), chunk_posts=2)
    assert time.monotonic() - started < 5
    assert stop.value.__notes__ == [f"0 rows are done; they are kept in {place.parent}"]
    go.set()
    time.sleep(0.05)
    # a chunk that was in work when the run ended is not kept: nobody knows how its threads were set
    assert not list(place.glob("*.jsonl"))


def test_lines_go_on_behind_the_last_whole_one(rows: list[Row], tmp_path: Path) -> None:
    def lines(name: str, seen: list[object]) -> "Lines[dict[str, object]]":
        return Lines(
            tmp_path / name,
            "0" * 16,
            record=lambda r: {"failed": r.row} if isinstance(r, FailedPost) else r,
            seen=seen.append,
        )

    whole = lines("whole.jsonl", [])
    run_step(rows, Shout(), whole, executor=Here(), chunk_posts=8)
    whole.finish()
    expected = (tmp_path / "whole.jsonl").read_bytes()
    assert expected.count(b"\n") == len(rows)
    for cut in range(0, len(expected), 7):
        seen: list[object] = []
        part = lines("a.jsonl", seen)
        part.part.write_bytes(expected[:cut])
        count = run_step(rows, Shout(), part, executor=Threads(2), chunk_posts=3)
        part.finish()
        assert count == RunCount(rows=8, resumed=expected[:cut].count(b"\n"))
        assert (tmp_path / "a.jsonl").read_bytes() == expected
        assert seen == [json.loads(text) for text in expected.split(b"\n")[:-1]]
