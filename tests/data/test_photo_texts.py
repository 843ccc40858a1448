"""Photos with texts of their own: which rows are taken, and what is said of a table that cannot be used."""

from pathlib import Path

import pytest

from crisislens.core.errors import DataError
from crisislens.data.photo_texts import PhotoTexts, read_photo_texts

TABLE = (
    "file\tset\tlabel\ttext\n"
    "a.jpg\tcaptioned\tx\tA dog . || a dog runs || \n"
    'b.jpg\teveryday\tx\tI said "go"\n'
    "c.jpg\tdisaster\tflood\t\n"
)


@pytest.mark.parametrize(
    ("sets", "files"), [((), ["a.jpg", "b.jpg"]), (("everyday",), ["b.jpg"]), (("captioned",), ["a.jpg"])]
)
def test_rows_with_a_text_are_taken(tmp_path: Path, sets: tuple[str, ...], files: list[str]) -> None:
    (tmp_path / "t.tsv").write_text(TABLE)
    assert [row.file for row in read_photo_texts(tmp_path / "t.tsv", sets)] == files


def test_texts_are_cut_and_quotes_are_letters(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text(TABLE)
    first, second = read_photo_texts(tmp_path / "t.tsv")
    assert first == PhotoTexts("a.jpg", ("A dog .", "a dog runs"))
    assert second.texts == ('I said "go"',)


@pytest.mark.parametrize(
    ("content", "sets", "said"),
    [
        (None, (), "no table of photos"),
        ("file\tset\n", (), "lacks the column text"),
        (TABLE, ("disaster",), "no photo with a text in disaster"),
        ("file\tset\ttext\n", (), "no photo with a text in any set"),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, content: str | None, sets: tuple[str, ...], said: str
) -> None:
    if content is not None:
        (tmp_path / "t.tsv").write_text(content)
    with pytest.raises(DataError, match=said):
        read_photo_texts(tmp_path / "t.tsv", sets)
