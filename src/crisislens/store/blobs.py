"""The photos' bytes: `ab/<sha256>.jpg`, decoded by `data.images` and encoded anew, never what was sent."""

from pathlib import Path

from crisislens.store.records import Photo

__all__ = ["Blobs"]


class Blobs:
    """A folder of photos by their content.

    Arguments:
        folder: Made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> Photo:
        """Decodes a photo within the limits, encodes it as JPEG without metadata, and keeps that.

        Raises:
            ImageError: If the bytes are no picture that can be used; `reason` is the word for it.
            StoreError: If it cannot be written.
        """
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        """The JPEG.

        Raises:
            NotFoundError: If there is none, or the name is none.
        """
        raise NotImplementedError

    def name(self, sha256: str) -> str:
        """The path within the folder, with `/`."""
        return f"{sha256[:2]}/{sha256}.jpg"
