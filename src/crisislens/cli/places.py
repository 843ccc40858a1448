"""`crisislens place-types`: kinds of places without training, with CLIP or another encoder that texts and
pictures share.
"""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import progress, say
from crisislens.cli.reading import ENCODING_HELP, MAP_HELP, POSTS_HELP, open_posts, say_notes
from crisislens.core.errors import InputError

__all__ = ["add_to"]

_CHUNK = 64


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("place-types")(place_types)


def place_types(
    posts: Annotated[Path, typer.Argument(help=POSTS_HELP)],
    out: Annotated[Path, typer.Option(help="The JSONL file to write: id and place_type of each post.")],
    checkpoint: Annotated[
        str, typer.Option(help="CLIP: a folder with its files, or a name on the hub.")
    ] = "openai/clip-vit-base-patch32",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
    ] = None,
    column: Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help=ENCODING_HELP)] = None,
) -> None:
    """Say at what kind of place each post was probably made, zero-shot; the probabilities are not
    calibrated.
    """
    import json

    from crisislens.core.files import atomic_write
    from crisislens.data.images import ImageLimits
    from crisislens.data.text import CleaningRules
    from crisislens.domain.assessment import FailedPost
    from crisislens.domain.post import Post
    from crisislens.encoders.base import EncoderSpec, load_encoders
    from crisislens.features.encode import PostEncoder
    from crisislens.pipeline.zero_shot import ZeroShotPlaces

    source = open_posts(posts, column, encoding=encoding)
    if images is not None and not images.is_dir():
        raise InputError(
            f"--images {images} is not a folder; give the folder that the posts' image paths start from"
        )
    root = images or posts.resolve().parent
    encoders = load_encoders(EncoderSpec(name="clip", options={"checkpoint": checkpoint}))
    places = ZeroShotPlaces(
        PostEncoder(encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=root, keep_tokens=())
    )
    lines: list[str] = []
    chunk: list[Post] = []
    failed = 0

    def answer() -> None:
        found = places.assess(chunk)
        lines.extend(
            json.dumps({"id": p.id, "place_type": a.model_dump()}) for p, a in zip(chunk, found, strict=True)
        )
        chunk.clear()

    with progress("looking") as advance:
        for row in source:
            if isinstance(row, FailedPost):
                failed += 1
                continue
            chunk.append(row)
            if len(chunk) == _CHUNK:
                answer()
                advance(len(lines), None)
        answer()
    atomic_write(out, "".join(line + "\n" for line in lines))
    say_notes(source)
    say(f"{len(lines)} posts judged, {failed} rows failed")
    say(f"place types  {out}")
