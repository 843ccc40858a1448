"""What the commands print: results on standard output, progress and errors on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

__all__ = ["progress", "say", "say_error", "say_progress", "table"]


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
    """Prints a table that a terminal shows well and that stays whole in a pipe; `words` where its cells are
    text, not numbers.
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
def progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on standard error; yields `advance(done, total)`, with total None where it is unknown.
    Silent where nobody watches.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
