"""The claims of a picture file, and the refusals of files whose claims cannot be believed."""

from dataclasses import dataclass

from crisislens.core.errors import ImageError

__all__ = ["IMAGE_FORMATS", "MAX_CHUNKS", "ImageHeader", "damaged", "too_complex", "truncated"]

IMAGE_FORMATS = ("JPEG", "PNG", "WebP", "GIF", "BMP", "AVIF", "HEIC")
# chunks of PNG and WebP; a 20 MB file in the usual 8 kB pieces has 2,500
MAX_CHUNKS = 100_000


@dataclass(frozen=True)
class ImageHeader:
    """The claims of a file.

    Attributes:
        format: One of `IMAGE_FORMATS`.
        width: In pixels, before orientation.
        height: Likewise.
        frames: Pictures in the file; 1 where it is not animated.
            Counting stops one above the limit.
        orientation: EXIF orientation, 1 to 8; 1 where none is given or it is unreadable.
        payload: The bytes for the decoder, without metadata.
    """

    format: str
    width: int
    height: int
    frames: int
    orientation: int
    payload: bytes


def truncated(how: str) -> ImageError:
    return ImageError("truncated", f"the picture is cut off ({how}); get the whole file")


def damaged(how: str) -> ImageError:
    return ImageError("damaged", f"the picture is damaged ({how}); get a fresh copy")


def too_complex(how: str) -> ImageError:
    return ImageError("too_complex", f"the picture is {how}, which no camera does; save it again")
