"""Options that several commands share: one meaning and one help text each."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.reading import ENCODING_HELP, MAP_HELP, POSTS_HELP

__all__ = [
    "ContextsOption",
    "EncodingOption",
    "ImagesOption",
    "JsonOption",
    "MapOption",
    "PostsArgument",
    "ThreadsOption",
]

# more than machines have processors; torch takes no number beyond 32 bits
_MOST_THREADS = 1024
PostsArgument = Annotated[Path, typer.Argument(help=POSTS_HELP)]
ImagesOption = Annotated[
    Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
]
MapOption = Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP)]
EncodingOption = Annotated[str | None, typer.Option(help=ENCODING_HELP)]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, max=_MOST_THREADS, help="Processor threads. Default: all that are available."),
]
ContextsOption = Annotated[
    Path | None,
    typer.Option(
        help="What `crisislens caption` wrote of the posts' photos, for extractors trained with contexts."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
