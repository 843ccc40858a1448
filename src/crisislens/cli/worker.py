"""`crisislens worker`: assesses what waits in a store of PostgreSQL, on any machine that reaches it."""

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import end_stopped, say
from crisislens.core.errors import InputError
from crisislens.pipeline.default import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from crisislens.assess import AssessPool

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
    alerts: Annotated[
        bool,
        typer.Option("--alerts", help="Evaluate rules and send alerts too, where no other process does."),
    ] = False,
    address: Annotated[
        str, typer.Option(help="With --alerts: where people reach the service, for links in mail.")
    ] = "",
    allow_private: Annotated[
        list[str] | None, typer.Option(help="With --alerts: as for serve, whose hosts should be the same.")
    ] = None,
    smtp: Annotated[
        str | None,
        typer.Option(envvar="CRISISLENS_SMTP", help="With --alerts: as for serve; by CRISISLENS_SMTP."),
    ] = None,
    mail_from: Annotated[
        str, typer.Option(help="With --alerts: mailbox that mail is from.")
    ] = "crisislens@example.invalid",
) -> None:
    """Assess what waits in a store, until it is stopped; any number of workers may share one."""
    from crisislens.alerts.mail import MailServer
    from crisislens.alerts.postman import Ways
    from crisislens.alerts.runner import AlertRunner
    from crisislens.assess import AnalystSpec, AssessPool
    from crisislens.core.guarded_rules import Guard
    from crisislens.store import open_store

    if "://" not in db or db.startswith("sqlite"):
        raise InputError(
            "a store of SQLite has one writing process, and crisislens serve is it: give serve --assess N, "
            "or use PostgreSQL"
        )
    spec = AnalystSpec(
        tuple(model or (DEFAULT_BUNDLE,)), tuple(fallback or ()), leave_out=tuple(without or ())
    )
    mail = MailServer.read(smtp, mail_from) if smtp and alerts else None
    ways = Ways(Guard(allow_private=frozenset(allow_private or ())), mail, address.rstrip("/"))
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with open_store(db, blobs=blobs, upgrade=False) as store, ExitStack() as stack:
        pool = AssessPool(store, spec, processes=processes, batch_posts=batch, renew=renew)
        pool.start()
        # models that cannot be loaded end the command before anything is sent
        if alerts:
            runner = AlertRunner(store, ways)
            runner.start()
            stack.callback(runner.stop)
        say(f"assessing with {processes} processes; Ctrl+C ends it, and nothing is lost")
        _tell_until(stopped, pool)
        pool.stop()
        state = pool.state()
    say(f"stopped; {state.assessed} posts assessed, {state.failed} failed; what waits stays in the queue")
    end_stopped(0)


def _tell_until(stopped: threading.Event, pool: "AssessPool") -> None:
    """Says once a minute what was done, and what went wrong."""
    before = 0
    while not stopped.wait(_TOLD_S):
        state = pool.state()
        if state.assessed != before or state.problems:
            said = f"; {state.problems[-1]}" if state.problems else ""
            say(f"{state.assessed} posts assessed, {state.failed} failed{said}")
        before = state.assessed
