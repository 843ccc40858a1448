"""How files spell letters, and which file a name means: guesses that say so, names that never lead out."""

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import ImageError, InputError
from crisislens.data.encoding import (
    Encoding,
    bare_name,
    find_encoding,
    named_encoding,
    open_bytes,
    suffix_of,
    text_stream,
)
from crisislens.data.encoding_guess import guess_encoding
from crisislens.data.image_paths import EXTENSIONS, resolve_image
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.domain.post import ImageRef

RUSSIAN = "Наводнение разрушило мост, люди ждут помощи на крышах домов уже второй день\n"
GREEK = "Η πλημμύρα κατέστρεψε τη γέφυρα και οι άνθρωποι περιμένουν βοήθεια στις στέγες\n"
JAPANESE = "洪水で橋が流されました。屋根の上で救助を待っている人がいます。道路も通れません。\n"


@pytest.mark.parametrize(
    ("text", "codec"),
    [(RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (GREEK, "cp1253"), (JAPANESE, "cp932"), (JAPANESE, "euc_jp")],
)
def test_another_script_is_told_from_its_bytes(text: str, codec: str) -> None:
    name, sure = guess_encoding((text * 4).encode(codec))
    assert (text * 4).encode(codec).decode(name) == text * 4
    assert sure


@pytest.mark.parametrize("text", ["Überschwemmung in Köln\n", "inundación en España\n", "déjà vu à Nîmes\n"])
def test_accents_among_plain_letters_are_what_spreadsheets_write(text: str) -> None:
    assert guess_encoding(text.encode("cp1252")) == ("cp1252", True)


def test_a_few_letters_beyond_ascii_are_no_ground_for_a_guess() -> None:
    name, sure = guess_encoding("мост".encode("cp1251"))
    assert (name, sure) == ("cp1252", False)


@pytest.mark.parametrize(
    ("content", "name", "how"),
    [
        (b"", "utf-8", "utf-8"),
        (b"plain", "utf-8", "utf-8"),
        ("é".encode(), "utf-8", "utf-8"),
        (b"\xef\xbb\xbfid", "utf-8", "mark"),
        ("id,ü".encode("utf-16"), "utf-16", "mark"),
        ("id,ü".encode("utf-32"), "utf-32", "mark"),
        (("id,text\n" * 9).encode("utf-16-le"), "utf-16-le", "detected"),
        (("id,text\n" * 9).encode("utf-16-be"), "utf-16-be", "detected"),
        # zeros on both sides are no text
        (bytes(64), "utf-8", "utf-8"),
        ((RUSSIAN * 4).encode("cp1251"), "cp1251", "detected"),
        # one bad line among good ones is the line's own matter
        (("мост\n" * 9).encode() + b"caf\xe9\n", "utf-8", "utf-8"),
    ],
    ids=range(11),
)
def test_how_a_file_is_read(content: bytes, name: str, how: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    found = find_encoding(path)
    assert (found.name, found.how) == (name, how)
    assert (found.note("a.csv") is None) == (how != "detected")
    with gzip.open(tmp_path / "b.csv.gz", "wb") as packed:
        packed.write(content)
    assert find_encoding(tmp_path / "b.csv.gz") == found


def test_what_the_user_says_wins_and_the_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid")
    given_ = named_encoding("UTF8")
    assert find_encoding(path, given_) == Encoding("utf-8", "given", 3)
    assert find_encoding(path, named_encoding("cp1251")).mark == 0
    assert [*read_lines(path, find_encoding(path, given_))] == ["id"]


@pytest.mark.parametrize("name", ["", "klingon", "base64", "rot13", "idna\0"])
def test_a_name_of_no_encoding(name: str) -> None:
    with pytest.raises(InputError, match=r"no encoding named .*give one such as utf-8"):
        named_encoding(name)


def test_a_guess_says_how_sure_it_is() -> None:
    sure = Encoding("cp1251", "detected").note("a.csv")
    unsure = Encoding("cp932", "detected", sure=False).note("a.csv")
    assert sure is not None
    assert unsure is not None
    assert "it was read as cp1251; if its letters are wrong, say --encoding NAME" in sure
    assert "Shift JIS (cp932)" in unsure
    assert "no answer that rests on its letters is sure" in unsure


@pytest.mark.parametrize(
    ("name", "suffix", "bare"),
    [
        ("a.CSV", ".csv", "a.CSV"),
        ("a.csv.gz", ".csv", "a.csv"),
        ("a.JSONL.GZ", ".jsonl", "a.JSONL"),
        ("a.gz", "", "a"),
        ("a", "", "a"),
    ],
)
def test_the_suffix_says_what_a_file_is(name: str, suffix: str, bare: str) -> None:
    assert (suffix_of(Path(name)), bare_name(Path(name)).name) == (suffix, bare)


def test_an_archive_that_ends_early_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    lines = [f"line {i} {os.urandom(20).hex()}" for i in range(5_000)]
    with gzip.open(path, "wb") as packed:
        packed.write("\n".join(lines).encode())
    path.write_bytes(path.read_bytes()[:-2_000])
    found = [*read_lines(path, Encoding())]
    assert isinstance(found[-1], BrokenRow)
    assert "the rest of the compressed file cannot be read" in found[-1].reason
    assert found[:100] == lines[:100]


def test_bytes_that_do_not_fit_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("a\u2028b\r\nc".encode("utf-16-le") + b"\x00")
    with text_stream(path, Encoding("utf-16-le", "given")) as stream:
        assert stream.read() == "a\u2028b\r\nc\ufffd"
    with open_bytes(path) as raw:
        assert raw.read(1) == b"a"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "Sub Folder").mkdir(parents=True)
    for name in ("a.jpg", "B.PNG", "e\u0301t\u00e9.webp", "Sub Folder/c.jpeg", "50%25.gif", "d"):
        (root / name).write_bytes(b"x")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.jpg", "a.jpg"),
        (" a.jpg ", "a.jpg"),
        ("a", "a.jpg"),
        ("A.JPG", "a.jpg"),
        ("b", "B.PNG"),
        ("\u00e9te\u0301.WEBP", "e\u0301t\u00e9.webp"),
        ("sub folder\\C.jpeg", "Sub Folder/c.jpeg"),
        ("Sub%20Folder/c", "Sub Folder/c.jpeg"),
        ("./Sub Folder//c.jpeg", "Sub Folder/c.jpeg"),
        # the very name before what percent signs may stand for
        ("50%25.gif", "50%25.gif"),
        ("d", "d"),
    ],
)
def test_the_file_that_a_name_means(name: str, found: str, folder: Path) -> None:
    assert resolve_image(ImageRef(path=name), folder) == (folder / found).resolve()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "bad_path"),
        (" ", "bad_path"),
        ("a\0.jpg", "bad_path"),
        ("a\n.jpg", "bad_path"),
        ("x" * 5_000, "missing"),
        ("https://example.org/a.jpg", "url"),
        ("//example.org/a.jpg", "url"),
        ("data:image/png;base64,xx", "url"),
        ("../secret.jpg", "outside"),
        ("Sub Folder/../../secret.jpg", "outside"),
        ("..\\secret.jpg", "outside"),
        ("/etc/passwd", "outside"),
        ("..%2Fsecret.jpg", "missing"),
        ("Sub Folder", "not_a_file"),
        ("absent.jpg", "missing"),
    ],
)
def test_names_that_mean_no_picture(name: str, reason: str, folder: Path) -> None:
    with pytest.raises(ImageError) as caught:
        resolve_image(ImageRef(path=name), folder)
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 250


def test_a_link_may_not_lead_out(folder: Path) -> None:
    (folder / "out.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "in.jpg").symlink_to(folder / "a.jpg")
    with pytest.raises(ImageError, match=r"leads outside the image folder"):
        resolve_image(ImageRef(path="out.jpg"), folder)
    assert resolve_image(ImageRef(path="in.jpg"), folder).name == "a.jpg"


def test_of_two_alike_names_none_counts(folder: Path) -> None:
    (folder / "twin.jpg").write_bytes(b"x")
    (folder / "Twin.jpg").write_bytes(b"x")
    assert resolve_image(ImageRef(path="Twin.jpg"), folder).name == "Twin.jpg"
    with pytest.raises(ImageError, match=r"no picture at 'TWIN.JPG'"):
        resolve_image(ImageRef(path="TWIN.JPG"), folder)


PARTS = st.lists(
    st.sampled_from(
        ["a", "..", ".", "/", "\\", "%2e%2e", "%2F", "secret", ".jpg", "photos", "~", "\u202e", "//"]
    ),
    max_size=7,
).map("".join)


@settings(max_examples=200)
@given(PARTS)
def test_no_name_leads_out_of_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "inside" / "photos"
    root.mkdir(parents=True, exist_ok=True)
    (root / "a.jpg").write_bytes(b"x")
    (root.parent / "secret.jpg").write_bytes(b"x")
    try:
        found = resolve_image(ImageRef(path=name), root)
    except ImageError:
        return
    assert found.is_relative_to(root.resolve())
    assert found.suffix in EXTENSIONS
