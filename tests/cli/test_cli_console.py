"""What commands print, how long jobs are counted, and how a command is stopped."""

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from crisislens.cli import console, main, train, train_extractor
from crisislens.cli.console import (
    progress,
    refuse_empty,
    say_error,
    say_lost,
    stoppable,
    table,
    total_rows,
)
from crisislens.core import run_files
from crisislens.core.errors import RunError, StoppedError, TerminatedError


class Terminal:
    """A standard error that somebody watches."""

    def __init__(self, *, watched: bool) -> None:
        self.watched = watched

    def isatty(self) -> bool:
        return self.watched

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


def rows() -> Iterator[int]:
    yield from range(7)


@pytest.mark.parametrize("text", ["one\ntwo", "one \t two", "\n one two \r\n", "one two"])
def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    say_error(text)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "error: one two\n")


@given(st.text())
def test_no_error_is_more_than_one_line(text: str) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.typer, "secho", lambda line, **_: said.append(line))
        say_error(text)
    assert len(said) == 1
    assert "\n" not in said[0]
    assert "".join(said[0].removeprefix("error:").split()) == "".join(text.split())


def test_a_table_stays_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    long = "w" * 300
    table("named [most] often", ["name", "posts"], [["[bold]Ponce[/bold]", "3"], [long, "1"]])
    said = capsys.readouterr().out
    assert said.split("\n")[0].rstrip() == "named [most] often"
    # brackets are what a post says, not markup
    assert "[bold]Ponce[/bold]" in said
    assert said.count("w") == 300, "what does not fit goes on in the next line"
    assert max(map(len, said.splitlines())) <= 140


def test_numbers_stand_right_and_words_left(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [["a", "1"], ["b", "1000"]]
    table("t", ["name", "count"], cells)
    numbers = capsys.readouterr().out
    table("t", ["name", "count"], cells, words=True)
    words = capsys.readouterr().out
    assert any(line.rstrip(" │").endswith("    1") for line in numbers.splitlines())
    assert any("│ 1     │" in line for line in words.splitlines())


@pytest.mark.parametrize(
    ("watched", "source", "expected"),
    [(False, [1, 2, 3], 3), (True, [1, 2, 3], 3), (False, rows(), None), (True, rows(), 7)],
)
def test_rows_are_counted_where_that_is_free_or_somebody_watches(
    monkeypatch: pytest.MonkeyPatch, watched: bool, source: list[int], expected: int | None
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal(watched=watched))
    assert total_rows(source) == expected


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("analyzing", 10) as advance:
        advance(1, None)
        advance(10, 12)
    assert capsys.readouterr() == ("", "")


def test_what_files_could_not_hold_is_said_by_file(capsys: pytest.CaptureFixture[str]) -> None:
    say_lost({"map.geojson": 2, "all.parquet": 1})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "2 records could not be written to map.geojson; assessments.jsonl holds them" in lines[0]
    say_lost({})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("done", "failed"), [(0, 0), (3, 0), (1, 99)])
def test_a_run_with_a_result_ends_well(done: int, failed: int) -> None:
    refuse_empty(done, failed, what="assessed", where="failed.jsonl says why")


def test_a_run_without_any_result_does_not() -> None:
    with pytest.raises(RunError, match="none of the 4 rows could be read; look there") as caught:
        refuse_empty(0, 4, what="read", where="look there")
    assert caught.value.exit_code == 7


def test_ctrl_c_is_one_sentence_with_what_the_run_kept() -> None:
    told = "stopped; what was finished is kept; start the same"
    with pytest.raises(StoppedError, match=told) as caught, stoppable("what was finished is kept"):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130

    def stopped_in_a_run() -> None:
        stop = KeyboardInterrupt()
        stop.add_note("512 rows are kept in out")
        raise stop

    told = "stopped; 512 rows are kept in out; start"
    with pytest.raises(StoppedError, match=told), stoppable("nothing of this is said"):
        stopped_in_a_run()


def test_sigterm_is_told_from_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TerminatedError) as caught, stoppable("kept"):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before, "and is left as it was"


def test_an_exit_that_was_meant_passes() -> None:
    with pytest.raises(SystemExit) as caught, stoppable("kept"):
        sys.exit(2)
    assert caught.value.code == 2
    # the one that typer makes of an interrupt
    with pytest.raises(StoppedError), stoppable("kept"):
        sys.exit(130)


def test_a_thread_may_be_stoppable_too() -> None:
    found: list[BaseException] = []

    def work() -> None:
        try:
            # only the main thread may set a handler
            with stoppable("kept"):
                raise KeyboardInterrupt
        except StoppedError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(10)
    assert [type(error) for error in found] == [StoppedError]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_every_command_says_that_it_was_stopped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int
) -> None:
    """Also one that does not take the signal for itself: typer hands it back as a mere code."""
    small = typer.Typer()
    small.command()(lambda: signal.raise_signal(number))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    ended: list[int] = []
    monkeypatch.setattr(main, "app", small)
    monkeypatch.setattr(main, "end_stopped", ended.append)
    monkeypatch.setattr(sys, "argv", ["crisislens"])
    try:
        main.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended == [code]
    [line] = capsys.readouterr().err.splitlines()
    # whether anything goes on from there, only a command itself knows
    assert line == "error: stopped; what was finished before is kept; start the same command again"


@pytest.mark.parametrize(
    ("overwrite", "how"),
    [(False, "with --resume goes"), (True, "with --resume and without --overwrite goes")],
)
def test_a_stopped_training_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, overwrite: bool, how: str
) -> None:
    def interrupted(_run: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_files, "find_run_file", interrupted)
    with pytest.raises(StoppedError, match=f"finished epochs are kept in runs; the same command {how} on"):
        train.train(Path("own"), out=Path("runs"), overwrite=overwrite)


@pytest.mark.parametrize(
    ("called", "given", "kept"),
    [
        (
            "crisislens.training.extraction.run.run_extraction",
            ["train-extractor", "extraction/own_posts"],
            "finished epochs are kept in runs",
        ),
        (
            "crisislens.training.extraction.mie.run_mie",
            ["bench", "run", "mie", "nowhere"],
            "finished epochs are kept in runs/mie",
        ),
        (
            "crisislens.bench.run.run_grid",
            ["bench", "run", "table2", "--jobs", "1"],
            "finished runs are kept in runs/bench/table2",
        ),
        (
            "crisislens.bench.study.run_study",
            ["bench", "run", "paper", "nowhere"],
            "finished trials are kept in runs/bench/paper",
        ),
    ],
    ids=["train-extractor", "mie", "table2", "study"],
)
def test_what_goes_on_where_it_was_says_so_when_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, given: list[str], kept: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    posts = SimpleNamespace(described=lambda _: "some")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crisislens.training.extraction.splits.load_splits", lambda *_, **__: posts)
    monkeypatch.setattr(train_extractor, "_tell_traps", lambda _: None)
    monkeypatch.setattr(called, interrupted)
    with pytest.raises(StoppedError) as stopped:
        main.app(given, standalone_mode=False)
    assert str(stopped.value) == f"stopped; {kept}; start the same command again to go on from there"


def test_a_stopped_training_of_rationales_promises_no_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_train_rationales", interrupted)
    with pytest.raises(StoppedError, match="finished seeds are kept in runs; the same command"):
        train.train(Path("configs/rationales/nepal.yaml"), out=Path("runs"))
