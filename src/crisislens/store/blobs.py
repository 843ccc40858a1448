"""The photos' bytes: `ab/<sha256>.jpg`, decoded by `data.images` and encoded anew, never what was sent.

What a camera wrote beside the picture (where it was taken, with whose phone) is gone, and so is whatever
somebody hid in the file. The same bytes give the same name, so a photo that a thousand posts share is kept
once.
"""

import errno
import hashlib
import io
import re
import shutil
import tempfile
from pathlib import Path

from PIL import Image

from crisislens.core.errors import NotFoundError, StoreError, StoreFullError
from crisislens.core.files import atomic_write
from crisislens.data.images import ImageLimits, decode_image
from crisislens.store.records import Photo

__all__ = ["STORED_LIMITS", "Blobs"]

STORED_LIMITS = ImageLimits(max_bytes=10 * 1024 * 1024, max_pixels=40_000_000, decode_px=1_080)
"""What a sent photo may cost, and the shorter side that is kept: enough to read a sign, and three times what
the models look at.
"""
_QUALITY = 90
_NAME = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of photos by their content.

    Arguments:
        folder: Made when the first photo is kept.
        limits: What a photo may cost.
    """

    def __init__(self, folder: Path, *, limits: ImageLimits = STORED_LIMITS) -> None:
        self.folder, self.limits = folder, limits

    def keep(self, data: bytes) -> Photo:
        """Decodes a photo within the limits, encodes it as JPEG without metadata, and keeps that.

        Raises:
            ImageError: If the bytes are no picture that can be used; `reason` is the word for it.
            StoreFullError: If the disk is full.
            StoreError: If it cannot be written.
        """
        jpeg, width, height = self._encoded(data)
        sha256 = hashlib.sha256(jpeg).hexdigest()
        path = self.folder / self.name(sha256)
        # a process that was killed, or a copy that was cut, may have left half of it under this name
        if _size_of(path) != len(jpeg):
            try:
                atomic_write(path, jpeg)
            except OSError as error:
                raise _not_written(error, self.folder) from error
        origin = hashlib.sha256(data).hexdigest()
        return Photo(sha256=sha256, origin=origin, width=width, height=height, size=len(jpeg))

    def _encoded(self, data: bytes) -> tuple[bytes, int, int]:
        # data.images reads files only, and checks their size first; Windows opens none that is still written
        with tempfile.TemporaryDirectory(prefix="photo-") as folder:
            file = Path(folder) / "photo.bin"
            file.write_bytes(data)
            picture = Image.fromarray(decode_image(file, self.limits).pixels)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue(), picture.width, picture.height

    def read(self, sha256: str) -> bytes:
        """The JPEG.

        Raises:
            NotFoundError: If there is none, or the name is none.
        """
        if not _NAME.fullmatch(sha256):
            raise NotFoundError("this is no photo's name; it is 64 hex digits")
        try:
            return (self.folder / self.name(sha256)).read_bytes()
        except OSError:
            raise NotFoundError(f"there is no photo {sha256}; it may have been erased") from None

    def remove(self, sha256: str) -> bool:
        """Takes a photo off the disk; whether it was there."""
        try:
            (self.folder / self.name(sha256)).unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _not_written(error, self.folder) from error
        return True

    def names(self) -> set[str]:
        """The names of all photos that are kept."""
        return {path.stem for path in self.folder.glob("??/*.jpg") if _NAME.fullmatch(path.stem)}

    def free_bytes(self) -> int:
        """Room that is left where they lie, in bytes."""
        place = self.folder
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free

    def name(self, sha256: str) -> str:
        """The path within the folder, with `/`."""
        return f"{sha256[:2]}/{sha256}.jpg"


def _size_of(path: Path) -> int | None:
    """The size of a file in bytes; None where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _not_written(error: OSError, folder: Path) -> StoreError:
    said = error.strerror or type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFullError(f"the disk of {folder} is full; free some room", status=507)
    return StoreError(f"a photo cannot be kept in {folder} ({said}); may crisislens write there?")
