"""What lies under the names of photos: a name does not say that its photo came later or was replaced."""

from collections.abc import Iterable
from pathlib import Path

from crisislens.core.errors import ImageError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.image_paths import resolve_image
from crisislens.domain.post import ImageRef

__all__ = ["photos_fingerprint"]


def photos_fingerprint(names: Iterable[str], folder: Path) -> str:
    """The fingerprint of photos: of their names, and of what lies under them now, or why nothing does.

    Arguments:
        names: Paths relative to the folder, as the texts name them.
        folder: Of the photos.
    """
    return fingerprint([[name, _bytes_of(name, folder)] for name in sorted(set(names))])


def _bytes_of(name: str, folder: Path) -> str:
    try:
        return fingerprint_file(resolve_image(ImageRef(path=name), folder))
    except ImageError as error:
        return error.reason
    except OSError:
        return "unreadable"
