"""Every file is hostile: an attack ends in an `ImageError` with a sentence or in the very picture, never in a
warning or half a picture.
"""

import io
import os
import struct
import time
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from crisislens.core.errors import ImageError
from crisislens.core.fingerprint import fingerprint_file
from crisislens.data.images import DecodedImage, ImageLimits, decode_image, resolve_image
from crisislens.domain.post import ImageRef

LIMITS = ImageLimits(max_bytes=2_000_000, max_pixels=1_000_000, max_frames=100)


def texture(width: int = 96, height: int = 72) -> Image.Image:
    """Smooth and busy at once, without any flat row."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    base = np.stack([x * 255 / width, y * 255 / height, 127 + 100 * np.sin(x / 7 + y / 5)], -1)
    return Image.fromarray((base + noise).clip(0, 255).astype(np.uint8))


def encoded(kind: str) -> bytes:
    buffer, picture = io.BytesIO(), texture()
    match kind:
        case "jpeg":
            picture.save(buffer, "JPEG", quality=88)
        case "progressive":
            picture.save(buffer, "JPEG", quality=88, progressive=True)
        case "png":
            picture.save(buffer, "PNG")
        case "webp":
            picture.save(buffer, "WEBP", quality=85)
        case "lossless":
            picture.save(buffer, "WEBP", lossless=True)
        case "gif":
            picture.convert("P", palette=Image.Palette.ADAPTIVE).save(buffer, "GIF")
        case "bmp":
            picture.save(buffer, "BMP")
    return buffer.getvalue()


KINDS = ("jpeg", "progressive", "png", "webp", "lossless", "gif", "bmp")
WHOLE = {kind: encoded(kind) for kind in KINDS}


@pytest.fixture
def decode(tmp_path: Path) -> Callable[..., DecodedImage]:
    def run(data: bytes, limits: ImageLimits = LIMITS) -> DecodedImage:
        path = tmp_path / "picture.jpg"
        path.write_bytes(data)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                return decode_image(path, limits)
            finally:
                assert not caught, [str(w.message) for w in caught]

    return run


def refused(
    decode: Callable[..., DecodedImage], data: bytes, *reasons: str, limits: ImageLimits = LIMITS
) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data, limits)
    message = str(caught.value)
    assert caught.value.reason in reasons, (caught.value.reason, message)
    assert "; " in message, "what to do is missing"
    assert "\n" not in message
    assert len(message) < 300
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_picture_is_decoded(decode: Callable[..., DecodedImage], kind: str, tmp_path: Path) -> None:
    found = decode(WHOLE[kind])
    assert found.pixels.shape == (72, 96, 3)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.flags.writeable
    assert found.notes == ()
    assert found.fingerprint == fingerprint_file(tmp_path / "picture.jpg")
    # a lossy codec or a palette of 256 colors moves a pixel by a few levels on average
    assert np.abs(found.pixels.astype(int) - np.asarray(texture(), int)).mean() < 16


@pytest.mark.parametrize("part", [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97, 0.999])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_picture_is_refused_or_whole(
    decode: Callable[..., DecodedImage], kind: str, part: float
) -> None:
    data = WHOLE[kind]
    whole = decode(data).pixels
    try:
        found = decode(data[: int(len(data) * part)]).pixels
    except ImageError as error:
        assert error.reason in ("truncated", "damaged", "unknown_format", "empty")  # noqa: PT017 - either way is right
    else:
        np.testing.assert_array_equal(found, whole)  # only bytes behind the last pixel were lost


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_never_raise_anything_else(
    decode: Callable[..., DecodedImage], kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for flips in (1, 8, 64):
        data = bytearray(WHOLE[kind])
        for at in rng.integers(0, len(data), flips):
            data[at] ^= 1 << int(rng.integers(0, 8))
        try:
            found = decode(bytes(data))
        except ImageError as error:
            assert error.reason  # noqa: PT017 - either way is right
        else:
            assert found.pixels.ndim == 3
            assert found.pixels.dtype == np.uint8


@pytest.mark.parametrize("part", [0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("flag", [False, True])
def test_a_jpeg_with_a_false_end_is_no_half_gray_picture(
    decode: Callable[..., DecodedImage], part: float, flag: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ImageFile, "LOAD_TRUNCATED_IMAGES", flag
    )  # what some other library of the process may have set
    data = WHOLE["jpeg"]
    start = data.index(b"\xff\xda")
    cut = data[: start + int((len(data) - start) * part)].rstrip(b"\xff")
    refused(decode, cut + b"\xff\xd9", "truncated")
    refused(decode, cut, "truncated")


def test_a_picture_that_really_ends_in_gray_is_kept(decode: Callable[..., DecodedImage]) -> None:
    pixels = np.array(texture())
    pixels[40:] = 128
    for options in ({"quality": 90}, {"quality": 90, "progressive": True}, {"quality": 60, "optimize": True}):
        found = decode(saved(Image.fromarray(pixels), "JPEG", **options)).pixels
        assert np.abs(found[-8:].astype(int) - 128).max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_leniency_of_others_does_not_reach_us(
    decode: Callable[..., DecodedImage], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    refused(decode, WHOLE[kind][: len(WHOLE[kind]) // 2], "truncated", "damaged")


FOREIGN = {
    "empty": (b"", "empty"),
    "text": (b"this is not a picture\n" * 20, "unknown_format"),
    "html": (b"<html><img src=x onerror=alert(1)></html>", "unknown_format"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unknown_format"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "unknown_format"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n", "unknown_format"),
    "psd": (b"8BPS\0\1" + bytes(20), "unknown_format"),
    "tiff": (b"II*\0\x08\0\0\0" + bytes(40), "unknown_format"),
    "ico": (b"\0\0\1\0\1\0" + bytes(16), "unknown_format"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(30), "damaged"),
    "zip": (b"PK\3\4" + bytes(40), "unknown_format"),
    "elf": (b"\x7fELF\2\1\1" + bytes(40), "unknown_format"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "unknown_format"),
    "zeros": (bytes(4096), "unknown_format"),
    "jpeg magic alone": (b"\xff\xd8\xff", "truncated"),
    "jpeg without data": (b"\xff\xd8\xff\xd9", "truncated"),
    "jpeg with a lying segment": (b"\xff\xd8\xff\xe0\xff\xffJFIF" + bytes(9), "truncated"),
    "jpeg with garbage for a marker": (b"\xff\xd8\xff\xdb\0\x04ab" + bytes(60), "damaged"),
    "png magic alone": (b"\x89PNG\r\n\x1a\n", "truncated"),
    "gif magic alone": (b"GIF89a", "truncated"),
    "gif without a frame": (b"GIF89a\x10\0\x10\0\0\0\0;", "damaged"),
    "webp magic alone": (b"RIFF\x04\0\0\0WEBP", "damaged"),
    "bmp magic alone": (b"BM", "truncated"),
    "riff of zeros": (b"RIFF" + bytes(40), "unknown_format"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_picture_is_refused(decode: Callable[..., DecodedImage], name: str) -> None:
    data, reason = FOREIGN[name]
    refused(decode, data, reason)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 2) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IEND", b"")


IDAT = png_chunk(b"IDAT", zlib.compress(bytes(1000)))


def claim_jpeg(width: int, height: int) -> bytes:
    data = bytearray(WHOLE["jpeg"])
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def claim_gif(width: int, height: int) -> bytes:
    return WHOLE["gif"][:6] + struct.pack("<HH", width, height) + WHOLE["gif"][10:]


def gif_frame_outside() -> bytes:
    data = bytearray(WHOLE["gif"])
    at = data.index(b",", 13 + 768)
    data[at + 1 : at + 5] = struct.pack("<HH", 60_000, 60_000)
    return bytes(data)


def claim_webp(width: int, height: int) -> bytes:
    flags = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + flags + WHOLE["webp"][12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def claim_bmp(width: int, height: int) -> bytes:
    return WHOLE["bmp"][:18] + struct.pack("<ii", width, height) + WHOLE["bmp"][26:]


def sofs(count: int) -> bytes:
    """A JPEG that says its size over and over; the last one counts."""
    data, size = WHOLE["jpeg"], b"\xff\xc0\0\x0b\x08\xff\xff\xff\xff\1\1\x11\0"
    at = data.index(b"\xff\xc0")
    return data[:at] + size * count + data[at:]


BOMBS = {
    "png 60000 x 60000": (png(60_000, 60_000, IDAT), "too_many_pixels"),
    "png 2^31 x 2^31": (png(2**31 - 1, 2**31 - 1, IDAT), "too_many_pixels"),
    "png 0 x 0": (png(0, 0, IDAT), "too_small"),
    "png 9 x 0": (png(9, 0, IDAT), "too_small"),
    "png one line of a million": (png(1_000_000, 1, IDAT), "too_small"),
    "png 7 x 7": (png(7, 7, IDAT), "too_small"),
    "png without pixels": (png(50, 50), "damaged"),
    "png with too few pixels": (png(900, 900, IDAT), "truncated"),
    "png with two headers": (
        png(50, 50, png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)), IDAT),
        "damaged",
    ),
    "png in 100,001 chunks": (png(50, 50, png_chunk(b"IDAT", b"") * 100_001), "too_complex"),
    "png with a broken checksum": (png(50, 50, IDAT[:-1] + b"\0"), "damaged"),
    "png of unknown depth": (png(50, 50, IDAT, depth=3), "damaged"),
    "jpeg 60000 x 60000": (claim_jpeg(60_000, 60_000), "too_many_pixels"),
    "jpeg of height 0": (claim_jpeg(96, 0), "too_small"),
    "jpeg of many sizes": (sofs(50), "damaged"),
    "jpeg of 500 scans": (
        WHOLE["progressive"][:-2] + b"\xff\xda\0\x08\1\1\0\0\0\0" * 500 + b"\xff\xd9",
        "too_complex",
    ),
    "gif 65535 x 65535": (claim_gif(65_535, 65_535), "too_many_pixels"),
    "gif frame far outside": (gif_frame_outside(), "too_many_pixels"),
    "webp 16777216 x 16777216": (claim_webp(1 << 24, 1 << 24), "too_many_pixels"),
    "bmp 100000 x 100000": (claim_bmp(100_000, 100_000), "truncated"),
    "bmp of negative width": (claim_bmp(-96, 72), "truncated"),
    "bmp run-length coded": (WHOLE["bmp"][:30] + struct.pack("<I", 1) + WHOLE["bmp"][34:], "unknown_format"),
    "apng of 5000 frames": (
        png(50, 50, png_chunk(b"acTL", struct.pack(">II", 5000, 0)), IDAT),
        "too_many_frames",
    ),
    "apng of 2^32 frames": (png(50, 50, png_chunk(b"acTL", b"\xff" * 8), IDAT), "too_many_frames"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_are_decoded(decode: Callable[..., DecodedImage], name: str) -> None:
    data, reason = BOMBS[name]
    start = time.process_time()
    refused(decode, data, reason)
    assert (
        time.process_time() - start < 2
    )  # none is worth more; the allocation alone of the large ones would take longer


def animated(kind: str, frames: int) -> bytes:
    buffer, first = io.BytesIO(), texture(16, 16)
    # colors far apart, so that no frame is merged with another
    others = [Image.new("RGB", (16, 16), ((37 * i) % 256, (91 * i) % 256, i % 256)) for i in range(1, frames)]
    options = {"duration": 40, "lossless": True} if kind == "WEBP" else {"duration": 40}
    first.save(buffer, kind, save_all=True, append_images=others, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_used_and_said_so(
    decode: Callable[..., DecodedImage], kind: str
) -> None:
    found = decode(animated(kind, 5))
    assert "animated (5 frames)" in found.notes[0]
    assert (
        np.abs(found.pixels.astype(int) - np.asarray(texture(16, 16), int)).mean() < 16
    )  # a palette of 256 colors
    refused(decode, animated(kind, 5), "too_many_frames", limits=ImageLimits(max_frames=4))


def test_a_gif_of_5000_frames_is_refused_quickly(decode: Callable[..., DecodedImage]) -> None:
    data = animated("GIF", 2)
    second = data.rindex(b"!\xf9")
    start = time.process_time()
    refused(
        decode,
        data[:second] + data[second:-1] * 5_000 + b";",
        "too_many_frames",
        limits=ImageLimits(max_frames=1_000),
    )
    assert time.process_time() - start < 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "tail",
    [b"PK\3\4 a zip", b"<script>alert(1)</script>", b"%PDF-1.7", bytes(5_000), b"\xff\xd8\xff\xe0 more"],
)
def test_what_hides_behind_a_picture_changes_nothing(
    decode: Callable[..., DecodedImage], kind: str, tail: bytes
) -> None:
    np.testing.assert_array_equal(decode(WHOLE[kind] + tail).pixels, decode(WHOLE[kind]).pixels)


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + data[2:]


HOSTILE_METADATA = {
    "exif that ends early": (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(12)),
    "exif that points outside": (0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    "exif that points to itself": (0xE1, b"Exif\0\0II*\0\0\0\0\0" + b"\1\0" * 40),
    "exif of nonsense": (0xE1, b"Exif\0\0" + bytes(range(256)) * 10),
    "mpf of nonsense": (0xE2, b"MPF\0" + bytes(range(200))),
    "color profile of nonsense": (0xE2, b"ICC_PROFILE\0\1\1" + b"A" * 3_000),
    "photoshop block of nonsense": (0xED, b"Photoshop 3.0\0008BIM\x03\xed\xff\xff\xff\xff\xff"),
    "xmp with entities": (0xE1, b'http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'),
    "comment with a script": (0xFE, b"<?php system($_GET[0]); ?>"),
}


@pytest.mark.parametrize("name", HOSTILE_METADATA)
def test_metadata_never_reaches_the_decoder(decode: Callable[..., DecodedImage], name: str) -> None:
    found = decode(with_segment(WHOLE["jpeg"], *HOSTILE_METADATA[name]))
    np.testing.assert_array_equal(found.pixels, decode(WHOLE["jpeg"]).pixels)


def test_a_text_bomb_in_a_png_is_not_unpacked(decode: Callable[..., DecodedImage]) -> None:
    bomb = png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    data = WHOLE["png"][:33] + bomb + WHOLE["png"][33:]
    np.testing.assert_array_equal(decode(data).pixels, decode(WHOLE["png"]).pixels)


ORIENT = {1: "1234", 2: "2143", 3: "4321", 4: "3412", 5: "1324", 6: "3142", 7: "4231", 8: "2413"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_exif_orientation_is_applied(
    decode: Callable[..., DecodedImage], orientation: int, order: str, kind: str
) -> None:
    levels = {"1": 20, "2": 90, "3": 160, "4": 230}
    corners = Image.fromarray(np.kron([[20, 90], [160, 230]], np.ones((16, 24))).astype(np.uint8)).convert(
        "RGB"
    )
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0
    )
    buffer = io.BytesIO()
    corners.save(
        buffer,
        kind,
        **({"lossless": True} if kind == "webp" else {}),
        exif=tiff if kind == "png" else b"Exif\0\0" + tiff,
    )
    found = decode(buffer.getvalue()).pixels
    assert found.shape == ((32, 48, 3) if orientation < 5 else (48, 32, 3))
    h, w = found.shape[:2]
    quarters = [found[:3, :3], found[:3, w - 3 :], found[h - 3 :, :3], found[h - 3 :, w - 3 :]]
    assert [round(float(q.mean()) / 10) * 10 for q in quarters] == [levels[i] for i in ORIENT[orientation]]


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def test_transparency_shows_white_paper(decode: Callable[..., DecodedImage]) -> None:
    for mode, clear in (("RGBA", (200, 0, 0, 0)), ("LA", (10, 0))):
        assert (decode(saved(Image.new(mode, (20, 20), clear))).pixels == 255).all()
    half = decode(saved(Image.new("RGBA", (20, 20), (0, 0, 0, 128)))).pixels
    assert abs(int(half.mean()) - 127) <= 1  # rounding of 255 * 127 / 255
    palette = Image.new("P", (20, 20), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert (decode(saved(palette, transparency=1)).pixels == 255).all()
    assert (decode(saved(palette, transparency=bytes([255, 0]))).pixels == 255).all()
    assert (decode(saved(Image.new("RGB", (20, 20), (9, 9, 9)), transparency=(9, 9, 9))).pixels == 255).all()
    assert (decode(saved(Image.new("L", (20, 20), 9), transparency=9)).pixels == 255).all()


def test_unusual_modes_keep_their_brightness(decode: Callable[..., DecodedImage]) -> None:
    gray = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
    np.testing.assert_array_equal(
        decode(saved(Image.fromarray(gray))).pixels[..., 0], (gray >> 8).astype(np.uint8)
    )
    assert (decode(saved(Image.new("1", (20, 20), 1))).pixels == 255).all()
    ink = decode(saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")).pixels.reshape(-1, 3).mean(0)
    assert ink[0] > 200
    assert max(ink[1:]) < 60
    assert decode(saved(Image.new("L", (16, 16), 77), "JPEG")).pixels.shape == (16, 16, 3)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 10, 10)])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_of_one_color_is_a_picture(
    decode: Callable[..., DecodedImage], color: tuple[int, int, int], kind: str
) -> None:
    found = decode(saved(Image.new("RGB", (40, 30), color), kind))
    assert found.pixels.shape == (30, 40, 3)
    assert np.abs(found.pixels.astype(int) - color).max() <= 3  # lossy codecs round the color once


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_pictures_are_scaled_to_the_shorter_side(
    decode: Callable[..., DecodedImage], kind: str
) -> None:
    data = saved(texture(1_000, 700), kind)
    found = decode(data, ImageLimits(decode_px=100))
    assert found.pixels.shape == (100, 143, 3)
    assert decode(data, ImageLimits(decode_px=700)).pixels.shape == (700, 1_000, 3)
    exact = np.asarray(texture(1_000, 700).resize((143, 100), Image.Resampling.BICUBIC), int)
    # a JPEG is scaled inside its transform, which weighs pixels a little differently
    assert np.abs(found.pixels.astype(int) - exact).mean() < 4


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [(4_000, 10, (2, 800, 3)), (10, 4_000, (800, 2, 3)), (900, 100, (89, 800, 3)), (16, 8, (8, 16, 3))],
)
def test_extreme_shapes_stay_small_and_are_noted(
    decode: Callable[..., DecodedImage], width: int, height: int, shape: tuple[int, int, int]
) -> None:
    found = decode(saved(texture(width, height)), ImageLimits(decode_px=100))
    assert found.pixels.shape == shape
    assert bool(found.notes) == (max(width, height) == 4_000 or width == 900)


def test_bytes_are_counted_before_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.png"
    with path.open("wb") as stream:
        stream.truncate(10**12)  # a terabyte of nothing, as a sparse file
    with pytest.raises(ImageError, match=r"1,000,000,000,000 bytes.*20,971,520") as caught:
        decode_image(path)
    assert caught.value.reason == "too_large"


def test_odd_files_do_not_hold_the_run(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for path, reason in (
        (tmp_path / "pipe.jpg", "not_a_file"),
        (tmp_path, "not_a_file"),
        (tmp_path / "no.jpg", "missing"),
    ):
        with pytest.raises(ImageError) as caught:
            decode_image(path)
        assert caught.value.reason in (reason, "unreadable")
    with pytest.raises(ImageError):
        decode_image(Path("/dev/zero"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(WHOLE["jpeg"])
    for name in ("a.jpg", "sub/b.png", "c d é.JPG", "nepal_01.jpg", "shot.webp", "12:30.jpg", "upper.PNG"):
        (folder / name).write_bytes(WHOLE["jpeg"])
    (folder / "nepal_02").mkdir()
    (folder / "nepal_02.jpeg").write_bytes(WHOLE["jpeg"])
    (folder / "inside.jpg").symlink_to("a.jpg")
    (folder / "outside.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "away").symlink_to(tmp_path)
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "broken.jpg").symlink_to("nowhere.jpg")
    (folder / "passwd.jpg").symlink_to("/etc/passwd")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.jpg")
    return folder


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.jpg", "a.jpg"),
        (" a.jpg ", "a.jpg"),
        ("./a.jpg", "a.jpg"),
        ("sub/b.png", "sub/b.png"),
        ("c d é.JPG", "c d é.JPG"),
        ("inside.jpg", "a.jpg"),
        ("nepal_01", "nepal_01.jpg"),
        ("nepal_02", "nepal_02.jpeg"),
        ("shot", "shot.webp"),
        ("upper", "upper.PNG"),
        ("12:30.jpg", "12:30.jpg"),
        ("away/images/a.jpg", "a.jpg"),
    ],
)
def test_references_inside_the_folder_are_found(root: Path, name: str, file: str) -> None:
    assert resolve_image(ImageRef(path=name), root) == (root / file).resolve()
    assert resolve_image(ImageRef(path=str(root / "a.jpg")), root) == (root / "a.jpg").resolve()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "bad_path"),
        ("   ", "bad_path"),
        ("a\0.jpg", "bad_path"),
        ("a\n.jpg", "bad_path"),
        ("\x1b[31m.jpg", "bad_path"),
        ("x" * 5_000, "missing"),
        ("x" * 300 + ".jpg", "missing"),
        ("sub/" * 3_000 + "a.jpg", "missing"),
        ("http://example.org/a.jpg", "url"),
        ("HTTPS://example.org/a.jpg", "url"),
        ("file:///etc/passwd", "url"),
        ("//server/share/a.jpg", "url"),
        ("data:image/png;base64,AAAA", "url"),
        ("ftp://x/a.jpg", "url"),
        ("../secret.jpg", "outside"),
        ("sub/../../secret.jpg", "outside"),
        ("sub/../a.jpg", "outside"),
        ("..\\secret.jpg", "outside"),
        ("..", "outside"),
        ("/etc/passwd", "outside"),
        ("/dev/zero", "outside"),
        ("/proc/self/mem", "outside"),
        ("outside.jpg", "outside"),
        ("away/secret.jpg", "outside"),
        ("passwd.jpg", "outside"),
        ("zero.jpg", "outside"),
        ("loop.jpg", "not_a_file"),
        ("broken.jpg", "missing"),
        ("pipe.jpg", "not_a_file"),
        ("sub", "not_a_file"),
        (".", "not_a_file"),
        ("nothing.jpg", "missing"),
        ("~/a.jpg", "missing"),
        ("C:\\Users\\a.jpg", "missing"),
        ("a.jpg/b.jpg", "missing"),
        ("$(touch x).jpg", "missing"),
        ("*.jpg", "missing"),
        ("a.jpg%00.png", "missing"),
    ],
)
def test_references_that_lead_elsewhere_are_refused(root: Path, name: str, reason: str) -> None:
    with pytest.raises(ImageError) as caught:
        resolve_image(ImageRef(path=name), root)
    assert caught.value.reason in ({reason, "bad_path"} if len(name) > 250 else {reason})
    assert "; " in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_lone_surrogate_in_a_name_is_refused(root: Path) -> None:
    with pytest.raises(ImageError) as caught:
        resolve_image(ImageRef.model_construct(path="\ud800.jpg"), root)
    assert caught.value.reason == "bad_path"


def test_a_missing_folder_is_missing_pictures(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        resolve_image(ImageRef(path="a.jpg"), tmp_path / "nowhere")
    assert caught.value.reason == "missing"


def test_hostile_files_cost_their_neighbors_nothing_in_any_thread(tmp_path: Path) -> None:
    files, good = [], []
    bad = [data for data, _ in [*FOREIGN.values(), *BOMBS.values()]] + [
        WHOLE[k][: len(WHOLE[k]) // 2] for k in KINDS
    ]
    for i, data in enumerate(bad):
        for name, content in ((f"{i}-bad.jpg", data), (f"{i}-good.jpg", WHOLE[KINDS[i % len(KINDS)]])):
            (tmp_path / name).write_bytes(content)
            files.append(tmp_path / name)
    alone = {}

    def attempt(path: Path) -> DecodedImage | str:
        try:
            return decode_image(path, LIMITS)
        except ImageError as error:
            return error.reason

    for kind in KINDS:
        (tmp_path / "alone.jpg").write_bytes(WHOLE[kind])
        alone[kind] = decode_image(tmp_path / "alone.jpg", LIMITS).pixels
    with warnings.catch_warnings(record=True) as caught, ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        found = list(pool.map(attempt, files))
    assert not caught
    for i in range(len(bad)):
        assert isinstance(found[2 * i], str), files[2 * i]
        good.append(found[2 * i + 1])
        np.testing.assert_array_equal(good[-1].pixels, alone[KINDS[i % len(KINDS)]])


@pytest.mark.real
def test_every_real_photo_is_decoded(shared_data: Path) -> None:
    root = shared_data / "crisismmd"
    paths = sorted((root / "data_image").rglob("*.jpg"))
    assert len(paths) == 299
    for path in paths:
        found = decode_image(resolve_image(ImageRef(path=str(path.relative_to(root))), root))
        assert min(found.pixels.shape[:2]) >= 64
