"""What a run remembers of the pictures it read, so that a picture that was replaced between a kill
and the restart is seen without reading it.
"""

from pathlib import Path

from crisislens.core.errors import ImageError
from crisislens.data.images import resolve_image
from crisislens.domain.post import ImageRef
from crisislens.runs.step import Chunk

__all__ = ["Mark", "picture_marks"]

Mark = list[str | int]
"""A picture's path as given, then its size (bytes) and time (ns), or why there is none."""


def picture_marks(chunk: Chunk, root: Path | None) -> list[Mark]:
    """The size and time of each picture that a chunk refers to.

    Arguments:
        chunk: The rows.
        root: The folder of the pictures; None where pictures are not read.
    """
    if root is None:
        return []
    named = {image.path: image for post in chunk.posts for image in post.images}
    return [_mark(image, root) for image in named.values()]


def _mark(image: ImageRef, root: Path) -> Mark:
    try:
        found = resolve_image(image, root).stat()
    except ImageError as error:
        return [image.path, error.reason]
    except OSError:
        return [image.path, "unreadable"]
    return [image.path, found.st_size, found.st_mtime_ns]
