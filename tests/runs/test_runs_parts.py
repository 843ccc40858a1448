"""Parts of a run: files that take their place, executors, marks of pictures, folders, lines, sinks."""

import errno
import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crisislens.core.errors import RunError
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post
from crisislens.runs.executor import Executor, Here, Threads
from crisislens.runs.files import part_of, take_place, writing
from crisislens.runs.ledger import Ledger, Lines, Through
from crisislens.runs.pictures import picture_marks
from crisislens.runs.record import Record
from crisislens.runs.sinks import Feed, FileSink, InMemory, JsonLines, Sink
from crisislens.runs.step import Chunk, failed_post
from crisislens.runs.work import MARKER, WorkFolder

BAD = FailedPost(row=1, id="b", reason="bad")


def test_a_part_takes_the_place_of_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    part = part_of(path)
    assert (part.parent, part.name) == (tmp_path, ".a.jsonl.part")
    path.write_text("old")
    part.write_text("new")
    take_place(part, path)
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]
    with pytest.raises(FileNotFoundError):
        take_place(part, path)
    assert path.read_text() == "new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence(number: int, tmp_path: Path) -> None:
    with (
        pytest.raises(RunError, match=r"is full .*; what is finished is kept: make room and start the same"),
        writing(tmp_path),
    ):
        raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), OSError("odd"), ValueError("x")])
def test_other_faults_are_not_the_disks(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(type(error)), writing(tmp_path):
        raise error


EXECUTORS: list[Executor] = [Here(), Threads(1), Threads(3), Threads(2, ahead=1), Threads(3, ahead=50)]


@pytest.mark.parametrize("executor", EXECUTORS, ids=["here", "1", "3", "1 ahead", "50 ahead"])
def test_results_come_in_the_order_of_the_jobs(executor: Executor) -> None:
    later = threading.Event()

    def work(job: int) -> int:
        # the first job ends last where there are several threads
        if job == 0 and isinstance(executor, Threads) and executor.workers != 1 and executor.ahead != 1:
            later.wait(5)
        if job == 2:
            later.set()
        return job * job

    assert [*executor.ordered(range(9), work)] == [(i, i * i) for i in range(9)]
    assert [*executor.ordered([], work)] == []


@pytest.mark.parametrize("executor", EXECUTORS, ids=["here", "1", "3", "1 ahead", "50 ahead"])
def test_a_job_that_fails_ends_the_run_with_its_own_error(executor: Executor) -> None:
    def work(job: int) -> int:
        return 1 // (job - 3)

    done = executor.ordered(range(9), work)
    assert [job for job, _ in itertools.islice(done, 3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(done)


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 30))
def test_reading_never_runs_far_ahead(workers: int, ahead: int, jobs: int) -> None:
    read = 0

    def source() -> Iterator[int]:
        nonlocal read
        for i in range(jobs):
            read += 1
            yield i

    done = 0
    for _ in Threads(workers, ahead=ahead).ordered(source(), lambda job: job):
        done += 1
        assert read - done <= ahead
    assert done == jobs


def test_threads_are_set_for_the_time_of_the_run() -> None:
    seen: list[str] = []

    @contextmanager
    def each() -> Iterator[int]:
        seen.append("in")
        yield 2
        seen.append("out")

    executor = Threads(each=each)
    assert [*executor.ordered([1, 2, 3], lambda job: seen.append("job"))]
    assert (seen[0], seen[-1], seen.count("job")) == ("in", "out", 3)


def test_the_marks_of_a_chunks_pictures(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    names = ["a.png", "a.png", "absent.png", "../a.png", "https://x/a.png", "folder.png"]
    rows = [Post(id=str(i), image=ImageRef(path=name)) for i, name in enumerate(names)]
    chunk = Chunk(0, 0, (*rows, Post(id="t", text="x"), BAD))
    marks = picture_marks(chunk, tmp_path)
    stat = (tmp_path / "a.png").stat()
    assert marks == [
        ["a.png", stat.st_size, stat.st_mtime_ns],
        ["absent.png", "missing"],
        ["../a.png", "outside"],
        ["https://x/a.png", "url"],
        ["folder.png", "not_a_file"],
    ]
    assert picture_marks(chunk, None) == []
    os.utime(tmp_path / "a.png", ns=(0, 1))
    assert picture_marks(chunk, tmp_path) != marks


def test_a_reason_is_short_and_can_be_written() -> None:
    failed = failed_post(3, "x", "could not be read", ValueError("\ud800 " + "long " * 1_000))
    assert failed.reason.startswith("could not be read: ValueError: ? long")
    assert len(failed.reason) <= 300
    assert FailedPost.model_validate_json(failed.model_dump_json()) == failed


def test_posts_of_a_chunk_are_its_rows_without_the_failed_ones() -> None:
    a, c = Post(id="a"), Post(id="c")
    assert Chunk(0, 0, (a, BAD, c)).posts == [a, c]


def test_a_work_folder_from_nothing_to_nothing(tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "deep" / "work")
    assert (folder.ours, folder.taken) == (False, False)
    folder.clear()
    folder.make()
    assert (folder.ours, folder.taken) == (True, True)
    run = folder.path / "0123456789abcdef"
    run.mkdir()
    (run / "000000.jsonl").write_text("x")
    folder.make()
    assert run.is_dir(), "making it again loses nothing"
    folder.clear()
    assert not folder.path.exists()


@pytest.mark.parametrize("name", ["0123456789abcde", "0123456789abcdefg", "0123456789ABCDEF", "notes"])
def test_what_is_not_named_by_a_fingerprint_stays(name: str, tmp_path: Path) -> None:
    folder = WorkFolder(tmp_path / "work")
    folder.make()
    (folder.path / name).mkdir()
    folder.clear()
    assert [path.name for path in folder.path.iterdir()] == [name]
    assert not folder.ours


def test_somebodys_folder_is_taken_and_never_cleared(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "0123456789abcdef").mkdir()
    folder = WorkFolder(tmp_path / "run")
    assert (folder.ours, folder.taken) == (False, True)
    folder.clear()
    assert (tmp_path / "run" / "0123456789abcdef").is_dir()
    (tmp_path / "file").write_text("x")
    assert WorkFolder(tmp_path / "file").taken
    (tmp_path / "empty").mkdir()
    assert not WorkFolder(tmp_path / "empty").taken
    (tmp_path / "empty" / MARKER).mkdir()
    assert not WorkFolder(tmp_path / "empty").ours, "a folder of that name is no mark"


def test_a_record_is_parsed_when_it_is_asked_for() -> None:
    read: list[str] = []
    record = Record("7", lambda line: read.append(line) or int(line))
    assert read == []
    assert (record.value, record.value, read) == (7, 7, ["7"])
    assert Record.of(7, "seven").value == 7
    failed = Record.of_failed(BAD)
    assert (failed.failed, failed.failure) == (True, BAD)
    with pytest.raises(ValueError, match="ask for its failure"):
        _ = failed.value


class Breaking(InMemory[int]):
    """Cannot take even numbers, and no failed row at all."""

    name = "odd ones"

    def add(self, record: Record[int]) -> None:
        if record.value % 2 == 0:
            raise KeyError(record.value)
        super().add(record)

    def fail(self, record: Record[int]) -> None:
        raise KeyError("failed")


def test_what_a_sink_cannot_take_is_counted_there() -> None:
    odd, every = Breaking(), InMemory[int]()
    feed = Feed([odd, every])
    for i in range(5):
        feed.add(Record.of(i, str(i)))
    feed.add(Record.of_failed(BAD))
    assert feed.commit() == {"odd ones": 4}
    assert (odd.records, every.records, every.failures) == ([1, 3], [0, 1, 2, 3, 4], [BAD])
    feed.discard()
    assert (odd.records, every.records, every.failures) == ([], [], [])


class Broken(FileSink[int]):
    """A sink whose end cannot be written."""

    def add(self, record: Record[int]) -> None:
        self.write(record.line)

    def finish(self) -> None:
        raise RunError("full")


def test_a_discarded_file_leaves_nothing_and_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    sink = Broken(path)
    path.write_text("old")
    sink.add(Record.of(1, "new"))
    with pytest.raises(RunError):
        sink.commit()
    sink.discard()
    sink.discard()
    assert path.read_text() == "old"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    with pytest.raises(AssertionError, match=r"a\.txt is closed"):
        sink.write("more")


def test_what_is_a_sink_or_a_ledger_is_told_by_its_methods(tmp_path: Path) -> None:
    assert isinstance(InMemory(), Sink)
    lines: JsonLines[int] = JsonLines(tmp_path / "a.jsonl")
    assert isinstance(lines, Sink)
    lines.discard()
    assert not isinstance(object(), Sink)
    assert isinstance(Through(Feed([]), line=str, where=""), Ledger)
    assert isinstance(Threads(), Executor)


def lines_at(path: Path, key: str = "0" * 16) -> "Lines[dict[str, object]]":
    return Lines(
        path, key, record=lambda r: {"row": r.row} if isinstance(r, FailedPost) else r, seen=lambda _: None
    )


def test_parts_of_other_runs_go_and_files_of_others_stay(tmp_path: Path) -> None:
    keep = [".a.jsonl.part", ".b.jsonl." + "1" * 16 + ".part", ".a.jsonl.backup.part", "a.jsonl"]
    for name in (*keep, ".a.jsonl." + "1" * 16 + ".part"):
        (tmp_path / name).write_text("x")
    ledger = lines_at(tmp_path / "a.jsonl")
    assert ledger.start() == 0
    ledger.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*keep, ".a.jsonl." + "0" * 16 + ".part"])


@pytest.mark.parametrize(
    ("kept", "rows"),
    [
        (b"", 0),
        (b'{"row": 0}\n', 1),
        (b'{"row": 0}\n{"row": 1}', 1),
        (b'{"row": 0}\nnot json\n{"row": 2}\n', 1),
        (b"\xff\n", 0),
    ],
)
def test_lines_go_on_behind_what_can_be_trusted(kept: bytes, rows: int, tmp_path: Path) -> None:
    ledger = lines_at(tmp_path / "a.jsonl")
    ledger.part.write_bytes(kept)
    assert ledger.start() == rows
    chunk = Chunk(0, rows, (Post(id="x"),))
    assert not ledger.holds(chunk)
    ledger.enter(chunk, ledger.pack(chunk, [{"said": "half \ud800"}]))
    ledger.finish()
    written = (tmp_path / "a.jsonl").read_bytes()
    assert written.startswith(kept[: written.index(b'{"said"')])
    assert written.endswith(b'{"said": "half \\ud800"}\n')
    assert written.count(b"\n") == rows + 1


def test_a_line_that_cannot_be_written_costs_its_row(tmp_path: Path) -> None:
    ledger = lines_at(tmp_path / "a.jsonl")
    chunk = Chunk(2, 40, (Post(id="x"), Post(id="y")))
    text, objects = ledger.pack(chunk, [{"said": object()}, {"said": "fine"}])
    assert objects == [{"row": 40}, {"said": "fine"}]
    assert text == b'{"row": 40}\n{"said": "fine"}\n'


def test_through_passes_records_and_keeps_nothing() -> None:
    memory: InMemory[int] = InMemory()

    def line(value: int) -> str:
        if value == 2:
            raise ValueError("not two")
        return str(value)

    ledger = Through(Feed([memory]), line=line, where="the store has it")
    chunk = Chunk(0, 10, (Post(id="a"), Post(id="b"), Post(id="c")))
    assert (ledger.start(), ledger.holds(chunk), ledger.kept()) == (0, False, "the store has it")
    ledger.enter(chunk, ledger.pack(chunk, [1, 2, BAD]))
    assert memory.records == [1]
    assert [failure.row for failure in memory.failures] == [11, 1]
    assert memory.failures[0].reason == "could not be written: ValueError: not two"
    ledger.enter(chunk, None)
    assert memory.records == [1]
