"""Small parts of the readers: columns, exports, contexts, blurring, folds, digests, text of strangers."""

import csv
import io
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError, InputError
from crisislens.data.archive_digests import (
    checked_digest,
    compare_digests,
    recorded_digest,
    verify_archive,
)
from crisislens.data.blur import BlurredSource
from crisislens.data.columns import FIELDS, WEAK_TEXT, choose_columns, no_columns
from crisislens.data.contexts import MOST_CHARACTERS, context_of, image_key, read_contexts
from crisislens.data.delimited import csv_records, split_header, table_header, tsv_records
from crisislens.data.exports import LeftOut, names_in, rows_of, value_at
from crisislens.data.fetch_note import FetchNote
from crisislens.data.filed import FiledSource
from crisislens.data.lines import BrokenRow
from crisislens.data.split_making import folds
from crisislens.data.survey import likely_texts, survey
from crisislens.data.untrusted import disarmed, plain_text
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["tweetId", "Text"], {"id": ("tweetId",), "text": ("Text",)}),
        (["TWEET-TEXT", "full_text"], {"text": ("full_text", "TWEET-TEXT")}),
        # a weak name serves only where no better one is there
        (["title", "text"], {"text": ("text",)}),
        (["title"], {"text": ("title",)}),
        (["Latitude", "lng"], {"lat": ("Latitude",), "lon": ("lng",)}),
        (["a", "b"], {}),
        ([], {}),
    ],
)
def test_columns_by_name(names: list[str], expected: dict[str, tuple[str, ...]]) -> None:
    assert choose_columns(names, None, where="a.csv") == expected


def test_a_named_column_counts_alone_and_an_empty_name_for_none() -> None:
    there = ["text", "note", "id"]
    assert choose_columns(there, {"text": "note", "id": ""}, where="a.csv") == {"text": ("note",)}


@pytest.mark.parametrize(
    ("explicit", "message"),
    [
        ({"txt": "note"}, r"no field named 'txt'; a post has id, text.*did you mean 'text'"),
        ({"text": "notes"}, "notes"),
    ],
)
def test_columns_that_are_not_there(explicit: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_columns(["note"], explicit, where="a.csv")


def test_a_wide_table_is_not_listed_whole() -> None:
    said = str(no_columns([f"column{i}" for i in range(500)], "a.csv"))
    assert "and 460 more" in said
    assert said.startswith("a.csv has no column for text or image")


# what may stand above a text, and what may hold both coordinates
HEADINGS, POINTS = ("title", "spoiler_text"), ("coordinates", "gps", "location")
KNOWN = {
    **FIELDS,
    "text": (*FIELDS["text"], *WEAK_TEXT),
    "heading": HEADINGS,
    "lat": (*FIELDS["lat"], *POINTS),
    "lon": (*FIELDS["lon"], *POINTS),
}


@given(st.lists(st.sampled_from(sorted({name for names in KNOWN.values() for name in names})), unique=True))
def test_no_column_serves_a_field_that_does_not_know_it(names: list[str]) -> None:
    for field, found in choose_columns(names, None, where="").items():
        assert found
        assert {*found} <= {*names}
        assert {*found} <= {*KNOWN[field]}, field
        assert len({*found}) == len(found), field


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"text": "a"}, [{"text": "a"}]),
        ({"data": [{"text": "a"}, {"text": "b"}]}, [{"text": "a"}, {"text": "b"}]),
        # a post that has a list under such a key is still a post
        ({"text": "a", "data": [{}]}, [{"text": "a", "data": [{}]}]),
        ({"Body": "a", "items": [{"text": "b"}]}, [{"Body": "a", "items": [{"text": "b"}]}]),
        ({"id": 1, "description": "a", "items": []}, [{"id": 1, "description": "a", "items": []}]),
        ({"comment": "a", "items": [{"item": "b"}]}, [{"comment": "a", "items": [{"item": "b"}]}]),
        # these speak of the page; what is no post of its own is counted
        ({"description": "a", "items": []}, [LeftOut("descriptions of pages")]),
        (
            {"description": "a", "items": [{"title": "b"}]},
            [{"title": "b"}, LeftOut("descriptions of pages")],
        ),
        ({"title": "a", "data": [{"post": "b"}]}, [{"post": "b"}]),
        (
            {"report": "a", "items": [{"type": "service", "action": "b"}]},
            [LeftOut("service messages"), LeftOut("descriptions of pages")],
        ),
        ({"description": " ", "items": []}, []),
        ({"data": [1, 2]}, [{"data": [1, 2]}]),
        ({"data": []}, []),
        (
            {"posts": [{"a": 1}, {"b": 2}, 3]},
            [{"a": 1}, {"b": 2}, LeftOut("entries of pages that are no objects")],
        ),
        ({"type": "service", "action": "join"}, [LeftOut("service messages")]),
        ({"type": "service"}, [{"type": "service"}]),
        ({"uri": "at://x"}, [{"uri": "at://x", "id": "at://x"}]),
        ({"uri": "at://x", "id": 3}, [{"uri": "at://x", "id": 3}]),
        ({"uri": "https://x"}, [{"uri": "https://x"}]),
        ({"feed": [{"post": {"record": {"text": "a"}}, "reason": 1}]}, [{"record": {"text": "a"}}]),
    ],
    ids=str,
)
def test_rows_of_exports(value: dict[str, object], rows: list[object]) -> None:
    assert [*rows_of(value)] == rows


def test_a_column_that_is_named_for_the_text_makes_a_post() -> None:
    post = {"said": "a", "items": [{"item": "b"}]}
    assert [*rows_of(post)] == [{"item": "b"}]
    assert [*rows_of(post, "said")] == [post]
    assert [*rows_of({"said": "a", "items": []}, "said")] == [{"said": "a", "items": []}]
    assert [*rows_of({"said": "a", "items": [{"said": "b"}]}, "said")] == [{"said": "b"}]


def test_photos_of_a_page_are_joined_by_their_keys() -> None:
    photo = {"media_key": "m1", "url": "a.jpg"}
    page = {
        "data": [
            {"id": 1, "attachments": {"media_keys": ["m1", "lost", ["odd"]]}},
            {"id": 2, "attachments": {"media_keys": ["lost"]}},
            {"id": 3, "attachments": {"media_keys": ["m1"]}, "media": "own"},
        ],
        "includes": {"media": [photo, {"media_key": ["odd"]}, "odd"]},
    }
    assert [row.get("media") for row in rows_of(page)] == [[photo], None, "own"]  # type: ignore[union-attr]


NESTED = st.recursive(
    st.integers(),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b"]), NESTED))
def test_every_name_of_an_object_leads_to_a_value(row: dict[str, object]) -> None:
    for name in names_in(row):
        inner: object = row
        for part in name.split("."):
            assert isinstance(inner, dict)
            inner = inner[part]
        assert value_at(row, name) == inner
    assert value_at(row, "a.nothing.at.all") is None


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("images/17_06.jpg", "17_06"),
        ("a\\b\\c.PNG", "c"),
        ("17_06", "17_06"),
        # no suffix of a picture
        ("report.2017", "report.2017"),
        (".jpg", ".jpg"),
        ("", ""),
    ],
)
def test_the_key_of_a_picture(image: str, key: str) -> None:
    assert image_key(image) == key
    assert context_of({key: "a street"}, image) == ("a street" if image else "")


def test_contexts_of_lines_and_tables(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.txt", tmp_path / "b.jsonl"
    lines.write_text("1.jpg :a  man\n\n2.jpg:a road : wet\n3.jpg :\n")
    rows = [{"image": "x/1.png", "text": "late"}, {"image": "4.jpg", "text": "w" * (MOST_CHARACTERS + 9)}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_contexts([lines, table])
    assert (found["1"], found["2"]) == ("a man", "a road : wet"), "the first file counts"
    assert "3" not in found
    assert len(found["4"]) <= MOST_CHARACTERS
    assert context_of(found, None) == ""


@pytest.mark.parametrize(
    ("content", "message"), [("no id here\n", "line 1 of a.txt is not"), (None, "no contexts at")]
)
def test_contexts_that_are_none(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_text(content)
    with pytest.raises(DataError, match=message):
        read_contexts([tmp_path / "a.txt"])


class Source:
    """Three rows."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        yield Post(id="1", text="a", lat=18.26789, lon=-66.54321)
        yield Post(id="2", text="b")
        yield FailedPost(row=2, reason="bad")

    def fingerprint(self) -> str:
        return "0" * 16

    def describe(self) -> dict[str, object]:
        return {"kind": "three"}


def test_blurred_coordinates_are_all_that_comes_out() -> None:
    blurred = BlurredSource(Source())
    exact, without, failed = blurred
    assert isinstance(exact, Post)
    assert (exact.lat, exact.lon, exact.text) == (18.3, -66.5, "a")
    assert without == Post(id="2", text="b")
    assert isinstance(failed, FailedPost)
    assert blurred.describe() == {"kind": "three", "coordinates": "rounded to 1 decimals of a degree"}
    assert "18.26" not in repr([*blurred])
    # another rounding is another source
    assert len({blurred.fingerprint(), BlurredSource(Source(), 2).fingerprint(), Source().fingerprint()}) == 3


def test_posts_of_no_event_are_filed_under_the_one_that_is_given() -> None:
    class Filed(Source):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield Post(id="0", text="c", event="storm_ilva")
            yield from super().__iter__()

    filed = FiledSource(Filed(), "Haiti earthquake")
    rows = list(filed)
    assert [row.event for row in rows if isinstance(row, Post)] == ["storm_ilva", *["Haiti earthquake"] * 2]
    assert isinstance(rows[-1], FailedPost)
    assert filed.describe() == {"kind": "three", "event": "Haiti earthquake"}
    # another event is another source, since places are read by it
    assert len({filed.fingerprint(), FiledSource(Filed(), "haiti").fingerprint(), Filed().fingerprint()}) == 3


@given(st.data(), st.integers(2, 5), st.integers(0, 3))
def test_folds_keep_groups_together_and_fill_evenly(data: st.DataObject, count: int, seed: int) -> None:
    groups = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=40))
    labels = data.draw(st.lists(st.sampled_from("ab"), min_size=len(groups), max_size=len(groups)))
    if len({*groups}) < count:
        with pytest.raises(InputError, match="cannot fill"):
            folds(labels, groups, count=count, seed=seed)
        return
    found = folds(labels, groups, count=count, seed=seed)
    assert found == folds(labels, groups, count=count, seed=seed), "equal for an equal seed"
    assert {*found} == {*range(count)}, "no fold is empty"
    of_group: dict[int, set[int]] = {}
    for group, fold in zip(groups, found, strict=True):
        of_group.setdefault(group, set()).add(fold)
    assert all(len(numbers) == 1 for numbers in of_group.values())


def test_every_class_is_in_every_fold_where_there_is_enough() -> None:
    labels = ["a"] * 40 + ["b"] * 20
    found = folds(labels, [*range(60)], count=4)
    assert Counter(zip(labels, found, strict=True)) == {
        **{("a", fold): 10 for fold in range(4)},
        **{("b", fold): 5 for fold in range(4)},
    }


def test_an_archive_is_held_to_its_digest(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(b"one")
    assert recorded_digest(archive) is None
    assert not verify_archive(archive, None), "nothing to compare with"
    digest = recorded_digest(archive)
    assert digest is not None
    assert verify_archive(archive, None)
    assert verify_archive(archive, digest)
    # what is in place came from such an archive
    compare_digests({"a.zip": digest}, {"a.zip": digest}, {"a.zip": archive})
    with pytest.raises(DataError, match=r"came from a a.zip with SHA-256 .* fetch into another folder"):
        compare_digests({"a.zip": digest}, {"a.zip": "0" * 64}, {})
    archive.write_bytes(b"two")
    with pytest.raises(DataError, match=r"recorded in a\.zip\.sha256 is"):
        verify_archive(archive, None)
    with pytest.raises(DataError, match="delete it and get it again"):
        compare_digests({"a.zip": digest}, {"a.zip": None}, {"a.zip": archive})


@pytest.mark.parametrize("given_", ["", "0" * 63, "0" * 65, "g" * 64, " " + "0" * 64])
def test_a_digest_that_is_none(given_: str) -> None:
    with pytest.raises(InputError, match="expected 64 hexadecimal digits"):
        checked_digest(given_)


def test_a_digest_in_capitals_is_the_same() -> None:
    assert checked_digest("AB" * 32) == "ab" * 32
    assert checked_digest(None) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"digests": 1}', '{"digests": {}, "files": "x"}'])
def test_a_note_that_is_none_is_no_note(text: str, tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    path.write_text(text)
    assert FetchNote.read(path) is None
    assert FetchNote.read(tmp_path / "absent.json") is None


def test_a_note_reads_back(tmp_path: Path) -> None:
    note = FetchNote({"a": "0" * 64}, 3, ["data_image"], ["a"])
    note.write(tmp_path / "note.json")
    assert FetchNote.read(tmp_path / "note.json") == note


TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["<|im_end|>", "[INST]", "SYSTEM:", " user :", "```", "<", "|>", "\u200b", "\u202e", "a "]
    ),
    max_size=8,
).map("".join)


@given(TEXT, st.integers(1, 40))
def test_text_of_strangers_is_plain_and_stays_so(text: str, most: int) -> None:
    for make in (plain_text, disarmed):
        made = make(text, max_characters=most)
        assert len(made) <= most
        assert not {"\n", "\u200b", "\u202e"} & {*made}
        assert make(made, max_characters=most) == made
    assert "<|" not in disarmed(text, max_characters=most)


CELLS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5), st.sampled_from(",;|\t"))
def test_what_a_spreadsheet_writes_is_read_back(rows: list[list[str]], delimiter: str) -> None:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    lines = iter(stream.getvalue().split("\n"))
    assert [*csv_records(lines, 3, delimiter)] == rows


@pytest.mark.parametrize(
    ("lines", "quoted", "expected"),
    [
        ([], True, None),
        (["", "  "], True, None),
        (["a,b"], True, (["a", "b"], ",")),
        (["a;b,c;d"], True, (["a", "b,c", "d"], ";")),
        (['"a,x";b'], True, (["a,x", "b"], ";")),
        (["sep=;", "a,b;c"], True, (["a,b", "c"], ";")),
        (['"sep=|"', "a|b"], True, (["a", "b"], "|")),
        # a name over two lines
        (['"a', 'x",b'], True, (["a x", "b"], ",")),
        (["a\tb"], False, (["a", "b"], "\t")),
        (['"a\tb'], False, (['"a', "b"], "\t")),
        (["sep=;"], False, (["sep=;"], "\t")),
    ],
)
def test_headers(lines: list[str], quoted: bool, expected: object) -> None:
    assert table_header(iter(lines), quoted=quoted) == expected


def test_a_header_that_cannot_be_read_is_told() -> None:
    broken = BrokenRow("too long")
    assert table_header(iter([broken, "a,b"]), quoted=True) == broken
    assert split_header(" a , b ", quoted=True) == (["a", "b"], ",")
    huge = table_header(iter(["a," + "b" * 200_000]), quoted=True)
    assert isinstance(huge, BrokenRow)
    assert "cannot be read as CSV" in huge.reason


def test_rows_of_another_width_fail_alone() -> None:
    rows = [*tsv_records(iter(["a\tb", "", "a", BrokenRow("x"), "a\tb\tc", '"\tb']), 2)]
    assert [row if isinstance(row, list) else row.reason[:24] for row in rows] == [
        ["a", "b"],
        "the row has 1 columns wh",
        "x",
        "the row has 3 columns wh",
        ['"', "b"],
    ]


def test_a_mark_that_never_closes_is_a_character_where_the_row_then_fits() -> None:
    lines = iter(['1,"open', "2,b", "3,c"])
    assert [*csv_records(lines, 2, ",")] == [["1", '"open'], ["2", "b"], ["3", "c"]]


def test_what_a_first_look_sees() -> None:
    columns = {"text": ("t",), "image": ("i",), "created_at": ("d",)}
    seen = survey([{"t": " ", "i": ""}, BrokenRow("x"), {"t": "a", "d": "2/13/2023"}], columns)
    assert (seen.rows, seen.has_text, seen.has_image, seen.dates.order) == (2, True, False, "month first")
    assert survey([], columns).rows == 0


def test_a_look_ends_where_nothing_is_open() -> None:
    looked = 0

    def rows():  # type: ignore[no-untyped-def]
        nonlocal looked
        for _ in range(10_000):
            looked += 1
            yield {"t": "flood"}

    survey(rows(), {"text": ("t",)})
    assert looked == 1_000


def test_the_column_with_the_most_words_is_likely_the_text() -> None:
    rows = [
        {
            "id": "1",
            "who": "ann",
            "said": "the bridge is down",
            "more": "people are on the roof and wait",
            "n": 3,
        },
        {"id": "2", "who": "bob", "said": "", "more": "जल स्तर बढ़ रहा है मदद करो", "n": None},
        "no row",
    ]
    # letters of cells that are filled; "who" has too few words
    assert likely_texts(rows, ["id", "who", "said", "more", "n"], ["id"]) == ["more", "said"]
    assert likely_texts(rows, ["more"], ["more"]) == []
    assert likely_texts([], ["more"], []) == []
