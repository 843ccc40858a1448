"""`crisislens worker`: assesses what waits in a store of PostgreSQL, on any machine that reaches it."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import end_stopped, say
from crisislens.core.errors import InputError
from crisislens.pipeline.default import DEFAULT_BUNDLE

__all__ = ["add_to"]

_TOLD_S = 60.0


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("worker")(worker)


def worker(
    db: Annotated[str, typer.Option(help="The store: postgresql://….")],
    blobs: Annotated[Path, typer.Option(help="Folder of the photos, the same one that `serve` has.")],
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes, one core each.")] = 1,
    model: Annotated[list[str] | None, typer.Option(help="As for analyze, and with its default.")] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(help="A model for texts that the others cannot read."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave out an annotation; may be given again.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=512, help="Posts that are assessed together.")] = 256,
    renew: Annotated[
        bool,
        typer.Option("--renew/--no-renew", help="Assess old posts anew where another model answered them."),
    ] = True,
) -> None:
    """Assess what waits in a store, until it is stopped; any number of workers may share one."""
    from crisislens.assess import AnalystSpec, AssessPool
    from crisislens.store import open_store

    if "://" not in db or db.startswith("sqlite"):
        raise InputError(
            "a store of SQLite has one writing process, and crisislens serve is it: give serve --assess N, "
            "or use PostgreSQL"
        )
    spec = AnalystSpec(
        tuple(model or (DEFAULT_BUNDLE,)), tuple(fallback or ()), leave_out=tuple(without or ())
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with open_store(db, blobs=blobs, upgrade=False) as store:
        pool = AssessPool(store, spec, processes=processes, batch_posts=batch, renew=renew)
        pool.start()
        say(f"assessing with {processes} processes; Ctrl+C ends it, and nothing is lost")
        before = 0
        while not stopped.wait(_TOLD_S):
            state = pool.state()
            if state.assessed != before or state.problems:
                said = f"; {state.problems[-1]}" if state.problems else ""
                say(f"{state.assessed} posts assessed, {state.failed} failed{said}")
            before = state.assessed
        pool.stop()
        state = pool.state()
    say(f"stopped; {state.assessed} posts assessed, {state.failed} failed; what waits stays in the queue")
    end_stopped(0)
