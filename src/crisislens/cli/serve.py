"""`crisislens serve`: the service, its processes, and the first way in."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import end_stopped, say
from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.store import Store

__all__ = ["add_to"]

_DATABASE = "crisislens-store/store.db"
_DEMO_DATABASE = "crisislens-demo/store.db"


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("serve")(serve)


def serve(
    db: Annotated[
        str | None,
        typer.Option(
            help="Where posts are kept: a file of SQLite, or postgresql://…. Default: "
            "crisislens-store/store.db."
        ),
    ] = None,
    blobs: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: beside the file of SQLite.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to serve at. Default: this computer only.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    public_name: Annotated[
        list[str] | None,
        typer.Option(help="A name that others reach it by, such as a proxy's; may be given again."),
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="A proxy in front speaks https: cookies are sent by https only.")
    ] = False,
    assess: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that assess; 0 where others do it.")
    ] = 1,
    model: Annotated[
        list[str] | None,
        typer.Option(help="As for analyze: a model that ships, a bundle, or trained runs."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill it with the made-up crisis, posts still arriving.")
    ] = False,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Log every request, not only those that failed.")
    ] = False,
) -> None:
    """Take posts in by HTTP, assess them, and show them on pages where people review them."""
    import crisislens.serve.server as server
    from crisislens.serve.app import create_app
    from crisislens.serve.service import ServeSettings
    from crisislens.store import open_store

    url = db or (_DEMO_DATABASE if demo else _DATABASE)
    if "://" not in url:
        Path(url).parent.mkdir(parents=True, exist_ok=True)
    names = tuple(public_name or ())
    if host not in ("127.0.0.1", "::1", "localhost") and not https:
        say("note      the pages are not encrypted; put a proxy with https in front, and give --https")
    settings = ServeSettings(host=host, names=names, secure=https, demo=demo)
    end_log = server.log_to_stderr(verbose=log_requests)
    with open_store(url, blobs=blobs) as store:
        running = server.ServiceServer(create_app(store, settings), host=host, port=port)
        pool = _pool(store, assess, model)
        feed = _feed(store) if demo else None
        try:
            say(f"page      {running.url}")
            say(f"store     {url}")
            _first_link(store, running.url)
            say("Ctrl+C ends it; every post that was accepted is kept.")
            ended_by = running.serve_until_stopped()
        finally:
            if feed is not None:
                feed.stop()
            if pool is not None:
                pool.stop()
    end_log()
    say("stopped; every post that was accepted is kept, and what waits goes on at the next start")
    if ended_by:
        end_stopped(128 + ended_by)
