"""Words, times, ids and places that stand in a file and were once lost on the way into a post."""

import json
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import InputError
from crisislens.data.dates import DateOrder, when, with_clock
from crisislens.data.incoming import as_posts
from crisislens.data.tabular import read_posts
from crisislens.data.text import CleaningRules, clean_ends, clean_text
from crisislens.data.workbook import sheet_rows
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post


def read(tmp_path: Path, name: str, content: str, **options: Any) -> tuple[list[Post], list[str]]:
    """The posts of a file that has no other rows, and what is said of it."""
    path = tmp_path / name
    path.write_text(content, "utf-8")
    source = read_posts(path, **options)
    rows = list(source)
    assert not [row for row in rows if isinstance(row, FailedPost)]
    notes = source.describe()["notes"]
    assert isinstance(notes, list)
    return [row for row in rows if isinstance(row, Post)], notes


@pytest.mark.parametrize(
    "said",
    [
        "Rescue boat needed for 12 people at Mill St.East (near church)",
        "Water level at the bridge is now 2.50 (rising)",
        "shelter list at redcross.org (updated)",
        "Call Dr.Ali (hospital)",
    ],
)
def test_words_with_a_point_and_parentheses_are_no_file(tmp_path: Path, said: str) -> None:
    [post], _ = read(tmp_path, "chat.txt", f"13/02/2023, 16:19 - B: {said}\n")
    assert post.text == said


@pytest.mark.parametrize(
    ("said", "text", "photo"),
    [
        ("IMG-1.jpg (file attached)", "", "IMG-1.jpg"),
        ("Report.PDF (archivo adjunto)\nsee page 2", "see page 2", None),
        ("\u200eReport of all.kmz (file attached)", "", None),
        ("\u200eour street.jpg (file attached)\nhelp", "help", "our street.jpg"),
        ("<attached: our street.jpg>", "", "our street.jpg"),
        ("<attached: flood map.geojson>", "", None),
        # without the mark, as other programs keep a chat
        ("photo of us.jpg (file attached)", "", "photo of us.jpg"),
        ("Foto vom Dach.JPG (Datei angehängt)\nhelp", "help", "Foto vom Dach.JPG"),
        ("map.kml (file attached)", "", None),
        ("STK-1.was (file attached)", "", None),
        ("PTT-1.weba (file attached)", "", None),
        ("IMG.dng (file attached)", "", "IMG.dng"),
        ("see photo of us.jpg (on the roof)", "see photo of us.jpg (on the roof)", None),
        ("help\nphoto of us.jpg (file attached)", "help\nphoto of us.jpg (file attached)", None),
    ],
)
def test_a_line_that_names_a_file_is_no_text(tmp_path: Path, said: str, text: str, photo: str | None) -> None:
    chat = f"13/02/2023, 16:19 - B: {said}\n13/02/2023, 16:20 - A: send a boat\n"
    [post, _], _ = read(tmp_path, "chat.txt", chat)
    assert post.text == text
    assert (post.image and post.image.path) == photo


@pytest.mark.parametrize("half", ["p. m.", "p.\u202fm.", "p.m.", "P.M.", "pm"])
def test_afternoons_as_spanish_phones_write_them(tmp_path: Path, half: str) -> None:
    [first, _], _ = read(tmp_path, "chat.txt", f"13/2/23, 4:18 {half} - A: agua\n14/2/23, 5:00 - B: agua\n")
    assert first.created_at == datetime(2023, 2, 13, 16, 18, tzinfo=UTC)
    column = DateOrder()
    column.see(f"13/2/23 4:18 {half}")
    assert column.order == "day first"


def test_a_half_of_the_day_ends_at_its_letters() -> None:
    assert when("6 Feb 2023 4:18pm EST") == datetime(2023, 2, 6, 21, 18, tzinfo=UTC)
    assert when("6 Feb 2023 10:00 P MEST") is None


POSTS = [
    {"id": "1", "items": [{"name": "water"}], "text": "We need rescue"},
    {"id": "2", "text": "Fine", "records": []},
    {"id": "3", "records": [], "mensaje": "Atrapados"},
    {"id": "4", "data": [{"name": "boat"}], "description": "Trapped in the school"},
]


@pytest.mark.parametrize("name", ["posts.json", "lines.json", "posts.jsonl"])
def test_a_list_within_a_post_makes_no_page_of_it(tmp_path: Path, name: str) -> None:
    lines = "\n".join(map(json.dumps, POSTS))
    posts, _ = read(tmp_path, name, json.dumps(POSTS) if name == "posts.json" else lines)
    assert [post.id for post in posts] == ["1", "2", "3", "4"]
    # a description is the text of a post that has no other column for it
    assert [post.text for post in posts[:3]] == ["We need rescue", "Fine", "Atrapados"]


def test_a_post_alone_in_a_file_is_no_page(tmp_path: Path) -> None:
    [post], _ = read(tmp_path, "a.json", json.dumps(POSTS[3]))
    assert post.text == "Trapped in the school"


FEED = {
    "title": "Red Cross",
    "description": "What is asked for",
    "items": [{"id": "1", "content_text": "The bridge is down"}, {"id": "2", "content_text": "Send a boat"}],
}


@pytest.mark.parametrize("name", ["feed.json", "feed.jsonl"])
def test_a_feed_with_a_description_is_a_page(tmp_path: Path, name: str) -> None:
    posts, notes = read(tmp_path, name, json.dumps(FEED), columns={"text": "content_text"})
    assert [post.text for post in posts] == ["The bridge is down", "Send a boat"]
    assert notes == ["1 descriptions of pages left out"]
    # and says so where nobody names its column
    with pytest.raises(InputError, match="name one with --map text=COLUMN"):
        read(tmp_path, name, json.dumps(FEED))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize(
    "empty",
    [
        {"title": "Red Cross", "items": []},
        {"description": "requests", "count": 0, "results": []},
        {"Title": "Red Cross", "id": "7", "items": []},
    ],
)
def test_an_answer_without_posts_is_no_post(tmp_path: Path, name: str, empty: dict[str, object]) -> None:
    lines = [empty, {"results": [{"id": "1", "text": "Send a boat"}]}]
    posts, _ = read(tmp_path, name, "\n".join(map(json.dumps, lines)))
    assert [post.text for post in posts] == ["Send a boat"]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_column_that_the_user_names_makes_a_post(tmp_path: Path, name: str) -> None:
    rows = [
        {"id": "1", "story": "We are trapped", "items": [{"name": "two bottles of water"}]},
        {"items": [{"name": "two bottles of water"}], "story": "Send a boat"},
    ]
    posts, _ = read(tmp_path, name, "\n".join(map(json.dumps, rows)), columns={"text": "story"})
    assert [post.text for post in posts] == ["We are trapped", "Send a boat"]
    page = {"story": "all of May", "items": [{"story": "Send a boat"}, {"story": "Bridge down"}]}
    posts, _ = read(tmp_path, name, json.dumps(page), columns={"text": "story"})
    assert [post.text for post in posts] == ["Send a boat", "Bridge down"]


def test_a_page_that_is_longer_than_a_value_is_walked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crisislens.data.json_rows.MAX_VALUE", 1_000)
    messages = [{"id": str(i), "text": f"Send a boat {'x' * 100}"} for i in range(3_000)]
    before = json.dumps({"id": "before", "text": "Bridge down"})
    posts, _ = read(tmp_path, "a.json", before + json.dumps({"name": "a", "messages": messages}))
    assert [post.id for post in posts] == ["before", *(str(i) for i in range(3_000))]


def test_a_page_that_ends_early_gives_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    before = json.dumps({"id": "before", "text": "Bridge down"})
    cut = '{"name": "a", "messages": [{"id": "1", "text": "Send a boat"}, {"id": "2", "te'
    path.write_text(before + cut, "utf-8")
    *posts, last = read_posts(path)
    assert [post.text for post in posts if isinstance(post, Post)] == ["Bridge down", "Send a boat"]
    assert isinstance(last, FailedPost)
    assert "the file ends here" in last.reason


def test_a_post_without_lists_is_parsed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looked = []
    monkeypatch.setattr("crisislens.data.json_rows.is_post_with_lists", lambda *given: looked.append(given))
    rows = [{"id": "1", "text": "Send a boat"}, {"id": "2", "text": "Bridge down", "tags": ["data"]}]
    posts, _ = read(tmp_path, "a.json", "\n".join(map(json.dumps, rows)))
    assert len(posts) == 2
    # the word stands in the second one, quoted
    assert len({given[0]["id"] for given in looked}) == 1


def test_blanks_alone_stay_as_they_were_written(tmp_path: Path) -> None:
    posts, _ = read(tmp_path, "a.csv", 'id,text,message\n1,help,\n2," ",\n3," ",us\n')
    assert [post.text for post in posts] == ["help", " ", "us"]


def test_the_text_of_a_page_is_counted(tmp_path: Path) -> None:
    page = {"data": [{"id": 1, "text": "Send a boat"}], "message": "ok", "posts": [{"id": 2, "text": "b"}]}
    posts, notes = read(tmp_path, "page.json", json.dumps(page))
    assert [post.text for post in posts] == ["Send a boat", "b"]
    assert "1 texts beside lists of posts left out" in notes


def test_an_empty_cell_hides_no_filled_one(tmp_path: Path) -> None:
    posts, _ = read(
        tmp_path,
        "a.csv",
        "id,tweet_id,created_at,timestamp,text,message\n"
        "1,,n/a,2023-02-06T10:00:00Z, ,help us\n"
        " ,99,some day,2023-02-06T10:00:00Z,none,\n",
    )
    assert [(post.id, post.text) for post in posts] == [("1", "help us"), ("99", "none")]
    assert [post.created_at for post in posts] == [datetime(2023, 2, 6, 10, tzinfo=UTC)] * 2


@pytest.mark.parametrize("names", ["date,time", "time,date"])
def test_a_day_and_a_clock_in_two_columns_are_one_time(tmp_path: Path, names: str) -> None:
    cells = [("2023-02-06", "16:05"), ("2/13/2023", "4:05 PM"), ("2023-02-07", ""), ("2023-02-07", "25:00")]
    lines = [f"{day},{clock}" if names == "date,time" else f"{clock},{day}" for day, clock in cells]
    posts, _ = read(tmp_path, "a.csv", f"text,{names}\n" + "".join(f"help,{line}\n" for line in lines))
    assert [post.created_at and f"{post.created_at:%d %H:%M}" for post in posts] == [
        "06 16:05",
        "13 16:05",
        "07 00:00",
        "07 00:00",
    ]


@pytest.mark.parametrize(
    ("day", "clock", "joined"),
    [
        ("2023-02-06", "16:05 UTC", "2023-02-06 16:05 UTC"),
        (datetime(2023, 2, 6), time(16, 5), "2023-02-06 16:05:00"),
        (date(2023, 2, 6), "16:05", "2023-02-06 16:05"),
        (datetime(2023, 2, 6, 10), "16:05", None),
        ("2023-02-06", "16.05", None),
        ("2023-02-06", 1605, None),
    ],
)
def test_only_a_day_alone_takes_a_clock(day: object, clock: object, joined: str | None) -> None:
    assert with_clock(day, clock) == joined


@pytest.mark.parametrize(
    ("clock", "read_as", "counted"),
    [
        ("16:05 UTC", "16:05", False),
        ("16:05:01+03:00", "13:05", False),
        ("4:05 PM EST", "21:05", False),
        ("16.05", "00:00", True),
        ("at noon", "00:00", True),
        ("", "00:00", False),
        ("2023-02-06T16:05:00Z", "00:00", False),
    ],
)
def test_a_clock_that_cannot_be_read_beside_a_day_is_counted(
    tmp_path: Path, clock: str, read_as: str, counted: bool
) -> None:
    [post], notes = read(tmp_path, "a.csv", f"text,date,time\nhelp,2023-02-06,{clock}\n")
    assert post.created_at is not None
    assert f"{post.created_at:%H:%M}" == read_as
    said = f"1 times could not be read for certain and are left out, such as {clock!r}"
    assert notes == ([said] if counted else [])


def test_a_time_with_a_clock_keeps_it() -> None:
    [post] = as_posts([{"text": "a", "created_at": "2023-02-06T10:00:00Z", "time": "16:05"}])
    assert post.created_at == datetime(2023, 2, 6, 10, tzinfo=UTC)


def test_no_post_is_lost_to_a_name_that_we_made(tmp_path: Path) -> None:
    posts, _ = read(
        tmp_path,
        "a.csv",
        "id,text\n,new call for help\nrow-000000,older\nrow-000003,b\n9.19946E+17,c\n",
    )
    assert [post.id for post in posts] == ["row-000000", "row-000000-again", "row-000003", "row-000003-again"]
    assert posts[1].remarks == ("its id 'row-000000' was given to an earlier row before",)


def test_a_real_id_wins_over_a_made_one_where_all_rows_are_at_hand() -> None:
    posts = as_posts(["Bridge down", {"id": "row-000000", "text": "Need water"}])
    assert [post.id for post in posts] == ["row-000000-again", "row-000000"]


def test_dates_of_dicts_are_read_by_each_other_as_those_of_a_file() -> None:
    posts = as_posts([{"text": "a", "date": "2/13/2023"}, {"text": "b", "date": "2/3/2023"}])
    assert [post.created_at and post.created_at.day for post in posts] == [13, 3]


def test_half_a_character_costs_no_post(tmp_path: Path) -> None:
    [post], _ = read(tmp_path, "a.jsonl", '{"id": "1", "text": "help", "url": "https://x.org/\\ud800a"}')
    assert post.url == "https://x.org/\ufffda"
    made = Post(id="1", event="\ud800", lang="\ud800", url="https://x.org/\ud800")
    shown = ImageRef(path="a\ud800.jpg")
    assert json.loads(made.model_copy(update={"image": shown}).model_dump_json())["event"] == "\ufffd"
    assert (made.lang, made.url, shown.path) == ("\ufffd", "https://x.org/\ufffd", "a\ufffd.jpg")


def test_a_row_far_below_the_others_is_read(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed (the extra excel)")
    book = openpyxl.Workbook()
    book.active.append(["id", "text"])
    book.active.append([1, "help"])
    book.active.cell(20_000, 2, "Send a boat")
    book.save(tmp_path / "a.xlsx")
    texts = [row["text"] for row in sheet_rows(tmp_path / "a.xlsx", ["text"]) if isinstance(row, dict)]
    assert texts == ["help", "Send a boat"]


FILLER = "It was a quiet day in our town and the shops were open as usual. "
CALL = "We are trapped at 5 Elm St!"


@pytest.mark.parametrize("times", [1, 100, 150])
def test_a_text_within_the_cap_is_cleaned_as_ever(times: int) -> None:
    text = "RT @a: " + FILLER * times + CALL
    assert clean_ends(text) == (clean_text(text), 0)
    # markup alone makes it long
    links = text + " https://t.co/" + "a" * 12_000
    assert clean_ends(links) == (clean_text(links), 0)


@pytest.mark.parametrize("times", [160, 500, 5_000])
def test_of_a_text_beyond_the_cap_both_ends_are_kept_and_the_rest_is_counted(times: int) -> None:
    text = "The dam broke. " + FILLER * times + CALL
    kept, left_out = clean_ends(text)
    assert kept.startswith("The dam broke. It was")
    assert kept.endswith(CALL)
    assert len(kept) <= CleaningRules().max_characters
    # a blank or two at the cuts belong to neither side
    assert abs(len(kept) - len(" … ") + left_out - len(text)) <= 2


def test_a_cap_of_a_few_letters_has_no_room_for_two_ends() -> None:
    kept, left_out = clean_ends("help us now", CleaningRules(max_characters=4))
    assert (kept, left_out) == ("help", 7)
