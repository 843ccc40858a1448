"""Headers built by hand: what a picture claims is read within bounds, and what it hides is left out."""

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crisislens.core.errors import ImageError
from crisislens.data.image_claims import IMAGE_FORMATS, ImageHeader
from crisislens.data.image_headers import read_header


def claims(data: bytes, most: int = 10) -> tuple[str, int, int, int, int]:
    header = read_header(data, max_frames=most)
    return header.format, header.width, header.height, header.frames, header.orientation


def refused(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_header(data, max_frames=10)
    return caught.value.reason


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def size_box(width: int, height: int) -> bytes:
    return box(b"ispe", bytes(4) + struct.pack(">II", width, height))


def heif(brand: bytes, meta: bytes) -> bytes:
    return box(b"ftyp", brand + bytes(4) + brand) + box(b"meta", bytes(4) + meta)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (heif(b"heic", size_box(40, 30)), ("HEIC", 40, 30, 1, 1)),
        (heif(b"avif", size_box(40, 30)), ("AVIF", 40, 30, 1, 1)),
        # thumbnails and tiles have sizes of their own: the largest counts
        (heif(b"heic", size_box(8, 8) + size_box(40, 30) + size_box(9, 9)), ("HEIC", 40, 30, 1, 1)),
        # a quarter turn: HEIC's decoder does it, of AVIF it is told as EXIF would
        (heif(b"heic", size_box(40, 30) + box(b"irot", b"\x01")), ("HEIC", 30, 40, 1, 1)),
        (heif(b"heic", size_box(40, 30) + box(b"irot", b"\x02")), ("HEIC", 40, 30, 1, 1)),
        (heif(b"avif", size_box(40, 30) + box(b"irot", b"\x01")), ("AVIF", 40, 30, 1, 8)),
        (heif(b"avif", size_box(40, 30) + box(b"irot", b"\x02")), ("AVIF", 40, 30, 1, 3)),
        (heif(b"avif", size_box(40, 30) + box(b"irot", b"\x03")), ("AVIF", 40, 30, 1, 6)),
    ],
)
def test_heif(data: bytes, expected: tuple[object, ...]) -> None:
    assert claims(data) == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (heif(b"isom", size_box(4, 4)), "unknown_format"),
        (heif(b"heic", b""), "damaged"),
        (box(b"ftyp", b"heic" + bytes(4)), "truncated"),
        (box(b"ftyp", b"heic" + bytes(4)) + struct.pack(">I", 999) + b"meta", "truncated"),
        (box(b"ftyp", b"heic" + bytes(4)) + struct.pack(">I", 4) + b"free", "damaged"),
        (box(b"ftyp", b"heic" + bytes(4)) + box(b"free", b"") * 100_001, "too_complex"),
    ],
)
def test_heif_that_cannot_be_believed(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def exif(orientation: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "I", 8) + struct.pack(order + "H", 1) + entry


def jpeg(*segments: bytes, width: int = 40, height: int = 30, tail: bytes = b"") -> bytes:
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 8, 8, height, width, 1)
    return b"\xff\xd8" + b"".join(segments) + frame + b"\xff\xda\x00\x02" + b"data\xff\xd9" + tail


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", 2 + len(body)) + body


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 8, 9])
def test_the_orientation_of_a_jpeg(orientation: int, order: str) -> None:
    data = jpeg(segment(0xE1, b"Exif\0\0" + exif(orientation, order)))
    expected = orientation if 1 <= orientation <= 8 else 1
    assert claims(data) == ("JPEG", 40, 30, 1, expected)


@pytest.mark.parametrize("block", [b"", b"II*\0", b"XX*\0" + bytes(8), b"II*\0" + b"\xff" * 4, exif(6)[:-3]])
def test_a_broken_exif_block_never_costs_the_picture(block: bytes) -> None:
    assert claims(jpeg(segment(0xE1, b"Exif\0\0" + block)))[-1] == 1


def test_only_what_makes_pixels_reaches_the_decoder_of_a_jpeg() -> None:
    hidden = [segment(0xE1, b"Exif\0\0secret"), segment(0xE2, b"ICC"), segment(0xFE, b"comment")]
    kept = [segment(0xE0, b"JFIF\0"), segment(0xEE, b"Adobe"), segment(0xDB, b"table")]
    header = read_header(jpeg(*hidden, *kept, tail=b"behind the end"), max_frames=1)
    assert all(part not in header.payload for part in (*hidden, b"behind"))
    assert all(part in header.payload for part in kept)
    assert header.payload.endswith(b"\xff\xd9")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff\xd9", "truncated"),
        (b"\xff\xd8\xff\xe0\x00\x01", "truncated"),
        (b"\xff\xd8\xff\xe0\xff\xff", "truncated"),
        (b"\xff\xd8\xff\xe0\x00\x02no marker", "damaged"),
        (b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "damaged"),
        (jpeg()[:-2], "truncated"),
        (jpeg().replace(b"data", b"\xff\xda" * 101), "too_complex"),
    ],
)
def test_jpegs_that_cannot_be_believed(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def chunk(kind: bytes, body: bytes, wrong: int = 0) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body) ^ wrong)


PNG = b"\x89PNG\r\n\x1a\n"
IHDR = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
IDAT, IEND = chunk(b"IDAT", b"x"), chunk(b"IEND", b"")


def test_only_what_makes_pixels_reaches_the_decoder_of_a_png() -> None:
    text, profile = chunk(b"tEXt", b"secret", wrong=1), chunk(b"iCCP", b"secret")
    clear = chunk(b"tRNS", b"\0")
    data = PNG + IHDR + text + profile + clear + chunk(b"eXIf", exif(6)) + IDAT + IEND + b"behind"
    header = read_header(data, max_frames=1)
    assert header == ImageHeader("PNG", 40, 30, 1, 6, PNG + IHDR + clear + IDAT + IEND)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (PNG, "truncated"),
        (PNG + IHDR, "truncated"),
        (PNG + IHDR + IEND, "damaged"),
        (PNG + IDAT + IHDR + IEND, "damaged"),
        (PNG + IHDR + chunk(b"IDAT", b"x", wrong=1) + IEND, "damaged"),
        (PNG + IHDR + IDAT[:-1], "truncated"),
        (PNG + IHDR + chunk(b"tEXt", b"") * 100_000 + IEND, "too_complex"),
    ],
)
def test_pngs_that_cannot_be_believed(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_an_animated_png_says_how_many_pictures_it_has() -> None:
    assert claims(PNG + IHDR + chunk(b"acTL", struct.pack(">II", 7, 0)) + IDAT + IEND)[3] == 7


def webp(*chunks: bytes, claimed: int = 0) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + claimed) + body


def riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


EXTENDED = riff(b"VP8X", bytes(4) + (39).to_bytes(3, "little") + (29).to_bytes(3, "little"))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (webp(EXTENDED), (40, 30, 1, 1)),
        (webp(riff(b"VP8 ", bytes(6) + struct.pack("<HH", 40 | 0x4000, 30))), (40, 30, 1, 1)),
        (webp(riff(b"VP8L", b"\x2f" + struct.pack("<I", 39 | 29 << 14))), (40, 30, 1, 1)),
        (webp(EXTENDED, *[riff(b"ANMF", b"x")] * 4), (40, 30, 4, 1)),
        # counting stops one above the limit
        (webp(EXTENDED, *[riff(b"ANMF", b"x")] * 40), (40, 30, 11, 1)),
        (webp(EXTENDED, riff(b"EXIF", exif(6))), (40, 30, 1, 6)),
        (webp(EXTENDED, riff(b"EXIF", b"Exif\0\0" + exif(3))), (40, 30, 1, 3)),
    ],
)
def test_webp(data: bytes, expected: tuple[int, ...]) -> None:
    assert claims(data)[1:] == expected


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RIFF\0\0\0\0WAVE", "unknown_format"),
        (webp(EXTENDED, claimed=9), "truncated"),
        (webp(riff(b"ALPH", b"x")), "damaged"),
        (b"BM" + bytes(4), "truncated"),
        (b"%PDF-1.7", "unknown_format"),
        (b"II*\0 a TIFF", "unknown_format"),
        (b"", "unknown_format"),
        (b"GIF89a", "truncated"),
        (b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b";", "damaged"),
    ],
)
def test_other_files_that_cannot_be_believed(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def bmp(width: int, height: int, *, compression: int = 0, short: int = 0) -> bytes:
    pixels = bytes(max(0, (width * 24 + 31) // 32 * 4 * abs(height) - short))
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + head + pixels


def test_bmp_counts_its_bytes() -> None:
    assert claims(bmp(5, 3))[:3] == ("BMP", 5, 3)
    # rows from the top have a negative height
    assert claims(bmp(5, -3))[:3] == ("BMP", 5, 3)
    assert refused(bmp(5, 3, short=1)) == "truncated"
    assert refused(bmp(-5, 3)) == "truncated"
    assert refused(bmp(5, 3, compression=1)) == "unknown_format"


def test_a_gif_that_was_cut_keeps_its_whole_frames() -> None:
    buffer = io.BytesIO()
    frames = [Image.new("P", (6, 4), i) for i in range(3)]
    for i, frame in enumerate(frames):
        frame.putpixel((i, 0), 9)
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    data = buffer.getvalue()
    assert claims(data)[:4] == ("GIF", 6, 4, 3)
    assert claims(data[:-3])[3] == 2
    assert claims(data, most=1)[3] == 2, "counting stops one above the limit"


STARTS = st.sampled_from(
    [
        b"\xff\xd8\xff",
        PNG,
        PNG + IHDR,
        b"GIF89a",
        b"RIFF\x30\0\0\0WEBPVP8X",
        b"BM",
        b"\0\0\0\x18ftypheic",
        b"",
    ]
)


@given(STARTS, st.binary(max_size=60))
def test_any_bytes_are_a_claim_or_a_reason(start: bytes, rest: bytes) -> None:
    reason, header = "", None
    try:
        header = read_header(start + rest, max_frames=5)
    except ImageError as error:
        reason = error.reason
    if header is None:
        assert reason in {"unknown_format", "truncated", "damaged", "too_complex"}
        return
    assert header.format in IMAGE_FORMATS
    assert 1 <= header.orientation <= 8
    assert header.frames >= 1
