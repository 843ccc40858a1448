"""Files of a run: written beside their place, flushed to the disk, renamed; a full disk is said in
a sentence.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crisislens.core.errors import RunError
from crisislens.core.files import FULL_DISK, full_disk

__all__ = ["part_of", "take_place", "writing"]


def part_of(path: Path) -> Path:
    """The file beside `path` that is written until it is whole."""
    return path.with_name(f".{path.name}.part")


def take_place(part: Path, path: Path) -> None:
    """Puts a whole file in the place of another, on the disk when this returns.

    Arguments:
        part: The file, closed.
        path: Its place.
    """
    with writing(path.parent):
        # opened for writing: some systems flush no file that is open for reading only
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.replace(path)
        _sync_folder(path.parent)


@contextmanager
def writing(where: Path) -> Iterator[None]:
    """Says where the disk is full, if it is.

    Arguments:
        where: The folder or file that is written.

    Raises:
        RunError: If it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        raise RunError(full_disk(where, error)) from error


def _sync_folder(folder: Path) -> None:
    """The rename itself outlives a loss of power; not every system can do it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
