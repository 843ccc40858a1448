"""What commands make of `--map`, `--set` and `--images`, and what they say of how posts were read."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.cli.caption import options_of
from crisislens.cli.reading import columns_of, open_posts, photo_folder, say_notes
from crisislens.cli.run_words import tell
from crisislens.core.errors import InputError
from crisislens.domain.post import Post

NAMES = st.text(st.characters(codec="ascii", exclude_characters="=", categories=("L", "N", "P")), min_size=1)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], {}),
        (["text=tweetText"], {"text": "tweetText"}),
        ([" text = tweetText "], {"text": "tweetText"}),
        (["text=record.text", "id=uri"], {"text": "record.text", "id": "uri"}),
        # a column may have any name, and none at all says that the table has none
        (["text=a=b"], {"text": "a=b"}),
        (["image="], {"image": ""}),
        (["text=a", "text=b"], {"text": "b"}),
    ],
)
def test_pairs_of_field_and_column(pairs: list[str], expected: dict[str, str]) -> None:
    assert columns_of(pairs) == expected


@pytest.mark.parametrize("pair", ["text", "", "=", "=column", "  =column"])
def test_a_pair_without_a_field_is_told(pair: str) -> None:
    with pytest.raises(InputError, match="is not of the form FIELD=COLUMN, as in text=tweetText"):
        columns_of([pair])


@given(st.dictionaries(NAMES, st.text(max_size=12)))
def test_what_was_written_is_what_is_read(columns: dict[str, str]) -> None:
    expected = {field: name.strip() for field, name in columns.items()}
    assert columns_of([f"{field}={name}" for field, name in columns.items()]) == expected


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (["model=llava"], {"model": "llava"}),
        (["workers=3", "timeout_s=0.5"], {"workers": 3, "timeout_s": 0.5}),
        (["table="], {"table": ""}),
        (["key=a=b"], {"key": "a=b"}),
        # what is no YAML is text, as an address with a blank and a brace
        (["prompt={a", "url=[x"], {"prompt": "{a", "url": "[x"}),
    ],
)
def test_options_keep_their_types(pairs: list[str], expected: dict[str, Any]) -> None:
    assert options_of(pairs) == expected


def test_photos_are_beside_the_posts_or_where_one_says(tmp_path: Path) -> None:
    posts = tmp_path / "posts.csv"
    assert photo_folder(None, posts) == tmp_path
    assert photo_folder(tmp_path / "..", posts) == tmp_path / ".."
    posts.write_text("id,text\n1,a\n")
    for wrong in (tmp_path / "nowhere", posts):
        with pytest.raises(InputError, match=f"--images {wrong} is not a folder; give the folder"):
            photo_folder(wrong, posts)


def test_posts_are_opened_with_the_columns_that_were_named(tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps({"uri": "7", "body": "flood"}) + "\n")
    [post] = open_posts(path, ["text=body", "id=uri"])
    assert isinstance(post, Post)
    assert (post.id, post.text) == ("7", "flood")


@pytest.mark.parametrize(
    ("described", "of_several", "lines"),
    [
        ({}, "", []),
        ({"notes": "one note that is no list"}, "", []),
        ({"notes": ["the text is cp1251"]}, "", ["note         the text is cp1251"]),
        ({"notes": [], "several_photos": 4}, "", []),
        ({"several_photos": 0}, "the first is read", []),
        (
            {"notes": ["a"], "several_photos": 4},
            "the first is read",
            ["note         a", "note         4 posts have several photos; the first is read"],
        ),
    ],
)
def test_notes_are_said_a_line_each(
    capsys: pytest.CaptureFixture[str], described: dict[str, object], of_several: str, lines: list[str]
) -> None:
    source: Any = SimpleNamespace(describe=lambda: described)
    say_notes(source, of_several=of_several)
    assert capsys.readouterr().out.splitlines() == lines


def test_photos_that_were_not_looked_at_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = "photo could not be used: no picture at 'a.jpg' in the image folder"
    records = [
        {"notes": [note], "post": {"text": "x"}},
        # somebody's words are no note
        {"notes": [], "post": {"text": note}},
        {"notes": ["another", note.replace("a.jpg", "b.jpg")], "post": {"text": "y"}},
    ]
    (tmp_path / "assessments.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    outcome: Any = SimpleNamespace(rows=3, assessed=3, failed=0, resumed=0, lost={})
    source: Any = SimpleNamespace(describe=lambda: {"notes": []})
    tell(outcome, tmp_path, source, ["crisis-compact"], summary=False)
    why = "no picture at 'a.jpg' in the image folder"
    said = f"photos       of 2 posts could not be used; the first because {why}"
    assert said in capsys.readouterr().out.replace("\n", " ")
