"""Titles above a table, and the blank rows below it, as spreadsheets save them."""

from pathlib import Path

import pytest

from crisislens.core.errors import InputError
from crisislens.data.headings import rows_above
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post

TITLE = ["Flood reports", "", ""]


@pytest.mark.parametrize(
    ("rows", "above"),
    [
        ([], 0),
        ([["id", "text"], ["1", "x"]], 0),
        # a title and a date above names that are known, padded or not
        ([TITLE, ["id", "text", "x"]], 1),
        ([["Flood reports"], ["as of 3 May"], ["id", "text"]], 2),
        # names that nobody knows: a padded title, and a filled row behind
        ([TITLE, ["Nr", "What they say", ""], ["1", "x", ""]], 1),
        ([TITLE, ["Nr", "What they say", ""], ["1", "", ""]], 0),
        # a table of one column; a separator in a post proves nothing
        ([["tweet"], ["Help", " we are trapped"], ["No", " wait"]], 0),
        ([["text"], ["id", "text"]], 0),
        ([["text", ""], ["id", "date"]], 0),
        # names that are no title, and a title without a table
        ([["Nr", "What they say"], ["id", "text"]], 0),
        ([TITLE, TITLE], 0),
        ([TITLE] * 9 + [["id", "text", "x"]], 0),
    ],
)
def test_where_the_names_stand(rows: list[list[str]], above: int) -> None:
    assert rows_above(rows) == above


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_sheet_saved_with_its_title_and_blank_rows(tmp_path: Path, separator: str) -> None:
    lines = ["Flood reports;;", "as of 3 May;;", "Nr;id;message", "1;a;Send a boat", ";;", "2;b;", "; ;"]
    path = tmp_path / ("posts.csv" if separator == ";" else "posts.tsv")
    path.write_text("\n".join(lines).replace(";", separator), encoding="utf-8")
    source = read_posts(path)
    assert [(post.id, getattr(post, "text", None)) for post in source] == [("a", "Send a boat"), ("b", "")]
    notes = source.describe()["notes"]
    # a line of tabs alone is blank before it is a row
    blank = ["2 blank rows left out"] if separator == ";" else []
    assert notes == [*blank, "2 lines above the column names left out"]


def test_a_workbook_with_a_title(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (
        ["Flood reports"],
        [],
        ["Nr", "When", "What they say"],
        [1, "2026-05-03", "Send a boat"],
        [None],
    ):
        book.active.append(row)
    book.save(tmp_path / "posts.xlsx")
    # the columns without a name are not listed
    with pytest.raises(InputError, match="its columns are Nr, When, What they say"):
        read_posts(tmp_path / "posts.xlsx", {"text": "What"})
    source = read_posts(tmp_path / "posts.xlsx", {"text": "What they say"})
    assert [post.text for post in source] == ["Send a boat"]
    assert source.describe()["notes"] == ["1 lines above the column names left out"]


@pytest.mark.parametrize(
    "header",
    ["Nr;Mensaje;Fecha;Foto", "nr;texto;when;imagem", "Nr;Mesaj;Tarih;photo", "Nr;Nachricht;Datum;foto"],
)
def test_columns_are_known_in_the_languages_of_sheets(tmp_path: Path, header: str) -> None:
    path = tmp_path / "posts.csv"
    path.write_text(f"{header}\n1;#REF!;2026-05-01;a.jpg\n2;Agua;2026-05-02;\n", encoding="utf-8")
    first, second = read_posts(path)
    # a failed formula is nobody's word
    assert (first.text, second.text) == ("", "Agua")
    assert [f"{post.created_at:%d}" for post in (first, second)] == ["01", "02"]
    assert first.image.path == "a.jpg"


@pytest.mark.parametrize("named", ["text", "What is needed?"])
def test_columns_of_one_name_are_told_apart(tmp_path: Path, named: str) -> None:
    table = tmp_path / "twice.csv"
    table.write_text(f"id,{named},{named}\n1,Bridge is gone,\n2,,We need water\n", encoding="utf-8")
    known = named == "text"
    source = read_posts(table, None if known else {"text": named})
    assert [post.text for post in source if isinstance(post, Post)] == [
        "Bridge is gone",
        "We need water" if known else "",
    ]
    notes = source.describe()["notes"]
    assert isinstance(notes, list)
    assert f"several columns are named {named!r}" in notes[0]
    second = read_posts(table, {"text": f"{named} (2)"})
    assert [post.text for post in second if isinstance(post, Post)] == ["", "We need water"]
