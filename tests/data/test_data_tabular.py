"""Tables that nobody checked: a bad row costs itself and no other, a bad file is one sentence."""

import json
import tracemalloc
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.core.errors import InputError
from crisislens.data.lines import MAX_LINE
from crisislens.data.source import PostSource
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post

GOOD = [{"id": f"good{i}", "text": f"bridge {i} is down"} for i in range(3)]


def posts_of(source: PostSource) -> list[Post]:
    return [row for row in source if isinstance(row, Post)]


def failed_of(source: PostSource) -> list[FailedPost]:
    return [row for row in source if isinstance(row, FailedPost)]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


BAD_JSON_ROWS = {
    "cut line": b'{"id": "x", "text": "abc',
    "no json": b"bridge is down",
    "a list": b'["id", "x"]',
    "a string": b'"x"',
    "a number": b"17",
    "null": b"null",
    "true": b"true",
    "two objects": b'{"id": "x"} {"id": "y"}',
    "single quotes": b"{'id': 'x', 'text': 'y'}",
    "deep nesting": b'{"id": "x", "text": ' + b"[" * 100_000,
    "too long": b'{"id": "x", "text": "' + b"a" * (MAX_LINE + 10) + b'"}',
    "far too long": b"{" + b"a" * (3 * MAX_LINE),
    "huge number": b'{"id": ' + b"9" * 5_000 + b', "text": "y"}',
    "random bytes": bytes(range(128, 256)),
    "utf-16 line": '{"id": "é"'.encode("utf-16"),
    "id too long": b'{"id": "' + b"x" * 300 + b'", "text": "y"}',
    "id again": b'{"id": "good0", "text": "y"}',
    "id null, no text": b'{"id": null, "text": " "}',
    "id nan, no text": b'{"id": NaN, "text": ""}',
    "id list, no text": b'{"id": ["x"], "text": ""}',
    "text list of numbers": b'{"id": "x", "text": ["y", 1]}',
    "text list of lists": b'{"id": "x", "text": [["y"]]}',
    "text object": b'{"id": "x", "text": {"en": "y"}}',
    "text true": b'{"id": "x", "text": true}',
}


@pytest.mark.parametrize("name", BAD_JSON_ROWS)
def test_a_bad_json_row_costs_only_itself(tmp_path: Path, name: str) -> None:
    lines = [
        json.dumps(GOOD[0]).encode(),
        BAD_JSON_ROWS[name],
        *(json.dumps(row).encode() for row in GOOD[1:]),
    ]
    source = read_posts(write(tmp_path / "posts.jsonl", b"\n".join(lines) + b"\n"))
    rows = list(source)
    assert [row.id for row in rows if isinstance(row, Post)] == ["good0", "good1", "good2"]
    (failed,) = failed_of(source)
    assert failed.row == 1
    assert rows[1] == failed
    assert len(failed.reason) < 300
    assert "\n" not in failed.reason


ODD_JSON_ROWS = {
    "no id": (b'{"text": "y"}', {"id": "row-000001"}),
    "id null": (b'{"id": null, "text": "y"}', {"id": "row-000001"}),
    "id empty": (b'{"id": "", "text": "y"}', {"id": "row-000001"}),
    "id blank": (b'{"id": "  ", "text": "y"}', {"id": "row-000001"}),
    "id nan": (b'{"id": NaN, "text": "y"}', {"id": "row-000001"}),
    "id true": (b'{"id": true, "text": "y"}', {"id": "row-000001"}),
    "id list": (b'{"id": ["x"], "text": "y"}', {"id": "row-000001"}),
    "id object": (b'{"id": {"x": 1}, "text": "y"}', {"id": "row-000001"}),
    "id with a fraction": (b'{"id": 1.5, "text": "y"}', {"id": "row-000001"}),
    "id of NULs": (b'{"id": "\\u0000", "text": "y"}', {"id": "row-000001"}),
    "an id like a row's number, no text": (b'{"id": "row-000001", "text": ""}', {"id": "row-000001"}),
    "photo without an id": (b'{"image": "a.jpg"}', {"id": "row-000001", "image": "a.jpg"}),
    "number for an id": (b'{"id": 919946322177802241, "text": "y"}', {"id": "919946322177802241"}),
    "whole float for an id": (b'{"id": 12.0, "text": "y"}', {"id": "12"}),
    "number for a text": (b'{"id": "x", "text": 112}', {"text": "112"}),
    "id with lost digits": (b'{"id": 9.199463221778022e17, "text": "y"}', {"id": "row-000001"}),
    "text in parts": (b'{"id": "x", "text": ["a ", {"type": "bold", "text": "b"}, "!"]}', {"text": "a b!"}),
    "no text": (b'{"id": "x", "image": "a.jpg"}', {"text": "", "image": "a.jpg"}),
    "text null": (b'{"id": "x", "text": null}', {"text": ""}),
    "NUL in a text": (b'{"id": "x", "text": "a\\u0000b"}', {"text": "ab"}),
    "surrogates in a text": (b'{"id": "x", "text": "\\ud83d\\ude22 \\ud83d"}', {"text": "\U0001f622 \ufffd"}),
    "latitude 91": (b'{"id": "x", "text": "y", "lat": 91, "lon": 3}', {"lat": None, "lon": None}),
    "longitude -181": (b'{"id": "x", "text": "y", "lat": 9, "lon": -181}', {"lat": None, "lon": None}),
    "latitude NaN": (b'{"id": "x", "text": "y", "lat": NaN, "lon": 3}', {"lat": None, "lon": None}),
    "latitude infinite": (b'{"id": "x", "text": "y", "lat": Infinity, "lon": 3}', {"lat": None, "lon": None}),
    "latitude alone": (b'{"id": "x", "text": "y", "lat": 9}', {"lat": None, "lon": None}),
    "latitude text": (b'{"id": "x", "text": "y", "lat": "north", "lon": 3}', {"lat": None, "lon": None}),
    "coordinates as text": (
        b'{"id": "x", "text": "y", "lat": "18,25", "lon": " -66.5 "}',
        {"lat": 18.25, "lon": -66.5},
    ),
    "null island": (b'{"id": "x", "text": "y", "lat": 0, "lon": 0.0}', {"lat": None, "lon": None}),
    "time of nonsense": (b'{"id": "x", "text": "y", "created_at": "yesterday"}', {"created_at": None}),
    "time list": (b'{"id": "x", "text": "y", "created_at": [1]}', {"created_at": None}),
    "time huge": (b'{"id": "x", "text": "y", "created_at": 1e300}', {"created_at": None}),
    "language of nonsense": (b'{"id": "x", "text": "y", "lang": "<script>"}', {"lang": None}),
    "language und": (b'{"id": "x", "text": "y", "lang": "und"}', {"lang": None}),
    "event list": (b'{"id": "x", "text": "y", "event": [1]}', {"event": None}),
    "image list": (b'{"id": "x", "text": "y", "image": ["a.jpg", "b.jpg"]}', {"image": "a.jpg"}),
    "image object": (b'{"id": "x", "text": "y", "image": {"path": "a.jpg"}}', {"image": "a.jpg"}),
    "image deep": (b'{"id": "x", "text": "y", "image": [{"url": ["a.jpg"]}]}', {"image": "a.jpg"}),
    "image true": (b'{"id": "x", "text": "y", "image": true}', {"image": None}),
    "image nan": (b'{"id": "x", "text": "y", "image": "nan"}', {"image": None}),
    "a bad byte in UTF-8": ('{"id": "x", "text": "café '.encode() + b'\xff"}', {"text": "café \ufffd"}),
    "a line of Windows-1252": (
        '{"id": "x", "text": "café – “ok”"}'.encode("cp1252"),
        {"text": "café – “ok”"},
    ),
    "unknown keys": (b'{"id": "x", "text": "y", "__class__": "z", "user": {"name": "n"}}', {"text": "y"}),
    "the same key twice": (b'{"id": "x", "text": "a", "text": "b"}', {"text": "b"}),
}


@pytest.mark.parametrize("name", ODD_JSON_ROWS)
def test_an_odd_json_row_is_still_a_post(tmp_path: Path, name: str) -> None:
    row, expected = ODD_JSON_ROWS[name]
    every = {
        "id": "e",
        "text": "e",
        "image": "e.jpg",
        "lat": 1,
        "lon": 1,
        "created_at": "2017-09-20",
        "lang": "en",
        "event": "e",
    }
    lines = [json.dumps(every).encode(), row, *(json.dumps(good).encode() for good in GOOD)]
    found = posts_of(read_posts(write(tmp_path / "posts.jsonl", b"\n".join(lines))))
    assert len(found) == 5
    got = {**found[1].model_dump(), "image": found[1].image and found[1].image.path}
    assert {key: got[key] for key in expected} == expected


BAD_CSV_ROWS = {
    "too few columns": b"x\n",
    "too many columns": b"x,y,z,w\n",
    "mark never closed": b'x,"opens and never closes\n',
    "mark never closed with commas": b'x,"opens, and, never, closes\n',
    "id again": b"good0,y,\n",
    "huge field": b'x,"' + b"a" * 200_000 + b'",\n',
    "too long": b"x," + b"a" * (MAX_LINE + 5) + b",\n",
}


@pytest.mark.parametrize("name", BAD_CSV_ROWS)
@pytest.mark.parametrize("place", ["before", "last"])
def test_a_bad_csv_row_costs_only_itself(tmp_path: Path, name: str, place: str) -> None:
    good = [
        b"good0,bridge is down,a.jpg\n",
        b'good1,"two\nlines, and a ""word""",\n',
        b'good2,"plain",b.jpg\n',
    ]
    lines = [good[0], BAD_CSV_ROWS[name], *good[1:]] if place == "before" else [*good, BAD_CSV_ROWS[name]]
    source = read_posts(write(tmp_path / "posts.csv", b"id,text,image\n" + b"".join(lines)))
    found = posts_of(source)
    assert [post.id for post in found] == ["good0", "good1", "good2"]
    assert found[1].text == 'two\nlines, and a "word"'
    (failed,) = failed_of(source)
    assert failed.row == (1 if place == "before" else 3)


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    text = (
        '\ufeffid;text;lat;lon\r\n1;"semi;colon, comma";18,5;-66,1\r\n\r\n'
        '2;5" pipe burst;;\r\n3;"he said ""go""" and left;;\r\n'
    )
    found = posts_of(read_posts(write(tmp_path / "posts.csv", text)))
    assert [post.text for post in found] == ["semi;colon, comma", '5" pipe burst', 'he said "go" and left']
    assert (found[0].lat, found[0].lon) == (18.5, -66.1)


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_characters="\0\r", codec="utf-8")), st.booleans()),
        max_size=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_text_survives_csv(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, bool]]
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "posts.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["id", "text"])
        # a table without a single text is refused
        writer.writerow(["first", "bridge is down"])
        writer.writerows([str(i), text] for i, (text, _) in enumerate(rows))
    found = [row.text for row in read_posts(path) if isinstance(row, Post)]
    assert found == ["bridge is down", *(text for text, _ in rows)]


@given(st.binary(max_size=2_000), st.sampled_from([".csv", ".tsv", ".jsonl"]))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_rows_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"posts{suffix}"
    path.write_bytes(
        (
            b'{"id": "1", "text": "t"}\n'
            if suffix == ".jsonl"
            else b"id,text\n"
            if suffix == ".csv"
            else b"id\ttext\n"
        )
        + data
    )
    said, found = "", []
    try:
        found = [*read_posts(path)]
    except InputError as error:
        said = str(error)
    assert all(isinstance(row, Post | FailedPost) for row in found)
    # a table of which no row has a text is refused, whatever else is in it
    assert said.startswith("no row of posts") or not said
    assert "\n" not in said


def test_tsv_is_read_without_quoting(tmp_path: Path) -> None:
    text = (
        "tweetId\ttweetText\timageId(s)\n"
        '1\t"he said ""hi"" and left\tnepal_01 \n2\t"closed"\ta.jpg,b.jpg\n3\tcol\tx\ty\n'
    )
    source = read_posts(write(tmp_path / "posts.tsv", text))
    found = posts_of(source)
    assert [post.text for post in found] == ['"he said ""hi"" and left', '"closed"']
    assert [post.image and post.image.path for post in found] == ["nepal_01", "a.jpg"]
    assert "4 columns where the header has 3" in failed_of(source)[0].reason


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_encodings(tmp_path: Path, encoding: str, suffix: str) -> None:
    text, sign = "Überschwemmung in Ponce 😢 नमस्ते", {".csv": ",", ".tsv": "\t"}.get(suffix)
    content = (
        f"id{sign}text\r\n1{sign}{text}\r\n"
        if sign
        else json.dumps({"id": "1", "text": text}, ensure_ascii=False) + "\r\n"
    )
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    (post,) = posts_of(read_posts(write(tmp_path / f"posts{suffix}", mark + content.encode(encoding))))
    assert post.text == text


def test_bad_bytes_are_judged_row_by_row(tmp_path: Path) -> None:
    rows = [
        b"id,text",
        "1,café".encode(),
        "2,café – ok".encode("cp1252"),
        b"3,caf\xc3\xa9 \xff\xfe",
        b"4,plain\x00 null",
        b"5,\x81\x8d\x9d",
    ]
    found = posts_of(read_posts(write(tmp_path / "posts.csv", b"\n".join(rows))))
    assert [post.text for post in found] == [
        "café",
        "café – ok",
        "café \ufffd\ufffd",
        "plain null",
        "\ufffd\ufffd\ufffd",
    ]


def test_overlong_lines_in_utf16_are_skipped(tmp_path: Path) -> None:
    text = 'id,text\n1,a\n2,"' + "b" * (2 * MAX_LINE) + '"\n3,c\n'
    source = read_posts(write(tmp_path / "posts.csv", text.encode("utf-16")))
    assert [post.id for post in posts_of(source)] == ["1", "3"]
    assert "longer than" in failed_of(source)[0].reason


def test_rows_without_an_id_column_get_one(tmp_path: Path) -> None:
    source = read_posts(
        write(tmp_path / "posts.csv", "text,x\n" + "".join(f"post {i},\n" for i in range(13)))
    )
    assert [post.id for post in source][::12] == ["row-000000", "row-000012"]
    assert source.describe()["ids"] == "made from row numbers"


def test_columns_are_found_by_name_or_named(tmp_path: Path) -> None:
    path = write(
        tmp_path / "posts.csv",
        "Tweet Text,note,LNG,Latitude,event_name,language,Timestamp\n"
        "fire,other,-66.5,18.2,maria,es-PR,1505900000\n",
    )
    (post,) = posts_of(read_posts(path))
    assert (post.text, post.lon, post.lat, post.event, post.lang) == ("fire", -66.5, 18.2, "maria", "es-PR")
    assert post.created_at == datetime(2017, 9, 20, 9, 33, 20, tzinfo=UTC)
    (post,) = posts_of(read_posts(path, {"text": "note"}))
    assert post.text == "other"
    assert read_posts(path).fingerprint() != read_posts(path, {"text": "note"}).fingerprint()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": "nte"}, r"no column 'nte'; its columns are id, note, image; did you mean 'note'\?"),
        ({"txt": "note"}, r"no field named 'txt'; a post has id, text, .*; did you mean 'text'\?"),
        ({"text": "zzzzzz"}, r"no column 'zzzzzz'; its columns are id, note, image$"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_wrong_map_is_one_sentence(
    tmp_path: Path, columns: dict[str, str], message: str, suffix: str
) -> None:
    path, row = tmp_path / f"posts{suffix}", {"id": "1", "note": "a", "image": "b.jpg"}
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        write(path, json.dumps(row) if suffix == ".jsonl" else "id,note,image\n1,a,b.jpg\n")
    with pytest.raises(InputError, match=message):
        read_posts(path, columns)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no posts file at"),
        ("folder.csv", "folder", "is a folder"),
        ("posts.docx", b"PK", "ends in .docx, which is not read; give a .jsonl"),
        ("posts.parquet.gz", b"PK", "ends in .gz, which is not read; give a .jsonl"),
        ("posts.txt", b"id,text\n", "is no chat as WhatsApp exports it"),
        ("posts", b"id,text", "ends in no suffix"),
        ("posts.json", b"[]", "is empty"),
        ("posts.json", b"<html></html>", "no JSON object in its first 1 values"),
        ("posts.csv", b"", "is empty"),
        ("posts.csv", b"\n\n \n", "is empty"),
        ("posts.csv", b"\xef\xbb\xbf", "is empty"),
        ("posts.jsonl", b"\n\n", "is empty"),
        ("posts.jsonl", b"a\nb\n", "no JSON object in its first 2 lines"),
        (
            "posts.jsonl",
            b'{"a": 1}\n',
            r"no column for text or image; name one with --map text=COLUMN; its columns are a$",
        ),
        ("posts.csv", b"a,b\n1,2\n", r"no column for text or image"),
        ("posts.csv", b"x" * (MAX_LINE + 2), "has no header line"),
        ("posts.parquet", b"PAR1", "cannot be read as Parquet"),
        ("posts.parquet", b"id,text\n1,2\n", "cannot be read as Parquet"),
    ],
)
def test_a_wrong_file_is_one_sentence(
    tmp_path: Path, name: str, content: bytes | str | None, message: str
) -> None:
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_posts(path)
    assert caught.value.exit_code == 2


def test_a_file_that_goes_away_is_one_sentence(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.csv", "id,text\n1,a\n")
    source = read_posts(path)
    path.unlink()
    for attempt in (lambda: list(source), source.fingerprint):
        with pytest.raises(InputError, match="cannot be read"):
            attempt()


def test_a_source_can_be_read_again_and_says_what_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.jsonl", "".join(json.dumps(row) + "\n" for row in [*GOOD, GOOD[0]]))
    source = read_posts(path)
    assert isinstance(source, PostSource)
    assert list(source) == list(source)
    assert "stands in an earlier row too" in failed_of(source)[0].reason
    described = source.describe()
    json.dumps(described)
    assert described["columns"] == {"id": ["id"], "text": ["text"]}
    before = source.fingerprint()
    assert before == described["fingerprint"] == read_posts(path).fingerprint()
    path.write_text(path.read_text() + "\n{}")
    assert source.fingerprint() != before


def test_a_failed_row_does_not_take_its_id(tmp_path: Path) -> None:
    path = write(tmp_path / "posts.jsonl", '{"id": "a", "text": [1]}\n{"id": "a", "text": "whole"}\n')
    assert [type(row).__name__ for row in read_posts(path)] == ["FailedPost", "Post"]


def test_objects_may_differ_in_their_keys(tmp_path: Path) -> None:
    rows = [
        {"id_str": "1", "text": "cut…"},
        {"id_str": "2", "full_text": "whole"},
        {"id_str": "3", "text": "", "full_text": "longer"},
    ]
    path = write(tmp_path / "posts.jsonl", "\n".join(map(json.dumps, rows)))
    assert [post.text for post in posts_of(read_posts(path))] == ["cut…", "whole", "longer"]


def test_our_own_records_can_be_read_back(tmp_path: Path) -> None:
    post = Post.model_validate(
        {
            "id": "1",
            "text": "t",
            "image": {"path": "a b.jpg"},
            "created_at": "2017-09-20T10:00:00Z",
            "lat": 1.5,
            "lon": 2.5,
            "lang": "en",
            "event": "m",
        }
    )
    path = write(tmp_path / "posts.jsonl", post.model_dump_json())
    assert list(read_posts(path)) == [post]
    several = post.model_copy(update={"more_images": (ImageRef(path="b.jpg"), ImageRef(path="c.png"))})
    path = write(tmp_path / "posts.jsonl", several.model_dump_json())
    assert list(read_posts(path)) == [several]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        with path.open("w") as stream:
            stream.write("id,text\n")
            stream.writelines(f'{i},"{"water " * 1_000}"\n' for i in range(rows))
        source = read_posts(path)
        tracemalloc.start()
        assert sum(1 for _ in source) == rows
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    small, large = peak(50), peak(600)
    # 550 more rows of 6,000 bytes are 3.3 megabytes; the ids' digests are 65 bytes each
    assert large - small < 300_000


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    table = pa.table(
        {
            "id": pa.array([1, 2, None, 2, 5]),
            "text": pa.array([b"caf\xc3\xa9", b"caf\xff", b"x", b"y", None], pa.binary()),
            "photo": pa.array([["a.jpg", "b.jpg"], [], None, None, ["c.jpg"]]),
            "created_at": pa.array([0, 1_505_900_000_000_000_001, None, None, 2**62], pa.timestamp("ns")),
            "lat": [1.0, 99.0, None, None, 2.0],
            "lon": [1.0, 9.0, None, None, 2.0],
            "unused": ["x"] * 5,
        }
    )
    pq.write_table(table, path, row_group_size=2)
    source = read_posts(path)
    found = posts_of(source)
    assert [post.id for post in found] == ["1", "2", "row-000002", "5"]
    assert [post.text for post in found] == ["café", "caf\ufffd", "x", ""]
    assert [post.image and post.image.path for post in found] == ["a.jpg", None, None, "c.jpg"]
    assert found[1].created_at == datetime(2017, 9, 20, 9, 33, 20, tzinfo=UTC)
    assert [row.row for row in failed_of(source)] == [3]


def test_a_broken_row_group_costs_only_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "posts.parquet"
    table = pa.table(
        {"id": [str(i) for i in range(30)], "text": [f"post number {i} of many" for i in range(30)]}
    )
    pq.write_table(
        table, path, row_group_size=10, compression="none", use_dictionary=False, column_encoding="PLAIN"
    )
    data = bytearray(path.read_bytes())
    at = data.index(b"post number 10 of many") - 4
    data[at : at + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(data)
    source = read_posts(path)
    assert {f"{i}" for i in [*range(10), *range(20, 30)]} <= {post.id for post in posts_of(source)}
    # each lost row by its number: what went in is what comes out and failed
    assert len(list(source)) == 30
    assert [row.row for row in failed_of(source)] == list(range(10, 20))
    assert failed_of(source)[3].reason.startswith("row 3 of row group 1 cannot be read")


@pytest.mark.real
def test_the_verification_tweets_join_their_photos(shared_data: Path) -> None:
    from crisislens.core.errors import ImageError
    from crisislens.data.images import resolve_image

    source = read_posts(shared_data / "verification" / "tweets.tsv")
    found = [row for row in source if isinstance(row, Post)]
    assert len(found) == 3_781 == (shared_data / "verification" / "tweets.tsv").read_bytes().count(b"\n") - 1
    assert all(post.created_at for post in found)

    # thousands of tweets show the same few photos
    @cache
    def shows_nepal(path: str) -> bool:
        try:
            photo = resolve_image(ImageRef(path=path), shared_data / "verification" / "images")
        except ImageError as error:
            assert error.reason == "missing"  # noqa: PT017 - the videos have no photo
            return False
        return photo.name.startswith("nepal")

    assert all(post.image is not None for post in found)
    assert sum(shows_nepal(post.image.path) for post in found if post.image is not None) == 1_360


@pytest.mark.real
def test_spreadsheet_damage_in_real_ids_is_found(shared_data: Path) -> None:
    rows = list(read_posts(shared_data / "rationales" / "hagupit_2014.csv"))
    assert len(rows) == 2_799
    assert all(isinstance(row, Post) for row in rows)
    assert sum(row.id.startswith("row-") for row in rows if isinstance(row, Post)) >= 4


RETURNS = {
    "plain.csv": b"text,id\rNeed water,1\rfood,2\r",
    "marked.csv": b"\xef\xbb\xbftext,id\rNeed water,1\rfood,2\r",
    "named.csv": b"sep=;\rtext;id\rNeed water;1\rfood;2",
    "wide.csv": "text,id\rNeed water,1\rfood,2\r".encode("utf-16"),
    "tabs.tsv": b"text\tid\rNeed water\t1\rfood\t2\r",
    "mixed.csv": b"text,id\rNeed water,1\r\nfood,2\n",
}


@pytest.mark.parametrize("name", RETURNS)
def test_lines_may_end_as_on_old_macs(tmp_path: Path, name: str) -> None:
    source = read_posts(write(tmp_path / name, RETURNS[name]))
    assert [(post.id, post.text) for post in posts_of(source)] == [("1", "Need water"), ("2", "food")]
    assert not failed_of(source)


def test_a_cell_of_such_a_table_may_hold_line_ends(tmp_path: Path) -> None:
    source = read_posts(write(tmp_path / "a.csv", b'text,id\r"Need\rwater",1\r"so\nmuch",2\r'))
    assert [post.text for post in posts_of(source)] == ["Need\nwater", "so\nmuch"]


def test_a_return_within_a_header_or_a_cell_ends_no_line(tmp_path: Path) -> None:
    content = b'"text\ror words",id\na\rb,1\r\r\n"c\rd",2\n'
    source = read_posts(write(tmp_path / "a.csv", content), {"text": "text or words"})
    assert [(post.id, " ".join(post.text.split())) for post in posts_of(source)] == [
        ("1", "a b"),
        ("2", "c d"),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_single_return_in_a_heading_without_marks_ends_no_line(
    tmp_path: Path, name: str, end: bytes
) -> None:
    content = end.join([b"text,id,no\rtes", b"Need water,1,a", b"food,2,b", b""])
    if name == "a.tsv":
        content = content.replace(b",", b"\t")
    source = read_posts(write(tmp_path / name, content))
    assert [(post.id, post.text) for post in posts_of(source)] == [("1", "Need water"), ("2", "food")]
    assert not failed_of(source)


def test_a_long_line_of_such_a_table_costs_itself(tmp_path: Path) -> None:
    content = b"text,id\rone,1\r" + b"x" * (MAX_LINE + 9) + b",2\rthree,3\r"
    source = read_posts(write(tmp_path / "a.csv", content))
    assert [post.id for post in posts_of(source)] == ["1", "3"]
    assert len(failed_of(source)) == 1
