"""`crisislens extract`: posts in; who, what and where they name, and how these relate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.apart import check_out, keep_apart
from crisislens.cli.console import progress, refuse_empty, say, stoppable, table, total_rows
from crisislens.cli.engines import (
    EngineOption,
    ProcessesOption,
    RayAddressOption,
    chosen_engine,
    hosts,
)
from crisislens.cli.extractors import chosen_finder
from crisislens.cli.options import (
    ContextsOption,
    EncodingOption,
    MapOption,
    PostsArgument,
    ThreadsOption,
)
from crisislens.cli.reading import open_posts, say_notes

if TYPE_CHECKING:
    from crisislens.pipeline.extraction import ExtractionOutcome

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("extract")(extract)


def extract(
    posts: PostsArgument,
    out: Annotated[
        Path,
        typer.Option(help="The file that is written, one JSON object a post; a killed run is resumed."),
    ] = Path("entities.jsonl"),
    column: MapOption = None,
    encoding: EncodingOption = None,
    entities: Annotated[
        str, typer.Option(help="Name of an extractor of entities that ships, or the folder of one.")
    ] = "entities-compact",
    relations: Annotated[
        str | None,
        typer.Option(
            help="The same for relations; `none` leaves them out. Default: relations-compact, or those that "
            "--entities finds itself."
        ),
    ] = None,
    contexts: ContextsOption = None,
    all_relations: Annotated[
        bool,
        typer.Option(
            "--all-relations",
            help="Tell also the relations that are left out by default; most of those are wrong on crisis "
            "posts.",
        ),
    ] = False,
    any_language: Annotated[
        bool,
        typer.Option(
            "--any-language",
            help="Read posts in every language, not only in those that the extractors learned.",
        ),
    ] = False,
    threads: ThreadsOption = None,
    engine: EngineOption = "local",
    processes: ProcessesOption = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Find people, places, organizations and other names in posts, and how they relate."""
    from crisislens.core.threads import limit_threads

    limit_threads(threads)
    from crisislens.data.contexts import MOST_CHARACTERS
    from crisislens.data.sidecar import Sidecar
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.extraction import ExtractStep, extract_posts
    from crisislens.pipeline.recipes import ExtractRecipe, FinderRecipe

    where = chosen_engine(engine, processes, ray_address)
    set_threads(threads)
    check_out(out)
    keep_apart(out, {"posts": posts, "contexts": contexts})
    # after the paths are checked: opening may unpack a large file
    source = open_posts(posts, column, encoding=encoding)
    finder = chosen_finder(entities, relations, all_relations=all_relations, any_language=any_language)
    beside = Sidecar.read(contexts, max_characters=MOST_CHARACTERS) if contexts else None
    total = total_rows(source)

    def recipe() -> ExtractRecipe:
        wanted = FinderRecipe(entities, relations, all_relations, any_language)
        return ExtractRecipe(wanted, contexts, ExtractStep(finder, beside).fingerprint())

    with (
        stoppable(f"what was finished is kept beside {out}"),
        hosts(where, recipe) as held,
        progress("extracting", total) as advance,
    ):
        done = extract_posts(source, finder, out, contexts=beside, hosts=held, progress=advance, total=total)
    _say(done, finder.seeks_relations)
    say_notes(source)
    if beside is not None:
        say(f"contexts beside {done.with_context} posts")
    if done.frequent:
        rows = [[text, kind, str(count)] for (kind, text), count in done.frequent]
        table("named most often", ["name", "kind", "posts"], rows)
    say(f"entities  {out}")
    refuse_empty(done.posts + done.left_alone, done.failed, what="read", where=f"{out} says why of each")


def _say(done: "ExtractionOutcome", relations: bool) -> None:
    """How many posts were read, and what came of them."""
    resumed = f" ({done.resumed} rows taken over from an earlier start)" if done.resumed else ""
    alone = (
        f"{done.left_alone} left alone (without words, or in another language), " if done.left_alone else ""
    )
    say(
        f"{done.posts} posts read, {alone}{done.failed} rows failed{resumed}: {done.entities} "
        f"entities, {done.relations} relations"
    )
    if relations and done.relations_unread:
        say(
            f"relations were not looked for in {done.relations_unread} of them: their extractor "
            "does not know the language (--any-language)"
        )
    if done.cut:
        say(f"{done.cut} posts are longer than is read of them; read_to says where each ends")
