"""How the commands open tables of posts, and say what reading found."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crisislens.cli.console import say
from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.data.source import PostSource

__all__ = [
    "ENCODING_HELP",
    "MAP_HELP",
    "POSTS_HELP",
    "columns_of",
    "open_posts",
    "photo_folder",
    "say_notes",
]

POSTS_HELP = (
    "Posts as .jsonl, .json, .csv, .tsv, .parquet, .xlsx or a WhatsApp chat (.txt); text also as .gz."
)
MAP_HELP = "FIELD=COLUMN, as in text=tweetText or text=record.text; FIELD= for none; may be given again."
ENCODING_HELP = "How POSTS spells letters, as in cp1251. Default: its mark, UTF-8, or what fits best."


def columns_of(pairs: Sequence[str]) -> dict[str, str]:
    """`FIELD=COLUMN` pairs as a mapping; an empty column says that the table has none for the
    field.
    """
    columns: dict[str, str] = {}
    for pair in pairs:
        field, sign, name = pair.partition("=")
        if not sign or not field.strip():
            raise InputError(f"--map {pair!r} is not of the form FIELD=COLUMN, as in text=tweetText")
        columns[field.strip()] = name.strip()
    return columns


def open_posts(
    path: Path, pairs: Sequence[str] | None = None, *, encoding: str | None = None
) -> "PostSource":
    """Opens a table of posts.

    Arguments:
        path: The file.
        pairs: As of `columns_of`.
        encoding: How it spells letters; None finds out.
    """
    from crisislens.data.tabular import read_posts

    return read_posts(path, columns_of(pairs or ()) or None, encoding=encoding)


def photo_folder(images: Path | None, posts: Path) -> Path:
    """The folder that the posts' image paths start from: the one given, or that of the table.

    Raises:
        InputError: If what was given is no folder: every photo would be missing, and nothing would
            say why.
    """
    if images is None:
        return posts.resolve().parent
    if not images.is_dir():
        raise InputError(
            f"--images {images} is not a folder; give the folder that the posts' image paths start from"
        )
    return images


def say_notes(source: "PostSource", *, of_several: str = "") -> None:
    """Says what a reader must know of how posts were read; call it when they have been.

    Arguments:
        source: The posts.
        of_several: What the command did with posts of several photos, where it is not to look at
            all.
    """
    described = source.describe()
    notes = described.get("notes")
    for note in notes if isinstance(notes, list) else ():
        say(f"note         {note}")
    if of_several and (count := described.get("several_photos")):
        say(f"note         {count} posts have several photos; {of_several}")
