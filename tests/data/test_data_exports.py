"""What platforms and their tools export: posts with their texts, times, photos and places."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import InputError, MissingExtraError
from crisislens.data.json_rows import MAX_VALUE
from crisislens.data.lines import MAX_LINE
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post

TEXT = "Flood waters took the bridge near the market, two people trapped on the roof"
TIME = datetime(2023, 2, 6, 4, 17, 35, tzinfo=UTC)
TWEET = {
    "id": "16",
    "text": TEXT,
    "created_at": "2023-02-06T04:17:35.000Z",
    "lang": "en",
    "attachments": {"media_keys": ["3_1"]},
}
MEDIA = {"media_key": "3_1", "type": "photo", "url": "https://pbs.example/a.jpg"}
PAGE = {
    "data": [TWEET, {"id": "17", "text": "b"}],
    "includes": {"media": [MEDIA]},
    "meta": {"result_count": 2},
}
BLUESKY: dict[str, Any] = {
    "uri": "at://did:plc:a/app.bsky.feed.post/3k1",
    "record": {"text": TEXT, "createdAt": "2023-02-06T04:17:35Z", "langs": ["en"]},
}
TOOT: dict[str, Any] = {
    "id": "109",
    "created_at": "2023-02-06T04:17:35Z",
    "content": f"<p>{TEXT}</p>",
    "media_attachments": [
        {"type": "image", "url": "https://files.example/a.jpg"},
        {"type": "image", "url": "https://files.example/b.jpg"},
    ],
}
# posts with lists under names that pages use
EMPTY = [
    {"items": [], "id": "1", "description": TEXT},
    {"id": "2", "comment": "b", "results": []},
    {"data": []},
]
NEEDS: list[dict[str, Any]] = [
    {"id": "k1", "description": TEXT, "items": []},
    {"id": "k2", "items": [{"item": "water"}, {"item": "food"}], "description": "We are trapped"},
    {"id": "k3", "description": "Send boats", "items": [{"said": "water"}]},
]
MESSAGES: list[dict[str, Any]] = [
    {"id": 1, "type": "service", "date": "2023-02-06T07:00:00", "action": "create_channel", "text": ""},
    {
        "id": 2,
        "type": "message",
        "date": "2023-02-06T07:17:35",
        "date_unixtime": "1675657055",
        "text": [TEXT[:12], {"type": "bold", "text": TEXT[12:20]}, TEXT[20:]],
        "photo": "photos/photo_1.jpg",
        "location_information": {"latitude": 18.01, "longitude": -66.61},
    },
    {
        "id": 3,
        "type": "message",
        "date": "x",
        "text": "b",
        "photo": "(File not included. Change data exporting settings to download.)",
    },
]


def read(
    tmp_path: Path, name: str, content: object, **options: Any
) -> tuple[list[Post], list[FailedPost], list[str]]:
    path = tmp_path / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    source = read_posts(path, **options)
    rows = list(source)
    notes = source.describe()["notes"]
    assert isinstance(notes, list)
    return [r for r in rows if isinstance(r, Post)], [r for r in rows if isinstance(r, FailedPost)], notes


SHAPES: dict[str, tuple[str, object, int]] = {
    "X v2 page": ("p.jsonl", PAGE, 2),
    "X v2 page as a file": ("p.json", PAGE, 2),
    "X v2 page, packed": ("p.json.gz", PAGE, 2),
    "several pages": (
        "p.jsonl",
        f"{json.dumps(PAGE)}\n{json.dumps({'data': [{'id': '18', 'text': 'c'}]})}\n",
        3,
    ),
    "a list of pages": ("p.json", [PAGE, {"data": [{"id": "18", "text": "c"}]}], 3),
    "twarc2 flattened": ("p.jsonl", {**TWEET, "attachments": {"media": [MEDIA]}}, 1),
    "v1.1 extended": (
        "p.jsonl",
        {"id_str": "1", "text": "Flood wat…", "extended_tweet": {"full_text": TEXT}},
        1,
    ),
    "long tweet": ("p.jsonl", {"id": "1", "text": TEXT[:20] + "…", "note_tweet": {"text": TEXT}}, 1),
    "snscrape": ("p.jsonl", {"id": 1, "rawContent": TEXT, "date": "2023-02-06T04:17:35+00:00"}, 1),
    "Bluesky": ("p.jsonl", BLUESKY, 1),
    "Bluesky search": ("p.json", {"posts": [BLUESKY], "cursor": "1"}, 1),
    "Bluesky feed": ("p.json", {"feed": [{"post": BLUESKY, "reason": {}}]}, 1),
    "Bluesky stream": ("p.jsonl", {"did": "d", "commit": {"record": BLUESKY["record"]}}, 1),
    "Mastodon": ("p.json", [TOOT, {**TOOT, "id": "110"}], 2),
    "Mastodon search": ("p.json", {"accounts": [], "statuses": [TOOT]}, 1),
    "Mastodon boost": ("p.jsonl", {"id": "1", "content": "", "reblog": TOOT}, 1),
    "Telegram": ("result.json", {"name": "x", "type": "public_channel", "messages": MESSAGES}, 2),
    "Telegram lines": ("m.jsonl", "\n".join(map(json.dumps, MESSAGES)), 2),
    "Telegram of all chats": (
        "result.json",
        {"about": "x", "chats": {"about": "y", "list": [{"id": 1, "messages": MESSAGES}]}},
        2,
    ),
    "posts with lists": ("p.json", NEEDS, 3),
    "lines with lists": ("p.jsonl", "\n".join(map(json.dumps, NEEDS)), 3),
    "objects with lists": ("p.json", "\n".join(map(json.dumps, EMPTY)), 2),
    "one object": ("p.json", {"id": 1, "text": TEXT, "created_at": "2023-02-06T04:17:35Z"}, 1),
    "objects on lines": ("p.json", f'{{"id": 1, "text": "{TEXT}"}}\n{{"id": 2, "text": "b"}}\n', 2),
    "a pretty list": ("p.json", json.dumps([{"id": 1, "text": TEXT}], indent=2), 1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_becomes_posts(tmp_path: Path, shape: str) -> None:
    name, content, count = SHAPES[shape]
    posts, failed, _ = read(tmp_path, name, content)
    assert len(posts) == count
    assert not failed
    assert TEXT in {post.text for post in posts}


def test_fields_of_shapes(tmp_path: Path) -> None:
    posts, _, notes = read(tmp_path, "page.jsonl", PAGE)
    assert posts[0].image is not None
    assert posts[0].image.path == "https://pbs.example/a.jpg"
    assert posts[0].created_at == TIME
    assert any("addresses, which are never fetched" in note for note in notes)
    posts, _, _ = read(tmp_path, "sky.jsonl", BLUESKY)
    assert (posts[0].id, posts[0].created_at, posts[0].lang) == (BLUESKY["uri"], TIME, "en")
    posts, _, _ = read(tmp_path, "toot.json", [TOOT])
    assert (
        posts[0]
        .remarks[-1]
        .startswith("photos that are addresses were not fetched: https://files.example/b.jpg")
    )
    posts, _, notes = read(tmp_path, "result.json", {"messages": MESSAGES})
    # the exact time, not the phone's
    assert posts[0].created_at == TIME
    assert (posts[0].lat, posts[0].lon) == (18.01, -66.61)
    assert [post.image and post.image.path for post in posts] == ["photos/photo_1.jpg", None]
    assert "1 service messages left out" in notes
    assert "1 times could not be read for certain and are left out, such as 'x'" in notes


CHATS = {
    "Android": (
        "06/02/2023, 04:17 - Messages and calls are end-to-end encrypted.\n"
        f"06/02/2023, 04:18 - Volunteer A: {TEXT}\nsend a boat\n"
        "13/02/2023, 04:19 - Volunteer B: IMG-20230206-WA0001.jpg (file attached)\nwater in the street\n"
        "13/02/2023, 04:20 - B: <Media omitted>\n",
        [f"{TEXT}\nsend a boat", "water in the street", ""],
        ["2023-02-06 04:18", "2023-02-13 04:19", "2023-02-13 04:20"],
    ),
    "iPhone": (
        f"\ufeff[13.02.23, 04:18:11] A: {TEXT}\n"
        "\u200e[13.02.23, 04:19:00] B: \u200e<attached: 00000012-PHOTO.jpg>\n"
        # what the program says in somebody's name, and a place that somebody sent
        "[13.02.23, 04:20:00] Rescue: \u200eMessages and calls are end-to-end encrypted.\n"
        "[13.02.23, 04:21:00] B: \u200eThis message was deleted.\n"
        "[13.02.23, 04:22:00] B: \u200eLocation: https://maps.example/?q=18,-66\n",
        [TEXT, "", "Location: https://maps.example/?q=18,-66"],
        ["2023-02-13 04:18", "2023-02-13 04:19", "2023-02-13 04:22"],
    ),
    "American": (
        f"2/6/23, 4:18 PM - A: {TEXT}\n2/13/23, 4:19\u202fAM - B: at 5: come\n",
        [TEXT, "at 5: come"],
        ["2023-02-06 16:18", "2023-02-13 04:19"],
    ),
    "undecided": (f"06/02/2023, 04:18 - A: {TEXT}\n", [TEXT], [None]),
}


@pytest.mark.parametrize("phone", CHATS)
def test_chats_of_whatsapp(tmp_path: Path, phone: str) -> None:
    content, texts, times = CHATS[phone]
    posts, failed, notes = read(tmp_path, "chat.txt", content)
    assert [post.text for post in posts] == texts
    assert [post.created_at and f"{post.created_at:%Y-%m-%d %H:%M}" for post in posts] == times
    assert not failed
    assert "Volunteer" not in "".join(post.model_dump_json() for post in posts)
    assert (phone == "undecided") == any("left out, since no row tells" in note for note in notes)
    photos = [post.image.path for post in posts if post.image]
    assert photos == {"Android": ["IMG-20230206-WA0001.jpg"], "iPhone": ["00000012-PHOTO.jpg"]}.get(phone, [])


TABLES = {
    "Ushahidi": "Post ID,Survey,Created (UTC),Title,Description,Location.lat,Location.lon\n"
    "5,F,2023-02-06 04:17:35,Bridge,{},18.01,-66.61\n",
    "Kobo": '"start";"What happened?";"_Where are you?_latitude";"_Where are you?_longitude";"_id";'
    '"_submission_time"\n"x";"{}";"18.01";"-66.61";"1";"2023-02-06T04:17:35"\n',
    "CrowdTangle": "Page Name,Facebook Id,Post Created,Message,Link,Description\n"
    "p,1,2023-02-05 23:17:35 EST,{},x,y\n",
    "spreadsheet": "sep=;\nid;text\n1;{}\n",
    "bars": "id|text\n1|{}\n",
    "a header of two lines": '"id","text\nof the post","created at"\n1,"{}",2023-02-06 04:17:35\n',
    "upper case": "TWEET ID,TWEET TEXT\n1,{}\n",
}


@pytest.mark.parametrize("tool", TABLES)
def test_tables_of_tools(tmp_path: Path, tool: str) -> None:
    text = TEXT.replace(",", "") if tool in ("CrowdTangle", "Ushahidi", "upper case") else TEXT
    columns = {"text": "text of the post"} if tool == "a header of two lines" else None
    (post,), failed, _ = read(tmp_path, "posts.csv", TABLES[tool].replace("{}", text), columns=columns)
    # a report's title is read with it
    assert post.text == (f"Bridge\n{text}" if tool == "Ushahidi" else text)
    assert not failed
    if tool in ("Ushahidi", "Kobo"):
        assert (post.lat, post.lon) == (18.01, -66.61)
    if tool in ("Ushahidi", "Kobo", "CrowdTangle", "a header of two lines"):
        assert post.created_at == TIME


def test_the_column_of_answers_is_told(tmp_path: Path) -> None:
    _, _, notes = read(tmp_path, "kobo.csv", TABLES["Kobo"].replace("{}", TEXT))
    assert any("the text is the column 'What happened?'" in note for note in notes)


@pytest.mark.parametrize(
    "row",
    [
        {"photo": "a.jpg", "Lo que pasó": TEXT},
        {"nr": 1, "Bericht": TEXT, "source": "radio"},
        {"photo": "a.jpg", "was": "x", "観察": "洪水で市場近くの橋が流され、二人が屋根に取り残されています"},
        {"text": "", "details of it": TEXT},
    ],
)
def test_a_table_whose_texts_are_not_found_is_refused_with_the_likely_column(
    tmp_path: Path, row: dict[str, str]
) -> None:
    name = list(row)[-1] if "source" not in row else "Bericht"
    with pytest.raises(InputError) as caught:
        read(tmp_path, "posts.jsonl", row)
    assert f"--map 'text={name}'" in str(caught.value)
    (post,), _, _ = read(tmp_path, "posts.jsonl", row, columns={"text": name})
    assert post.text == row[name]


def test_photos_alone_are_read_where_the_user_says_so(tmp_path: Path) -> None:
    row = {"photo": "a.jpg", "Bericht": TEXT}
    (post,), _, _ = read(tmp_path, "posts.jsonl", row, columns={"text": ""})
    assert (post.text, post.image and post.image.path) == ("", "a.jpg")
    _, _, notes = read(tmp_path, "photos.jsonl", {"photo": "a.jpg", "nr": 1})
    assert notes == ["photos.jsonl has no column of text; posts are judged by their photos alone"]


def test_a_path_leads_into_objects(tmp_path: Path) -> None:
    row = {"a": {"b": {"c": TEXT}}, "when.at": "2023-02-06T04:17:35Z"}
    (post,), _, _ = read(tmp_path, "p.jsonl", row, columns={"text": "a.b.c", "created_at": "when.at"})
    assert (post.text, post.created_at) == (TEXT, TIME)
    with pytest.raises(InputError, match=r"did you mean 'a\.b\.c'"):
        read(tmp_path, "p.jsonl", row, columns={"text": "a.b.d"})


def test_the_whole_text_goes_before_a_cut_one(tmp_path: Path) -> None:
    cut = f"{TEXT[:20]}… https://t.co/x"
    for row in (
        {"text": cut, "full_text": TEXT},
        {"text": cut, "body": TEXT},
        {"message": TEXT[:20] + "...", "content": TEXT},
    ):
        (post,), _, _ = read(tmp_path, "p.jsonl", row)
        assert post.text == TEXT
    # another text is not the whole of this one
    (post,), _, _ = read(tmp_path, "p.jsonl", {"text": cut, "body": "x" * 200})
    assert post.text == cut


BROKEN = {
    "cut within a row": ('[{"id": 1, "text": "a"}, {"id": 2, "te', 1, 1),
    "cut behind a row": ('[{"id": 1, "text": "a"},', 1, 1),
    "no JSON behind": ('[{"id": 1, "text": "a"}] and so on', 1, 1),
    "a row that is none": ('[{"id": 1, "text": "a"}, 17, {"id": 2, "text": "b"}]', 2, 1),
    "a list in it": ('[{"id": 1, "text": "a"}, [1], {"id": 2, "text": "b"}]', 2, 1),
    "a trailing comma": ('[{"id": 1, "text": "a"},]', 1, 0),
    "deep": ('[{"id": 1, "text": "a"}, ' + "[" * 50_000 + "]" * 50_000 + ', {"id": 2, "text": "b"}]', 2, 1),
    "deep objects": ('{"list":[' * 5_000 + '{"id": 1, "text": "a"}' + "]}" * 5_000, 0, 1),
    "brackets in a text": ('[{"id": 1, "text": "a ]}\\" [{"}, {"id": 2, "text": "b\\\\"}]', 2, 0),
    "too long": (
        '[{"id": 1, "text": "a"}, {"id": 3, "text": "' + "x" * (MAX_LINE + 9) + '"}, {"id": 2, "text": "b"}]',
        2,
        1,
    ),
    "far too long": (
        '[{"id": 1, "text": "a"}, {"t": "' + "\\\\x]" * (MAX_VALUE // 2) + '"}, {"id": 2, "text": "b"}]',
        2,
        1,
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_costs_only_what_is_broken(tmp_path: Path, name: str) -> None:
    content, good, bad = BROKEN[name]
    if good:
        posts, failed, _ = read(tmp_path, "p.json", content)
        assert (len(posts), len(failed)) == (good, bad)
        assert all(len(row.reason) < 300 for row in failed)
    else:
        with pytest.raises(InputError):
            read(tmp_path, "p.json", content)


def test_a_cell_of_pictures_may_be_nested_ever_so_deep(tmp_path: Path) -> None:
    deep: object = "a.jpg"
    for _ in range(500):
        deep = [deep]
    table: object = "a.jpg"
    for _ in range(500):
        table = {"url": table}
    rows = [
        {"id": 1, "text": "a", "image": deep},
        {"id": 2, "text": "b", "image": table},
        {"id": 3, "text": [deep]},
        {"id": 4, "text": "d", "image": "d.jpg"},
    ]
    posts, failed, _ = read(tmp_path, "p.jsonl", "\n".join(map(json.dumps, rows)))
    assert [(post.id, post.image and post.image.path) for post in posts] == [
        ("1", None),
        ("2", None),
        ("4", "d.jpg"),
    ]
    assert [row.id for row in failed] == ["3"]


IDS: dict[str, tuple[list[object], list[str], str]] = {
    "scientific": (["1.62237E+18", "1.62237E+18"], ["row-000000", "row-000001"], "2 ids were rounded"),
    "with a comma": (["1,62237E+18", "7"], ["row-000000", "7"], "1 ids were rounded"),
    "floats": ([1.62237e18, 1.62237e18, 12.0], ["row-000000", "row-000001", "12"], "2 ids were rounded"),
    "missing": (["a1", None, ""], ["a1", "row-000001", "row-000002"], "2 posts have no id"),
    "missing, and its number taken": (
        ["row-000001", None],
        ["row-000001", "row-000001-again"],
        "1 posts have",
    ),
    "zeros": (
        ["162237123456789000"] * 3,
        ["162237123456789000", "row-000001", "row-000002"],
        "3 ids end in zeros",
    ),
    "whole": (
        ["1622371234567890123", "1622371234567890124"],
        ["1622371234567890123", "1622371234567890124"],
        "",
    ),
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_that_a_spreadsheet_rounded_cost_no_post(tmp_path: Path, kind: str) -> None:
    given, names, said = IDS[kind]
    rows = "\n".join(json.dumps({"id": value, "text": "a"}) for value in given)
    posts, failed, notes = read(tmp_path, "p.jsonl", rows)
    assert [post.id for post in posts] == names
    assert not failed
    assert any(said in note for note in notes) if said else not notes
    posts, _, _ = read(tmp_path, "p.jsonl", rows, columns={"id": ""})
    assert [post.id for post in posts] == [f"row-{i:06d}" for i in range(len(given))]


DATES = {
    "month first": (
        ["2/1/2023 16:05", "2/13/2023 4:05 PM"],
        ["2023-02-01T16:05", "2023-02-13T16:05"],
        "month first",
    ),
    "day first": (["1/2/2023", "13-02-2023"], ["2023-02-01T00:00", "2023-02-13T00:00"], "day first"),
    "two digits": (["2/1/23", "2/28/23"], ["2023-02-01T00:00", "2023-02-28T00:00"], "month first"),
    "undecided": (
        ["2/1/2023", "3/4/2023", "5/5/2023"],
        [None, None, "2023-05-05T00:00"],
        "2 times such as 2/3/2023 are left out",
    ),
    "contradiction": (
        ["2/13/2023", "13/2/2023", "2/1/2023"],
        ["2023-02-13T00:00", "2023-02-13T00:00", None],
        "contradict",
    ),
    "dots": (["1.2.2023", "2.1.2023"], ["2023-02-01T00:00", "2023-01-02T00:00"], ""),
}


@pytest.mark.parametrize("column", DATES)
def test_a_column_of_dates_is_read_as_one(tmp_path: Path, column: str) -> None:
    given, times, said = DATES[column]
    rows = "\n".join(json.dumps({"text": "a", "created_at": value}) for value in given)
    posts, _, notes = read(tmp_path, "p.jsonl", rows)
    assert [post.created_at and f"{post.created_at:%Y-%m-%dT%H:%M}" for post in posts] == times
    assert any(said in note for note in notes) if said else not notes
    # told once, not twice
    assert len(notes) == bool(said)


def test_the_row_that_decides_may_be_the_last(tmp_path: Path) -> None:
    rows = [f'{i},"a",2/{i % 12 + 1}/2023' for i in range(1_100)]
    posts, _, _ = read(tmp_path, "p.csv", "\n".join(["id,text,date", *rows, "x,a,2/28/2023"]))
    assert all(post.created_at and post.created_at.month == 2 for post in posts)


def test_a_workbook_is_read_where_the_extra_is_installed(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed (the extra excel)")
    book = openpyxl.Workbook()
    book.active.append(["tweet_id", "text", "created_at", "photo"])
    book.active.append([1622371234567890123, TEXT, datetime(2023, 2, 6, 4, 17, 35), "a.jpg"])
    book.active.append([None, None, None, None])
    book.active.append([12, "=1+1", "2/13/2023", None])
    book.save(tmp_path / "posts.xlsx")
    first, second = (row for row in read_posts(tmp_path / "posts.xlsx") if isinstance(row, Post))
    assert (first.text, first.created_at, second.id) == (TEXT, TIME, "12")
    (tmp_path / "posts.xlsx").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(InputError, match="cannot be read as a workbook"):
        read_posts(tmp_path / "posts.xlsx")


def test_a_workbook_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    (tmp_path / "posts.xlsx").write_bytes(b"PK")
    with pytest.raises(MissingExtraError, match=r"crisislens\[excel\]"):
        read_posts(tmp_path / "posts.xlsx")


def test_an_archive_of_mastodon_holds_posts_and_what_was_shared(tmp_path: Path) -> None:
    note = {
        "id": "https://m.example/1",
        "type": "Note",
        "content": "<p>Flood took the <b>bridge</b></p>",
        "published": "2023-02-06T04:17:35Z",
        "attachment": [{"url": "media/a.jpg", "mediaType": "image/jpeg"}, {"url": "media/b.png"}],
    }
    acts = [
        {"id": "1", "type": "Create", "actor": "https://m.example/ann", "object": note},
        {"id": "2", "type": "Announce", "actor": "https://m.example/ann", "object": "https://n.example/5"},
        {"id": "3", "type": "Create", "actor": "https://m.example/ann", "object": "https://n.example/6"},
    ]
    path = tmp_path / "outbox.json"
    path.write_text(json.dumps({"type": "OrderedCollection", "totalItems": 3, "orderedItems": acts}), "utf-8")
    source = read_posts(path)
    [post] = list(source)
    assert isinstance(post, Post)
    assert (post.id, post.text) == ("https://m.example/1", "Flood took the bridge")
    assert [image.path for image in post.images] == ["media/a.jpg", "media/b.png"]
    assert post.created_at is not None


@pytest.mark.parametrize(
    "what", ["image omitted", "GIF omitted", "<Media omitted>", "<Medien ausgeschlossen>"]
)
def test_a_photo_that_was_not_exported_is_no_text(tmp_path: Path, what: str) -> None:
    path = tmp_path / "chat.txt"
    lines = ["[06.02.23, 04:17:35] Ann: Flood", f"[06.02.23, 04:18:00] Bob: \u200e{what}"]
    path.write_text("\n".join(lines), "utf-8")
    assert [row.text for row in read_posts(path) if isinstance(row, Post)] == ["Flood", ""]


WHOLE = "Trapped at 5 Elm St, water rising fast, send help to the blue house"
CUT = "RT @joe: Trapped at 5 Elm St, water rising fast, send he…"
PASSED_ON = {
    "v1": {"id_str": "1", "full_text": CUT, "retweeted_status": {"id_str": "9", "full_text": WHOLE}},
    "v2": {
        "data": [{"id": "1", "text": CUT, "referenced_tweets": [{"type": "retweeted", "id": "9"}]}],
        "includes": {"tweets": [{"id": "9", "text": WHOLE}]},
    },
    "another one": {"id_str": "1", "full_text": CUT, "retweeted_status": {"full_text": "Trapped? No."}},
    "not there": {
        "data": [{"id": "1", "text": CUT, "referenced_tweets": [{"type": "retweeted", "id": "8"}, 3]}],
        "includes": {"tweets": [{"id": "9", "text": WHOLE}]},
    },
    "not cut": {"id_str": "1", "full_text": "Quoting him", "retweeted_status": {"full_text": WHOLE}},
}


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_is_passed_on_is_read_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / "posts.jsonl"
    path.write_text(json.dumps(PASSED_ON[name]) + "\n", "utf-8")
    [post] = list(read_posts(path))
    assert isinstance(post, Post)
    expected = {"v1": f"RT @joe: {WHOLE}", "v2": f"RT @joe: {WHOLE}", "not cut": "Quoting him"}
    assert (post.id, post.text) == ("1", expected.get(name, CUT))


def test_messages_of_several_chats_are_told_apart(tmp_path: Path) -> None:
    message = MESSAGES[1]
    chats = [{"id": 22, "messages": [message]}, {"id": 33, "messages": [message]}, {"messages": [message]}]
    posts, failed, _ = read(tmp_path, "result.json", {"chats": {"list": chats}})
    assert [post.id for post in posts] == ["22/2", "33/2", "2"]
    assert not failed
    posts, _, _ = read(tmp_path, "result.json", {"id": 22, "messages": [message]})
    assert [post.id for post in posts] == ["2"]


HEADED = {
    "Reddit": ({"id": "1", "title": "We need help", "selftext": TEXT}, f"We need help\n{TEXT}"),
    "Reddit, a title alone": ({"id": "1", "title": "We need help", "selftext": ""}, "We need help"),
    "Reddit, a text that is gone": (
        {"id": "1", "title": "We need help", "selftext": "[removed]"},
        "We need help",
    ),
    "Mastodon": ({**TOOT, "spoiler_text": "flood, help"}, f"flood, help\n{TEXT}"),
    "Mastodon, a post that is passed on": (
        {"id": "1", "content": "", "spoiler_text": "", "reblog": {**TOOT, "spoiler_text": "help"}},
        f"help\n{TEXT}",
    ),
    "Mastodon's archive": (
        {"type": "Create", "actor": "a", "object": {"content": TEXT, "summary": "help"}},
        f"help\n{TEXT}",
    ),
    "a report": ({"title": "Trapped", "description": TEXT}, f"Trapped\n{TEXT}"),
    "a report that begins with its title": ({"title": TEXT[:20], "description": TEXT}, TEXT),
    "a report of a title alone": ({"title": TEXT, "description": ""}, TEXT),
    "a title beside a text": ({"text": TEXT, "title": "Volunteer"}, TEXT),
}


@pytest.mark.parametrize("kind", HEADED)
def test_what_stands_above_a_text_is_read_with_it(tmp_path: Path, kind: str) -> None:
    row, text = HEADED[kind]
    posts, failed, _ = read(tmp_path, "p.json", [row])
    assert [post.text for post in posts] == [text]
    assert not failed


def test_a_heading_counts_for_the_length_of_a_text(tmp_path: Path) -> None:
    posts, failed, _ = read(
        tmp_path,
        "p.csv",
        f"title,description\n{'a' * (MAX_LINE // 2)},{'b' * (MAX_LINE // 2 - 4)}\nhelp,us\n",
    )
    assert [post.text for post in posts] == ["help\nus"]
    assert len(failed) == 1


def test_a_place_that_is_shared_in_a_chat_is_where_the_message_is(tmp_path: Path) -> None:
    start = "13/05/2026, 14:16 - Ana: "
    posts, _, _ = read(
        tmp_path,
        "chat.txt",
        f"{start}location: https://maps.google.com/?q=18.2208,-66.5901\n{start}we are here, on the roof\n",
    )
    assert [(post.lat, post.lon) for post in posts] == [(18.2208, -66.5901), (None, None)]


@pytest.mark.parametrize("name", ["created_time", "creation_time", "create_time", "taken_at", "received"])
def test_times_are_known_by_the_names_that_platforms_use(tmp_path: Path, name: str) -> None:
    posts, _, _ = read(tmp_path, "p.json", [{"message": TEXT, name: "2023-02-06T04:17:35+0000"}])
    assert posts[0].created_at == TIME


def test_an_archive_is_to_be_unpacked_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is an archive; unpack it"):
        read(tmp_path, "chat.zip", "PK")


def test_a_table_without_names_of_columns_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the table has no line of names"):
        read(tmp_path, "p.csv", f"1,{TEXT.replace(',', '')}\n2,Bridge closed near the market\n")
