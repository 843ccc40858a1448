"""`crisislens annotate`: a local page on which people mark evidence."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say
from crisislens.core.errors import InputError

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
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
) -> None:
    """Mark the evidence (words and parts of photos) on a local page; every change is saved, and train reads
    the file.
    """
    from crisislens.annotate.server import AnnotationServer
    from crisislens.annotate.store import AnnotationStore
    from crisislens.data.tabular import read_posts
    from crisislens.domain.post import Post
    from crisislens.domain.tasks import MARKED

    rows = [row for row in read_posts(posts) if isinstance(row, Post)]
    labels = label if label is not None else list(MARKED.classes)
    store = AnnotationStore(out, rows, labels=labels, annotator=annotator)
    try:
        server = AnnotationServer(store, image_root=images or posts.resolve().parent, port=port)
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); give another --port") from error
    say(f"page         {server.url}")
    say(f"annotations  {out}")
    say("Ctrl+C ends it; everything is saved already.")
    if open_:
        import webbrowser

        webbrowser.open(server.url)
    try:
        server.serve()
    except KeyboardInterrupt:
        say(f"{store.done()} of {len(rows)} posts done")
