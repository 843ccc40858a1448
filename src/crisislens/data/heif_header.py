"""What a HEIC or AVIF file claims. See `data.image_headers`."""

import struct

from crisislens.core.errors import ImageError
from crisislens.data.image_claims import (
    MAX_CHUNKS,
    ImageHeader,
    damaged,
    too_complex,
    truncated,
)

__all__ = ["read_heif"]

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
# quarter turns against the clock, as EXIF numbers them
_TURNED = {1: 8, 2: 3, 3: 6}


def read_heif(data: bytes) -> ImageHeader:
    """HEIC and AVIF: the largest size that an item claims,
    since thumbnails and tiles have their own.
    """
    length = int.from_bytes(data[:4], "big")
    brands = {data[i : i + 4] for i in (8, *range(16, min(length, 256), 4))}
    if not brands & (_AVIF_BRANDS | _HEIC_BRANDS):
        raise ImageError(
            "unknown_format", "the file is a video or of no known kind; give a picture such as a JPEG"
        )
    meta = _heif_meta(data, length)
    sizes: list[tuple[int, int, int]] = []
    # searched, not parsed: the boxes around it nest differently with every camera
    at = meta.find(b"ispe")
    while at >= 0 and len(sizes) < MAX_CHUNKS:
        width, height = struct.unpack(">II", meta[at + 8 : at + 16].ljust(8, b"\0"))
        sizes.append((width * height, width, height))
        at = meta.find(b"ispe", at + 4)
    if not sizes:
        raise damaged("it has no size")
    _, width, height = max(sizes)
    # the first one; tiles of one photo are turned alike
    turn = meta.find(b"irot")
    quarters = meta[turn + 4] & 3 if 0 <= turn < len(meta) - 4 else 0
    if brands & _AVIF_BRANDS:
        return ImageHeader("AVIF", width, height, 1, _TURNED.get(quarters, 1), data)
    # its decoder turns the picture itself
    width, height = (height, width) if quarters in (1, 3) else (width, height)
    return ImageHeader("HEIC", width, height, 1, 1, data)


def _heif_meta(data: bytes, at: int) -> bytes:
    """The box that describes the items."""
    for _ in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if len(kind) < 4:
            raise truncated("it ends before its description")
        if kind == b"meta":
            if length > len(data) - at:
                raise truncated("its description is longer than the file")
            return data[at : at + length]
        if length < 8:
            raise damaged("a box has no length")
        at += length
    raise too_complex(f"cut into more than {MAX_CHUNKS:,} boxes")
