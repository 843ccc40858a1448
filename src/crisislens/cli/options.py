"""Options that several commands share: one meaning and one help text each."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ContextsOption",
    "EncodingOption",
    "ImagesOption",
    "JsonOption",
    "MapOption",
    "PostsArgument",
    "ThreadsOption",
]

PostsArgument = Annotated[
    Path,
    typer.Argument(
        help="Posts as .jsonl, .json, .csv, .tsv, .parquet, .xlsx or a WhatsApp chat (.txt); text also as "
        ".gz."
    ),
]
ImagesOption = Annotated[
    Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="FIELD=COLUMN, as in text=tweetText or text=record.text; FIELD= for none; may be given again.",
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(help="How POSTS spells letters, as in cp1251. Default: its mark, UTF-8, or what fits best."),
]
ThreadsOption = Annotated[
    int | None, typer.Option(min=1, help="Processor threads. Default: all that are available.")
]
ContextsOption = Annotated[
    Path | None,
    typer.Option(
        help="What `crisislens caption` wrote of the posts' photos, for extractors trained with contexts."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
