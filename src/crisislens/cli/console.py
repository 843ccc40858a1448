"""What the commands print: results on standard output, progress and errors on standard error."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from types import FrameType

import typer

from crisislens.core.errors import RunError, StoppedError, TerminatedError

__all__ = [
    "end_stopped",
    "progress",
    "refuse_empty",
    "say",
    "say_error",
    "say_lost",
    "say_progress",
    "stoppable",
    "table",
    "total_rows",
]


def say(text: str) -> None:
    """Prints a line of result."""
    typer.echo(text)


def say_error(text: str) -> None:
    """Prints an error as one line."""
    typer.secho("error: " + " ".join(text.split()), err=True, fg="red")


def say_progress(text: str) -> None:
    """Prints a line on how far something is, on standard error."""
    typer.echo(text, err=True)


def table(title: str, columns: list[str], rows: list[list[str]], *, words: bool = False) -> None:
    """Prints a table that a terminal shows well and that stays whole in a pipe; `words` where its
    cells are text, not numbers.
    """
    from rich.console import Console
    from rich.table import Table

    grid = Table(title=title, title_justify="left")
    for i, name in enumerate(columns):
        grid.add_column(name, justify="left" if i == 0 or words else "right", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140, markup=False, highlight=False).print(grid)


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error with the time that is left, where the total is known; yields
    `advance(done, total)`. Silent where nobody watches.

    Arguments:
        label: What is done.
        total: All there is to do, for a bar that is there before the first step; None where it is
            unknown.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=total)

        def advance(done: int, of: int | None) -> None:
            bar.update(task, completed=done, total=total if of is None else of)

        yield advance


def total_rows(source: Iterable[object]) -> int | None:
    """How many rows a source has; counted, which takes a moment, only where somebody watches the
    bar.
    """
    if isinstance(source, Sized):
        return len(source)
    return sum(1 for _ in source) if sys.stderr.isatty() else None


def say_lost(lost: dict[str, int]) -> None:
    """Says how many records a file could not hold, by the file's name."""
    for name, count in lost.items():
        say_error(f"{count} records could not be written to {name}; assessments.jsonl holds them")


def refuse_empty(done: int, failed: int, *, what: str, where: str) -> None:
    """Ends a command with an error when every row failed: nobody is to take its output for a
    result.

    Arguments:
        done: Rows that came to something.
        failed: Rows that failed.
        what: What could not be done, as in `assessed`.
        where: Where the reasons stand.

    Raises:
        RunError: If none came to something.
    """
    if failed and not done:
        raise RunError(f"none of the {failed} rows could be {what}; {where}")


@contextmanager
def stoppable(
    kept: str, *, again: str = "start the same command again to go on from there"
) -> Iterator[None]:
    """Turns Ctrl+C and SIGTERM into one sentence and the exit codes 130 and 143.

    Arguments:
        kept: What holds before the run says itself what is kept.
        again: How to go on.

    Raises:
        StoppedError: If somebody stopped the command.
    """
    terminated = threading.Event()

    def terminate(_number: int, _frame: FrameType | None) -> None:
        terminated.set()
        raise KeyboardInterrupt

    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        # typer makes an exit of an interrupt that no command took for itself
        if isinstance(stop, SystemExit) and stop.code != StoppedError.exit_code:
            raise
        notes = "; ".join(getattr(stop, "__notes__", ())) or kept
        kind = TerminatedError if terminated.is_set() else StoppedError
        raise kind(f"stopped; {notes}; {again}") from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def end_stopped(code: int) -> None:
    """Ends the process now. Threads that are in the middle of a chunk are not waited for: as after
    a kill, what is finished is whole.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
