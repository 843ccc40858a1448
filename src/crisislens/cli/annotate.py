"""`crisislens annotate`: a local page on which people mark evidence."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import end_stopped, refuse_empty, say, say_error
from crisislens.cli.reading import photo_folder
from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.annotate.store import AnnotationStore

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("annotate")(annotate)


def annotate(
    posts: Annotated[Path, typer.Argument(help="Posts as .jsonl, .csv, .tsv or .parquet.")],
    out: Annotated[Path, typer.Option(help="The annotations; those that it holds are kept.")] = Path(
        "annotations.jsonl"
    ),
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="A label to choose from; may be given again. Default: the humanitarian categories.",
        ),
    ] = None,
    annotator: Annotated[str, typer.Option(help="Who annotates; written beside each annotation.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page. Default: a free one.")] = 0,
    host: Annotated[
        str,
        typer.Option(help="Address to serve at. Default: this computer only; the page is not encrypted."),
    ] = "127.0.0.1",
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Mark the evidence (words and parts of photos) on a local page; every change is saved, and
    train reads the file.
    """
    from crisislens.annotate.store import AnnotationStore, sole_annotator
    from crisislens.data.tabular import read_posts
    from crisislens.domain.post import Post
    from crisislens.domain.tasks import MARKED

    every = list(read_posts(posts))
    root = photo_folder(images, posts)
    rows = [row for row in every if isinstance(row, Post)]
    if unread := len(every) - len(rows):
        say_error(f"{unread} rows could not be read and cannot be marked; `crisislens analyze` names them")
    refuse_empty(len(rows), unread, what="read", where="`crisislens analyze` says why of each")
    labels = label if label is not None else list(MARKED.classes)
    # two pages that write one file would lose each other's marks
    with sole_annotator(out):
        store = AnnotationStore(out, rows, labels=labels, annotator=annotator)
        ended_by = _serve(store, root, host=host, port=port, open_page=open_)
    done = f"{store.done()} of {len(rows)} posts done"
    kept = f"{store.kept()} kept in {out}" if store.kept() else f"nothing marked, so nothing kept in {out}"
    say(f"{done}, {kept}; the same command goes on from there")
    if ended_by is not None:
        # as the shell counts it: 130 for Ctrl+C, 143 for SIGTERM
        # said already, so it must not be told once more on the way out
        end_stopped(128 + ended_by)


def _serve(
    store: "AnnotationStore", image_root: Path, *, host: str, port: int, open_page: bool
) -> int | None:
    """Serves the page until a signal arrives; returns its number."""
    from crisislens.annotate.server import AnnotationServer

    try:
        server = AnnotationServer(store, image_root=image_root, port=port, host=host)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"port {port} of {host} cannot be used ({reason}); give another --port or --host"
        ) from error
    say(f"page         {server.url}")
    say(f"annotations  {store.path}")
    say("Every change is saved at once; Ctrl+C ends it.")
    if open_page:
        import webbrowser

        webbrowser.open(server.url)
    return server.serve()
