"""`crisislens knowledge`: what an encyclopedia says of the names in posts."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import progress, say, say_error
from crisislens.cli.reading import ENCODING_HELP, MAP_HELP, POSTS_HELP, open_posts, say_notes

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("knowledge")(knowledge)


def knowledge(
    posts: Annotated[Path, typer.Argument(help=POSTS_HELP)],
    backend: Annotated[str, typer.Option(help="wikipedia, or table (offline).")],
    out: Annotated[Path, typer.Option(help="Where the summaries go, one JSON object a post.")] = Path(
        "knowledge.jsonl"
    ),
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for the backend, as in table=pages.jsonl; may be given again."),
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help=ENCODING_HELP)] = None,
) -> None:
    """Look up the names in posts; what was answered once is kept and not asked again."""
    import crisislens.knowledge  # noqa: F401 - registers the sources
    from crisislens.cli.caption import options_of
    from crisislens.domain.post import Post
    from crisislens.knowledge.base import KnowledgeSpec, load_source
    from crisislens.knowledge.run import know_posts, write_knowledge

    source = load_source(KnowledgeSpec(name=backend, options=options_of(option or [])))
    table = open_posts(posts, column, encoding=encoding)
    rows = list(table)
    good = [row for row in rows if isinstance(row, Post)]
    with progress("looking up") as advance:
        records = know_posts(good, source, progress=advance)
    write_knowledge(out, records)
    if len(rows) > len(good):
        say_error(
            f"{len(rows) - len(good)} rows could not be read and have no knowledge; `crisislens analyze` "
            f"names them"
        )
    say_notes(table)
    found = sum(bool(record.text) for record in records)
    failed = sum(record.reason is not None for record in records)
    say(
        f"{found} of {len(good)} posts name something that {source.name} "
        f"knows{f'; {failed} could not be asked' if failed else ''}"
    )
    say(f"knowledge  {out}")
