"""The photos' bytes: encoded anew, kept once, under no name but their content's."""

import errno
import hashlib
import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crisislens.core.errors import ImageError, NotFoundError, StoreError, StoreFullError
from crisislens.data.images import DecodedImage, ImageLimits
from crisislens.store import blobs as blobs_module
from crisislens.store.blobs import STORED_LIMITS, Blobs


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty folder, not made yet."""
    return Blobs(tmp_path / "deep" / "blobs")


def encoded(picture: Image.Image, form: str = "PNG", **more: Any) -> bytes:
    """A picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **more)
    return buffer.getvalue()


def drawn(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture with something on it."""
    return Image.effect_mandelbrot(size, (-2, -1, 1, 1), 30).convert(mode)


@pytest.mark.parametrize("left", [0, 100])
def test_a_photo_that_was_cut_is_written_again(blobs: Blobs, left: int) -> None:
    data = encoded(drawn())
    photo = blobs.keep(data)
    whole = blobs.read(photo.sha256 or "")
    file = blobs.folder / blobs.name(photo.sha256 or "")
    file.write_bytes(whole[:left])
    assert blobs.keep(data) == photo
    assert blobs.read(photo.sha256 or "") == whole
    # one that is whole is left as it is
    before = file.stat()
    blobs.keep(data)
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize(("mode", "form"), [("RGB", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("L", "WEBP")])
def test_what_comes_is_kept_as_a_jpeg_of_its_content(blobs: Blobs, mode: str, form: str) -> None:
    data = encoded(drawn(mode), form)
    photo = blobs.keep(data)
    assert photo.sha256 is not None
    kept = blobs.read(photo.sha256)
    assert hashlib.sha256(kept).hexdigest() == photo.sha256
    assert hashlib.sha256(data).hexdigest() == photo.origin
    assert (photo.width, photo.height, photo.size) == (60, 40, len(kept))
    opened = Image.open(io.BytesIO(kept))
    assert (opened.format, opened.mode, opened.size) == ("JPEG", "RGB", (60, 40))
    assert (blobs.folder / blobs.name(photo.sha256)).read_bytes() == kept


def test_where_and_with_what_it_was_taken_is_gone(blobs: Blobs) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Somebody's Phone"
    exif.get_ifd(0x8825)[1] = "N"
    photo = blobs.keep(encoded(drawn(), "JPEG", exif=exif, comment=b"a secret"))
    kept = blobs.read(photo.sha256 or "")
    assert b"Phone" not in kept
    assert b"secret" not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()


def test_a_large_photo_is_kept_smaller(blobs: Blobs) -> None:
    side = STORED_LIMITS.decode_px
    photo = blobs.keep(encoded(Image.new("RGB", (2 * side, 3 * side), "teal"), "JPEG"))
    assert (photo.width, photo.height) == (side, 3 * side // 2)


def test_many_who_send_one_photo_make_one_file(blobs: Blobs) -> None:
    data = encoded(drawn())
    kept: list[str | None] = []
    threads = [threading.Thread(target=lambda: kept.append(blobs.keep(data).sha256)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(kept) == 6
    assert blobs.names() == set(kept)
    assert len([path for path in blobs.folder.rglob("*") if path.is_file()]) == 1


def test_a_photo_is_removed_once_and_strays_are_no_photos(blobs: Blobs) -> None:
    assert blobs.names() == set()
    photo = blobs.keep(encoded(drawn()))
    name = photo.sha256 or ""
    (blobs.folder / name[:2] / "notes.jpg").write_text("x")
    (blobs.folder / f"{'0' * 64}.jpg").write_text("x")
    assert blobs.names() == {name}
    assert [blobs.remove(name), blobs.remove(name)] == [True, False]
    assert blobs.names() == set()
    with pytest.raises(NotFoundError, match="may have been erased"):
        blobs.read(name)


@given(
    st.text(max_size=70) | st.sampled_from(["../" * 3 + "etc/passwd", "a" * 63, "A" * 64, "0" * 64 + "\n"])
)
def test_no_other_name_reads_a_file(name: str) -> None:
    with pytest.raises(NotFoundError):
        Blobs(Path("/")).read(name)


FAULTS = [
    (errno.ENOSPC, StoreFullError, "is full; free some room"),
    (errno.EDQUOT, StoreFullError, "is full; free some room"),
    (errno.EACCES, StoreError, "may crisislens write there"),
    (errno.EROFS, StoreError, "may crisislens write there"),
]


@pytest.mark.parametrize(("number", "kind", "said"), FAULTS, ids=lambda value: str(value)[:12])
def test_a_disk_that_refuses_is_one_sentence(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[StoreError], said: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    data = encoded(drawn())
    monkeypatch.setattr(blobs_module, "atomic_write", refuse)
    with pytest.raises(StoreError, match=said) as refused:
        blobs.keep(data)
    assert type(refused.value) is kind
    assert not isinstance(refused.value, StoreFullError) or refused.value.status == 507
    assert blobs.names() == set()
    monkeypatch.undo()
    photo = blobs.keep(data)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(StoreError, match=said):
        blobs.remove(photo.sha256 or "")


def test_what_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    small = Blobs(tmp_path, limits=STORED_LIMITS.model_copy(update={"max_bytes": 500}))
    with pytest.raises(ImageError) as refused:
        small.keep(encoded(drawn()) + bytes(500))
    assert refused.value.reason
    assert small.names() == set()


def test_room_is_told_also_of_a_folder_that_is_not_there(blobs: Blobs, tmp_path: Path) -> None:
    assert not blobs.folder.exists()
    assert blobs.free_bytes() > 0
    assert not blobs.folder.exists()


def test_a_photo_is_decoded_from_a_file_that_nobody_holds_open(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows does not open a file by its name that is still open for writing."""
    handles = Path("/proc/self/fd")
    if not handles.is_dir():
        pytest.skip("which files are open is not told here")
    decode, read = blobs_module.decode_image, []

    def looked_at(path: Path, limits: ImageLimits) -> DecodedImage:
        # the look itself holds a folder open, which is gone a moment later
        held = [Path(os.path.realpath(handle)) for handle in handles.iterdir()]
        assert path.resolve() not in held
        read.append(path)
        return decode(path, limits)

    monkeypatch.setattr(blobs_module, "decode_image", looked_at)
    blobs.keep(encoded(drawn()))
    [file] = read
    assert not file.exists()
    assert not file.parent.exists()
