"""`crisislens place-types`: kinds of places without training, with CLIP or another encoder that
texts and pictures share.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.apart import check_out, keep_apart
from crisislens.cli.console import progress, refuse_empty, say, say_error, total_rows
from crisislens.cli.options import EncodingOption, ImagesOption, MapOption, PostsArgument
from crisislens.cli.reading import open_posts, photo_folder, say_notes
from crisislens.core.files import sole_writer

if TYPE_CHECKING:
    from crisislens.data.source import PostSource
    from crisislens.domain.post import Post
    from crisislens.encoders.base import EncoderPair
    from crisislens.pipeline.zero_shot import ZeroShotPlaces

__all__ = ["add_to"]

_CHUNK = 64


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("place-types")(place_types)


def place_types(
    posts: PostsArgument,
    out: Annotated[Path, typer.Option(help="The JSONL file to write: id and place_type of each post.")],
    checkpoint: Annotated[
        str, typer.Option(help="CLIP: a folder with its files, or a name on the hub.")
    ] = "openai/clip-vit-base-patch32",
    images: ImagesOption = None,
    column: MapOption = None,
    encoding: EncodingOption = None,
) -> None:
    """Say at what kind of place each post was probably made, zero-shot; the probabilities are not
    calibrated.
    """
    from crisislens.data.images import ImageLimits
    from crisislens.data.text import CleaningRules
    from crisislens.features.encode import PostEncoder
    from crisislens.pipeline.zero_shot import ZeroShotPlaces

    check_out(out)
    keep_apart(out, {"posts": posts})
    source = open_posts(posts, column, encoding=encoding)
    root = photo_folder(images, posts)
    encoder = PostEncoder(
        _clip(checkpoint), rules=CleaningRules(), limits=ImageLimits(), image_root=root, keep_tokens=()
    )
    places = ZeroShotPlaces(encoder)
    with sole_writer(out.parent, lock=f".{out.name}.lock"):
        judged, failed = _judge(source, places, out)
    if failed:
        say_error(
            f"{failed} rows could not be read and have no kind of place; `crisislens analyze` names them"
        )
    say_notes(source)
    say(f"{judged} posts judged, {failed} rows failed")
    say(f"place types  {out}")
    refuse_empty(judged, failed, what="judged", where="`crisislens analyze` says why of each")


def _judge(source: "PostSource", places: "ZeroShotPlaces", out: Path) -> tuple[int, int]:
    """Writes a line for each post; how many there are, and how many rows failed."""
    from crisislens.domain.assessment import FailedPost
    from crisislens.domain.post import Post
    from crisislens.runs.sinks import JsonLines, Record

    total = total_rows(source)
    judged = failed = 0
    chunk: list[Post] = []
    lines: JsonLines[str] = JsonLines(out)

    def write() -> int:
        for line in _answers(places, chunk):
            lines.add(Record.of(line, line))
        return len(chunk)

    try:
        with progress("looking", total) as advance:
            # in chunks: a table may be longer than memory
            for row in source:
                if isinstance(row, FailedPost):
                    failed += 1
                    continue
                chunk.append(row)
                if len(chunk) == _CHUNK:
                    judged += write()
                    chunk.clear()
                    advance(judged + failed, total)
            judged += write()
        lines.commit()
    except BaseException:
        lines.discard()
        raise
    return judged, failed


def _clip(checkpoint: str) -> "EncoderPair":
    """CLIP's two towers.

    Raises:
        ModelError: If the checkpoint cannot be had, with what can be done without it.
    """
    from crisislens.core.errors import ModelError
    from crisislens.encoders.base import EncoderSpec, load_encoders
    from crisislens.encoders.checkpoints import how_to_get

    try:
        return load_encoders(EncoderSpec(name="clip", options={"checkpoint": checkpoint}))
    except ModelError as error:
        if Path(checkpoint).is_dir():
            # the folder is there, and the error says what is wrong with it
            raise
        raise ModelError(
            f"CLIP checkpoint {checkpoint} is not on this machine, and place-types judges by nothing else; "
            f"give a folder that holds one with --checkpoint, or get it ({how_to_get(checkpoint)}); without "
            f"CLIP, `crisislens analyze` says the kind of place by a model that ships (place_type)"
        ) from error


def _answers(places: "ZeroShotPlaces", posts: "list[Post]") -> list[str]:
    """A line for each post."""
    found = places.assess(posts)
    records = [{"id": p.id, "place_type": a.model_dump()} for p, a in zip(posts, found, strict=True)]
    return [json.dumps(record) for record in records]
