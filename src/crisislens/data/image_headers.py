"""What a picture file claims (format, size, frames, orientation), read by bounds-checked walking
before any decoder sees it.

A decoder believes a header and allocates what it asks for; this module reads the claims first, so
that limits are checked on numbers, not on memory. It also hands the decoder only what makes pixels:
of JPEG the coding segments, of PNG the critical chunks and transparency. Metadata (EXIF, XMP, color
profiles, comments, further pictures) is where decoders fail most and where they warn; none of it
passes.

Sources: ITU-T T.81 Annex B (JPEG), W3C PNG 3rd edition, the GIF89a specification, RFC 9649 (WebP),
Exif 2.32 section 4.5, ISO/IEC 23008-12 (HEIF: HEIC and AVIF). Formats are few on purpose: what
phones and platforms post. No TIFF, nothing that runs a program (EPS) or holds layers (PSD).
"""

import struct
import zlib
from collections.abc import Callable, Iterator

from crisislens.core.errors import ImageError
from crisislens.data.heif_header import read_heif
from crisislens.data.image_claims import (
    IMAGE_FORMATS,
    MAX_CHUNKS,
    ImageHeader,
    damaged,
    too_complex,
    truncated,
)

__all__ = ["IMAGE_FORMATS", "ImageHeader", "read_header"]

# a progressive photo has about ten scans; each makes the decoder walk the whole picture once more
_MAX_SCANS = 100


def read_header(data: bytes, *, max_frames: int) -> ImageHeader:
    """Reads the claims of a picture.

    Arguments:
        data: The whole file.
        max_frames: Where counting frames stops.

    Raises:
        ImageError: `unknown_format` where the bytes are none of `IMAGE_FORMATS`, `truncated` where
            they end too early, `damaged` where they contradict themselves, `too_complex` where
            decoding would take far longer than the picture is worth.
    """
    if data[4:8] == b"ftyp":
        return read_heif(data)
    for magic, parse in _PARSERS:
        if data.startswith(magic):
            try:
                return parse(data, max_frames)
            except (IndexError, struct.error) as error:
                raise truncated("its header ends too early") from error
    raise ImageError(
        "unknown_format",
        f"the file is not a {', '.join(IMAGE_FORMATS[:-1])} or {IMAGE_FORMATS[-1]} picture; "
        "convert it to one of these",
    )


def _jpeg(data: bytes, max_frames: int) -> ImageHeader:
    size, orientation, kept, at = None, 1, [data[:2]], 2
    while True:
        if data[at] != 0xFF:
            raise damaged("a marker is missing before the picture data")
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0xDA:
            break
        if marker == 0xD9:
            raise truncated("it ends before its picture data")
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at : at + 2 + length]
        if length < 2 or len(segment) < 2 + length:
            raise truncated("a segment is longer than the file")
        # start of frame; 0xC4, 0xC8 and 0xCC in that range are tables and a reserved mark
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            # height first, behind marker, length and precision
            height, width = struct.unpack_from(">HH", segment, 5)
            size = (width, height)
        if marker == 0xE1 and segment[4:10] == b"Exif\0\0":
            orientation = _orientation(segment[10:])
        # of the application segments only JFIF and Adobe change pixels; 0xFE is a comment
        if not (0xE1 <= marker <= 0xED or marker in (0xEF, 0xFE)):
            kept.append(segment)
        at += 2 + length
    return _jpeg_header(data, at, size, orientation, kept)


def _jpeg_header(
    data: bytes, scan: int, size: tuple[int, int] | None, orientation: int, kept: list[bytes]
) -> ImageHeader:
    """Ends `_jpeg`: `scan` is the offset of the first start-of-scan marker."""
    if size is None:
        raise damaged("it has picture data but no size")
    # inside coded data 0xFF is always followed by 0x00, so the first end marker is the end; what
    # hides behind it is not looked at
    end = data.find(b"\xff\xd9", scan)
    if end < 0:
        raise truncated("it has no end marker")
    if data.count(b"\xff\xda", scan, end) > _MAX_SCANS:
        raise too_complex(f"coded in more than {_MAX_SCANS} passes")
    return ImageHeader("JPEG", *size, 1, orientation, b"".join([*kept, data[scan : end + 2]]))


def _png(data: bytes, max_frames: int) -> ImageHeader:
    frames, orientation, kept, has_pixels = 1, 1, [data[:8]], False
    for kind, body, chunk in _png_chunks(data):
        if kind == b"acTL":
            frames = max(1, int.from_bytes(body[:4], "big"))
        elif kind == b"eXIf":
            orientation = _orientation(body)
        has_pixels |= kind == b"IDAT"
        # a capital first letter marks critical chunks; transparency is none and yet makes pixels
        if kind[0] & 0x20 == 0 or kind == b"tRNS":
            kept.append(chunk)
    width, height = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR" or not has_pixels:
        raise damaged("it has no size or no picture data")
    return ImageHeader("PNG", width, height, frames, orientation, b"".join(kept))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Type, body and the whole of each chunk up to and with IEND; the checksums of those that make
    pixels are verified.
    """
    at = 8
    for _ in range(MAX_CHUNKS):
        length = int.from_bytes(data[at : at + 4], "big")
        chunk = data[at : at + 12 + length]
        if len(chunk) < 12 + length:
            raise truncated("a chunk is longer than the file or the end chunk is missing")
        kind, body = chunk[4:8], chunk[8:-4]
        # wrong checksums of metadata cost nothing, and are common
        if kind[0] & 0x20 == 0 and zlib.crc32(chunk[4:-4]) != int.from_bytes(chunk[-4:], "big"):
            raise damaged("a checksum does not fit")
        yield kind, body, chunk
        if kind == b"IEND":
            return
        at += 12 + length
    raise too_complex(f"cut into more than {MAX_CHUNKS:,} chunks")


def _gif(data: bytes, max_frames: int) -> ImageHeader:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _gif_palette_bytes(flags), 0
    while frames <= max_frames:
        introducer = data[at : at + 1]
        if introducer == b"!":
            at = _gif_skip(data, at + 2)
        elif introducer == b",":
            left, top, w, h, flags = struct.unpack_from("<HHHHB", data, at + 1)
            # decoders grow the canvas to hold a frame that sticks out
            width, height = (max(width, left + w), max(height, top + h)) if frames == 0 else (width, height)
            at = _gif_skip(data, at + 11 + _gif_palette_bytes(flags))
            if at > len(data) and frames == 0:
                raise truncated("its first frame has no end")
            frames += at <= len(data)
        else:
            break  # the end, or the file was cut after its last whole frame
    if frames == 0:
        raise damaged("it holds no frame")
    return ImageHeader("GIF", width, height, frames, 1, data)


def _gif_palette_bytes(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_skip(data: bytes, at: int) -> int:
    """The offset behind the sub-blocks that start at `at`; past the end where the file is cut."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1


def _webp(data: bytes, max_frames: int) -> ImageHeader:
    if data[8:12] != b"WEBP":
        raise ImageError(
            "unknown_format", "the file is a RIFF container but not a WebP picture; convert it to JPEG or PNG"
        )
    if len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise truncated("its container is longer than the file")
    size, frames, orientation, at = None, 0, 1, 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data) or frames > max_frames:
            break
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + length] if kind == b"EXIF" else data[at + 8 : at + 24]
        if kind == b"EXIF":
            orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        frames += kind == b"ANMF"
        size = size or _webp_size(kind, body)
        # chunks of RIFF are padded to an even length
        at += 8 + length + (length & 1)
    if size is None:
        raise damaged("it has no size")
    return ImageHeader("WebP", *size, max(1, frames), orientation, data)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        # 14 bits of size, then 2 that ask for scaling
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return None


def _bmp(data: bytes, max_frames: int) -> ImageHeader:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression not in (0, 3, 6):
        # run lengths may leave pixels out, and a decoder then makes them up
        raise ImageError(
            "unknown_format", "the BMP picture is compressed, which is not read; convert it to PNG"
        )
    (offset,) = struct.unpack_from("<I", data, 10)
    row_bytes = (width * bits + 31) // 32 * 4
    if width < 0 or len(data) < offset + row_bytes * abs(height):
        raise truncated(f"{width} x {height} pixels need more bytes than there are")
    return ImageHeader("BMP", width, abs(height), 1, 1, data)


def _orientation(tiff: bytes) -> int:
    """The orientation in an EXIF block; 1 where the block is broken,
    which never costs the picture.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1


_PARSERS: tuple[tuple[bytes, Callable[[bytes, int], ImageHeader]], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"RIFF", _webp),
    (b"BM", _bmp),
)
