"""`crisislens knowledge`: what an encyclopedia says of the names in posts."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.apart import check_out, keep_apart
from crisislens.cli.console import progress, refuse_empty, say, say_error, stoppable, total_rows
from crisislens.cli.options import EncodingOption, MapOption, PostsArgument
from crisislens.cli.reading import open_posts, say_notes
from crisislens.core.files import sole_writer

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("knowledge")(knowledge)


def knowledge(
    posts: PostsArgument,
    backend: Annotated[str, typer.Option(help="wikipedia, or table (offline).")],
    out: Annotated[Path, typer.Option(help="Where the summaries go, one JSON object a post.")] = Path(
        "knowledge.jsonl"
    ),
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for the backend, as in table=pages.jsonl; may be given again."),
    ] = None,
    column: MapOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Look up the names in posts; what was answered once is kept and not asked again."""
    import crisislens.knowledge  # noqa: F401 - registers the sources
    from crisislens.cli.caption import options_of
    from crisislens.knowledge.base import KnowledgeSpec, load_source
    from crisislens.knowledge.run import run_knowledge
    from crisislens.runs.sinks import JsonLines

    options = options_of(option or [])
    check_out(out)
    keep_apart(
        out,
        {"posts": posts, "the backend's table": options.get("table"), "the store": options.get("store")},
    )
    source = load_source(KnowledgeSpec(name=backend, options=options))
    rows = open_posts(posts, column, encoding=encoding)
    total = total_rows(rows)
    kept = f"what {source.name} answered is kept"
    with (
        stoppable(kept),
        sole_writer(out.parent, lock=f".{out.name}.lock"),
        progress("looking up", total) as advance,
    ):
        run = run_knowledge(rows, source, [JsonLines(out)], progress=advance, total=total)
    if run.failed:
        say_error(
            f"{run.failed} rows could not be read and have no knowledge; `crisislens analyze` names them"
        )
    asked = f"; {run.unanswered} could not be asked" if run.unanswered else ""
    say(f"{run.found} of {run.posts} posts name something that {source.name} knows{asked}")
    say_notes(rows)
    say(f"knowledge  {out}")
    hopeless = run.failed + run.unanswered
    others = run.posts - run.unanswered
    refuse_empty(others, hopeless, what="looked up", where=f"{out} says why of each that could be read")
