"""The only place where bytes become pixels. Every file is taken for hostile.

The checks stand in the order of their cost: the path (inside the folder after all links are
followed, a regular file), the size in bytes, the claims of the header (`data.image_headers`:
format, pixels, frames), and only then the decoder, on bytes without metadata. What cannot be
decoded whole is refused with a reason: a half picture would be judged as if it were the scene.

The result is the first frame, upright, on white where it was transparent, in 8-bit RGB, scaled down
to `ImageLimits.decode_px` on the shorter side (JPEG mostly inside its own transform, which is
several times faster); never scaled up.

Reasons of `ImageError`, in the words that records carry: `bad_path`, `url`, `outside`, `missing`,
`not_a_file`, `unreadable`, `empty`, `too_large`, `unknown_format`, `truncated`, `damaged`,
`too_complex`, `too_many_pixels`, `too_many_frames`, `too_small`, `needs_extra`.

HEIC and AVIF are what phones write. AVIF is decoded where Pillow can, HEIC by pillow-heif, the
extra `heif`; without them such a picture is refused with the reason `needs_extra`.

No state that a result depends on is shared and no global of Pillow is touched,
so threads may decode at once.
"""

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
from pydantic import Field

from crisislens.core.allocator import release_freed_memory
from crisislens.core.config import Config
from crisislens.core.errors import ImageError, MissingExtraError
from crisislens.core.optional import require
from crisislens.data.image_claims import ImageHeader
from crisislens.data.image_headers import read_header
from crisislens.data.image_paths import EXTENSIONS, resolve_image
from crisislens.data.pixel_budget import PixelBudget

__all__ = ["EXTENSIONS", "DecodedImage", "ImageLimits", "decode_image", "resolve_image"]

_TINY_PX = 8
_LONG_SIDES = 8
_FILLING_BYTES = 4_096


# of all threads: what a picture takes while it is decoded does not show in its file
_BUDGET = PixelBudget()
_LARGE_PIXELS = 16_000_000


def _avif(data: BytesIO) -> Any:
    from PIL import features

    if not features.check("avif"):
        raise ImageError(
            "needs_extra", "this Pillow cannot read AVIF; install Pillow 11.3 or newer, or give a JPEG"
        )
    from PIL import AvifImagePlugin

    return AvifImagePlugin.AvifImageFile(data)


def _heic(data: BytesIO) -> Any:
    try:
        heif = require("pillow_heif", extra="heif")
    except MissingExtraError as error:
        raise ImageError("needs_extra", f"the picture is HEIC: {error}; or convert it to JPEG") from error
    return heif.HeifImageFile(data)


_DECODERS: dict[str, Callable[[BytesIO], Any]] = {
    # the classes themselves: Image.open would warn about sizes that are checked here, and JPEG's
    # factory looks for further pictures
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "AVIF": _avif,
    "HEIC": _heic,
}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageLimits(Config):
    """What a picture may cost; its fingerprint is part of every feature's."""

    version: Literal[1] = 1
    """Raised whenever the same limits would decode differently."""
    max_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    """Size of the file, in bytes."""
    max_pixels: int = Field(default=50_000_000, gt=0)
    """Width times height as the file claims them, in pixels."""
    max_frames: int = Field(default=1_000, gt=0)
    """Frames of an animation; the first is used."""
    decode_px: int = Field(default=320, ge=_TINY_PX)
    """The shorter side after decoding, in pixels; smaller pictures stay as they are. The longer
    side is at most eight times this.
    """


@dataclass(frozen=True)
class DecodedImage:
    """A picture.

    Attributes:
        pixels: RGB, 0 to 255, upright; writable and contiguous.
        fingerprint: 16 hex digits over the bytes of the file, as
            `core.fingerprint.fingerprint_file` makes them.
        notes: What a reader must know of the decoding, one sentence each.
    """

    pixels: UInt8[np.ndarray, "h w 3"]
    fingerprint: str
    notes: tuple[str, ...] = ()


def decode_image(path: Path, limits: ImageLimits = ImageLimits()) -> DecodedImage:
    """Reads one picture whole, or says why not.

    Arguments:
        path: The file, as `resolve_image` gives it.
        limits: What it may cost.

    Raises:
        ImageError: With one of the reasons of the module's head;
            nothing else is raised for any bytes.
    """
    data = _read(path, limits.max_bytes)
    header = read_header(data, max_frames=limits.max_frames)
    _check_claims(header, limits)
    notes = []
    if header.frames > 1:
        notes.append(f"the picture is animated ({header.frames} frames); only the first was looked at")
    longest, shortest = max(header.width, header.height), min(header.width, header.height)
    # a screenshot of a whole page: scaled to the model's size nothing in it can be read
    if longest > _LONG_SIDES * max(shortest, limits.decode_px):
        notes.append(
            f"the picture is {longest} by {shortest} pixels; most of its detail was lost in scaling it down"
        )
    try:
        with _BUDGET.take(header.width * header.height):
            pixels = np.array(_decode(header, limits), dtype=np.uint8)
            if header.width * header.height > _LARGE_PIXELS:
                release_freed_memory()
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            "too_many_pixels", "the picture needs more memory than there is; scale it down"
        ) from error
    except Exception as error:
        # decoders raise whatever their parsing ran into (OSError, SyntaxError, struct.error,
        # OverflowError, …): the bytes are at fault
        raise _refusal(error) from error
    return DecodedImage(pixels, hashlib.blake2b(data).hexdigest()[:16], tuple(notes))


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        # non-blocking, so that a pipe put in the file's place cannot hold the run
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else "unreadable"
        raise ImageError(
            reason,
            f"{path.name!r:.80} cannot be opened ({getattr(error, 'strerror', None) or error}); check the "
            f"file",
        ) from error
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("not_a_file", f"{path.name!r:.80} is not a regular file; name a picture")
        size, data = status.st_size, b""
        if size <= max_bytes:
            with os.fdopen(handle, "rb", closefd=False) as stream:
                data = stream.read(max_bytes + 1)
    finally:
        os.close(handle)
    # the size may have grown between the look and the reading
    if max(size, len(data)) > max_bytes:
        raise ImageError(
            "too_large", f"the picture has {size:,} bytes, more than the {max_bytes:,} allowed; scale it down"
        )
    if not data:
        raise ImageError("empty", "the picture file is empty; get the whole file")
    return data


def _check_claims(header: ImageHeader, limits: ImageLimits) -> None:
    width, height = header.width, header.height
    if width * height > limits.max_pixels:
        raise ImageError(
            "too_many_pixels",
            f"the picture claims {width} x {height} pixels, more than {limits.max_pixels:,}; scale it down",
        )
    if min(width, height) < _TINY_PX:
        raise ImageError(
            "too_small",
            f"the picture is {width} x {height} pixels; at least {_TINY_PX} a side can show something",
        )
    if header.frames > limits.max_frames:
        raise ImageError(
            "too_many_frames", f"the picture has more than {limits.max_frames:,} frames; give a still picture"
        )


def _decode(header: ImageHeader, limits: ImageLimits) -> Image.Image:
    # before decoding: JPEG is scaled inside its own transform
    target = _target_size(header.width, header.height, limits)
    picture = _load(header, header.payload, target)
    if header.format == "JPEG" and _ends_in_gray(picture):
        # what stands before the end marker decides nothing in a whole picture, and fills the gap in
        # one whose data ends early
        filled = _load(header, header.payload[:-2] + bytes(_FILLING_BYTES) + header.payload[-2:], target)
        if filled.tobytes() != picture.tobytes():
            raise ImageError(
                "truncated",
                "the last part of the picture is missing (its data ends early); get the whole file",
            )
    if picture.size != target:
        picture = picture.resize(target, Image.Resampling.BICUBIC)
    return picture.transpose(_UPRIGHT[header.orientation]) if header.orientation in _UPRIGHT else picture


def _load(header: ImageHeader, payload: bytes, target: tuple[int, int]) -> Image.Image:
    """Decodes into RGB; JPEG to any size that is at least the target."""
    with _DECODERS[header.format](BytesIO(payload)) as opened:
        if opened.size != (header.width, header.height):
            raise ImageError(
                "damaged", "the picture is damaged (it claims two different sizes); get a fresh copy"
            )
        if header.format == "JPEG":
            opened.draft(None, target)
        opened.load()
        return _rgb(opened)


def _target_size(width: int, height: int, limits: ImageLimits) -> tuple[int, int]:
    """Width and height after scaling: never larger, the shorter side `decode_px`, the longer at
    most `_LONG_SIDES` times that.
    """
    scale = min(
        1.0, limits.decode_px / min(width, height), _LONG_SIDES * limits.decode_px / max(width, height)
    )
    return max(1, round(width * scale)), max(1, round(height * scale))


def _rgb(picture: Image.Image) -> Image.Image:
    """8-bit RGB; transparent pixels show white, the paper that most platforms show them on."""
    if picture.mode.startswith(("I", "F")):
        # 16 bits a pixel: Pillow's own conversion clips at 255 instead of scaling
        return Image.fromarray(
            (np.asarray(picture).astype(np.int64).clip(0, 65535) >> 8).astype(np.uint8)
        ).convert("RGB")
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = (
        picture if picture.mode == "RGBA" else picture.convert("RGBA")
    )  # converting to the same mode would copy
    paper = Image.new("RGB", layered.size, "white")
    paper.paste(layered, mask=layered.getchannel("A"))
    return paper


def _ends_in_gray(picture: Image.Image) -> bool:
    """True where the last pixel is the mid-gray that libjpeg paints, without a word, in place of
    data that ends before its end marker.
    """
    last = np.asarray(picture)[-1, -1].astype(int)
    return bool((np.abs(last - 128) <= 2).all())


def _refusal(error: Exception) -> ImageError:
    """The one sentence for what a decoder raised."""
    what = " ".join(str(error).split())[:120] or type(error).__name__
    if "truncated" in what or isinstance(error, EOFError):
        return ImageError("truncated", f"the picture is cut off ({what}); get the whole file")
    return ImageError("damaged", f"the picture cannot be decoded ({what}); get a fresh copy")
