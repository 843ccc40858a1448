"""Names of photos as tables and disks write them differently, and the formats of phones."""

import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, features

from crisislens.core.errors import ImageError
from crisislens.data import image_paths
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.post import ImageRef

NFC = "Überschwemmung.jpg"
NFD = unicodedata.normalize("NFD", NFC)


def found(name: str, root: Path) -> str:
    return resolve_image(ImageRef(path=name), root).relative_to(root.resolve()).as_posix()


@pytest.mark.parametrize(
    ("given", "on_disk"),
    [
        (NFC, NFD),
        (NFD, NFC),
        (f"Fotos/{NFC}", f"fotos/{NFD}"),
        ("photos\\day 1\\a.jpg", "photos/day 1/a.jpg"),
        ("IMG_0001.JPG", "img_0001.jpg"),
        ("img_0001", "IMG_0001.JPG"),
        ("./photos/A.png", "Photos/a.PNG"),
        ("main%20street.jpg", "main street.jpg"),
        ("STRASSE.jpg", "straße.jpg"),
    ],
)
def test_a_name_that_differs_in_writing_only_is_found(tmp_path: Path, given: str, on_disk: str) -> None:
    path = tmp_path / on_disk
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert found(given, tmp_path) == on_disk


def test_the_very_name_goes_before_one_that_is_alike(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert found("A.jpg", tmp_path) == "A.jpg"


def test_of_two_names_that_are_alike_none_is_taken(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.jpg"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ImageError, match="no picture at"):
        found("a.JPG", tmp_path)


def test_a_photo_that_comes_later_is_found(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture at"):
        found("B.jpg", tmp_path)
    (tmp_path / "b.jpg").write_bytes(b"x")
    # the folder's time has changed
    assert found("B.jpg", tmp_path) == "b.jpg"


def test_a_folder_is_listed_once_for_all_photos_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = [f"day {number}" for number in range(12)]
    for day in days:
        (tmp_path / day).mkdir()
        (tmp_path / day / "there.jpg").write_bytes(b"x")
    listed: list[str] = []
    scandir = os.scandir

    def counted(folder: str) -> Any:
        listed.append(Path(folder).name)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    # the rows of a table jump between the days
    posts = [(f"{number}.jpg", day) for number in range(3) for day in days]
    for name, day in posts:
        with pytest.raises(ImageError) as caught:
            found(f"{day}/{name}", tmp_path)
        assert caught.value.reason == "missing"
        assert found(f"{day}/THERE.jpg", tmp_path) == f"{day}/there.jpg"
    assert sorted(listed) == sorted(days)


def test_listings_are_kept_within_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_paths, "_MOST_NAMES", 3)
    listings = image_paths._Listings()
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.jpg").write_bytes(b"x")
        assert listings.of(str(tmp_path / name)) == {"photo.jpg": "photo.jpg"}
    # each costs its names and one for itself; the last one asked for is there
    assert list(listings._kept) == [str(tmp_path / "c")]


@pytest.mark.parametrize(
    "name", ["..\\secret.jpg", "%2e%2e/SECRET.jpg", "a\\..\\..\\secret.jpg", "..%2fsecret.jpg"]
)
def test_no_writing_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    root = tmp_path / "photos"
    root.mkdir()
    with pytest.raises(ImageError) as caught:
        found(name, root)
    assert caught.value.reason in ("outside", "missing")


def test_a_link_that_is_alike_does_not_lead_out(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"x")
    root = tmp_path / "photos"
    root.mkdir()
    (root / "Link.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(ImageError) as caught:
        found("link.jpg", root)
    assert caught.value.reason == "outside"


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow cannot write AVIF")
def test_avif_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.new("RGB", (640, 480), (200, 30, 30)).save(path, "AVIF")
    pixels = decode_image(path).pixels
    assert pixels.shape == (320, 427, 3)
    assert abs(int(pixels[0, 0, 0]) - 200) < 10
    with pytest.raises(ImageError) as caught:
        decode_image(path, ImageLimits(max_pixels=1_000))
    assert caught.value.reason == "too_many_pixels"


def test_heic_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed (the extra heif)")
    path = tmp_path / "a.heic"
    heif.from_pillow(Image.new("RGB", (640, 480), (200, 30, 30))).save(path)
    assert decode_image(path).pixels.shape == (320, 427, 3)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(ImageError):
        decode_image(path)


def box(kind: bytes, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def heic(meta: bytes) -> bytes:
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta


SIZE = box(b"ispe", bytes(4) + (64).to_bytes(4, "big") + (48).to_bytes(4, "big"))


def test_heic_without_the_extra_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "a.heic"
    path.write_bytes(heic(box(b"meta", bytes(4) + SIZE)))
    with pytest.raises(ImageError, match=r"crisislens\[heif\]") as caught:
        decode_image(path)
    assert caught.value.reason == "needs_extra"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (box(b"ftyp", b"isom\0\0\0\0mp42"), "unknown_format"),
        (heic(b""), "truncated"),
        (heic(box(b"meta", bytes(4))), "damaged"),
        (heic(box(b"free", b"") + b"\0\0\0\1meta"), "damaged"),
        (heic(b"\0\0\0\1free"), "damaged"),
        (heic(box(b"meta", b"ispe")), "too_small"),
        (heic(box(b"meta", SIZE.replace(b"\0\0\0\x40", b"\xff\xff\xff\xff"))), "too_many_pixels"),
    ],
)
def test_broken_claims_of_phone_formats_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        decode_image(path)
    assert caught.value.reason == reason


def test_a_heic_of_random_bytes_never_breaks_the_reader(tmp_path: Path) -> None:
    import random

    draw = random.Random(7)
    path = tmp_path / "a.heic"
    whole = heic(box(b"meta", bytes(4) + SIZE) + box(b"mdat", bytes(64)))
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(8, len(data))] = draw.randrange(256)
        path.write_bytes(bytes(data[: draw.randint(12, len(data))]))
        with pytest.raises(ImageError):
            decode_image(path)
