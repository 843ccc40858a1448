"""`crisislens features`: encode posts once, to train on them often."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import progress, refuse_empty, say, say_error, stoppable
from crisislens.cli.engines import (
    EngineOption,
    GpusOption,
    ProcessesOption,
    RayAddressOption,
    chosen_engine,
    hosts,
)
from crisislens.cli.options import EncodingOption, ImagesOption, MapOption, PostsArgument
from crisislens.cli.reading import open_posts, photo_folder, say_notes

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("features")(features)


def features(
    posts: PostsArgument,
    out: Annotated[
        Path,
        typer.Option(help="Root of the caches; each has a folder of its own, named by its fingerprint."),
    ],
    images: ImagesOption = None,
    encoder: Annotated[
        str,
        typer.Option(help="Name of an encoder, see `models list`; clip also takes --checkpoint."),
    ] = "compact",
    checkpoint: Annotated[
        str | None, typer.Option(help="For clip: hub name or local folder of the checkpoint.")
    ] = None,
    column: MapOption = None,
    encoding: EncodingOption = None,
    engine: EngineOption = "local",
    processes: ProcessesOption = None,
    ray_address: RayAddressOption = None,
    gpus: GpusOption = 0.0,
) -> None:
    """Encode posts into a memory-mapped cache; an interrupted run goes on, a changed encoder or
    text rule starts another cache.
    """
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.data.images import ImageLimits
    from crisislens.data.text import CleaningRules
    from crisislens.domain.post import Post
    from crisislens.encoders.base import EncoderSpec, load_encoders
    from crisislens.features.encode import PostEncoder
    from crisislens.features.extract import EncodeRecipe, extract
    from crisislens.nn.device import set_threads

    where = chosen_engine(engine, processes, ray_address, gpus)
    set_threads()
    root = photo_folder(images, posts)
    source = open_posts(posts, column, encoding=encoding)
    # before the posts are read: a file that changes meanwhile must not name the cache of what was
    # read
    of_source = source.fingerprint()
    rows = list(source)
    # the cache has a row a post; a broken row has nothing to encode
    good = [row for row in rows if isinstance(row, Post)]
    spec = EncoderSpec(name=encoder, options={"checkpoint": checkpoint} if checkpoint else {})
    maker = PostEncoder(load_encoders(spec), rules=CleaningRules(), limits=ImageLimits(), image_root=root)

    def recipe() -> EncodeRecipe:
        return EncodeRecipe(
            spec,
            maker.rules,
            maker.limits,
            root,
            maker.fingerprint(),
            where.device,
            keep_tokens=maker.keep_tokens,
        )

    with (
        stoppable(f"what was finished is kept in {out}"),
        hosts(where, recipe) as held,
        progress("encoding", len(good)) as advance,
    ):
        cache = extract(good, maker, out, source_fingerprint=of_source, progress=advance, hosts=held)
    unread = len(rows) - len(good)
    if unread:
        say_error(
            f"{unread} rows could not be read and are not in the cache; `crisislens analyze` names them"
        )
    broken = sum(map(_failed, cache.notes))
    if broken:
        say_error(f"{broken} posts could not be encoded and have no features; the cache's notes say why")
    say_notes(source, of_several="the first of each is encoded")
    say(f"{len(cache)} posts in {out / cache.fingerprint}")
    reasons = "`crisislens analyze` names the rows that could not be read"
    refuse_empty(len(cache) - broken, unread + broken, what="encoded", where=reasons)


def _failed(notes: Sequence[str]) -> bool:
    """Whether the notes of a post in the cache say that it could not be encoded."""
    from crisislens.features.extract import EncodeStep

    return any(note.startswith(EncodeStep.failure) for note in notes)
