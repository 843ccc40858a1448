"""Names in posts, the local table, the MediaWiki client against a stub, and the command."""

import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import crisislens.knowledge  # noqa: F401 - registers the sources
from crisislens.cli.main import app
from crisislens.core.errors import ConfigError, DataError, InputError, NotRegisteredError
from crisislens.core.http import RequestError
from crisislens.data.sidecar import Sidecar
from crisislens.domain.post import Post
from crisislens.knowledge.base import KnowledgeSpec, load_source
from crisislens.knowledge.names import mentions, words_of_hashtag
from crisislens.knowledge.run import know_posts
from crisislens.knowledge.table import PageTableOptions, TableSource
from crisislens.knowledge.wikipedia import WikipediaOptions, WikipediaSource, _words

Reply = tuple[int, dict[str, str], bytes]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Red Cross volunteers arrive in San Juan, Puerto Rico #HurricaneMaria",
            ["Red Cross", "San Juan", "Puerto Rico", "Hurricane Maria"],
        ),
        ("RT @FEMA: Please HELP the people of Houston! https://t.co/Abc", ["Houston"]),
        ("The United States Army Corps of Engineers is here", ["United States Army Corps of Engineers"]),
        ("#PrayForMexico #2017 #ok", ["Pray For Mexico"]),
        ("Texas, texas, TEXAS", ["Texas"]),
        ("#FuerzaMéxico, Évora y Ñuñoa", ["Fuerza México", "Évora", "Ñuñoa"]),
        ("#INUNDACIÓN2017 #Ñuble #Bogotá", ["INUNDACIÓN 2017", "Ñuble", "Bogotá"]),
        # in the order of their appearance, however long an account before them
        ("@a_very_long_name_here #Houston is near Galveston", ["Houston", "Galveston"]),
        ("@a_very_long_name_here Galveston is near #Houston", ["Galveston", "Houston"]),
        ("@long_name Ponce #Houston", ["Ponce", "Houston"]),
        ("nothing is named here 😀", []),
        ("", []),
        ("I am in A B", []),
    ],
)
def test_mentions(text: str, expected: list[str]) -> None:
    assert mentions(text) == expected


def test_mentions_are_few_and_survive_anything() -> None:
    assert len(mentions(" and ".join(f"City{chr(65 + i)} Town" for i in range(20)))) == 6
    assert mentions("Aa, Bbb, Ccc", most=1) == ["Bbb"]
    for odd in ("\ud800 Paris", "#" * 5000, "A" * 100_000, "Ab " * 20_000, "\u202eParis"):
        assert isinstance(mentions(odd), list)
    assert words_of_hashtag("HurricaneMaria2017") == "Hurricane Maria 2017"


PAGES = (
    {"title": "Hurricane Maria", "aliases": ["Maria"], "summary": "Maria was a\u200b storm."},
    {"title": "Puerto Rico", "summary": "An island."},
    {"title": "San Juan, Puerto Rico", "aliases": ["San Juan Puerto Rico"], "summary": "A capital."},
)


def write_table(path: Path) -> Path:
    path.write_text("\n\n".join(json.dumps(page) for page in PAGES) + "\n")
    return path


def test_a_table_matches_whole_names_the_longest_first(tmp_path: Path) -> None:
    source = TableSource(PageTableOptions(table=str(write_table(tmp_path / "p.jsonl"))))

    def titles(text: str) -> list[str]:
        return [page.title for page in source.pages(text)]

    assert titles("#HurricaneMaria in PUERTO RICO") == ["Hurricane Maria", "Puerto Rico"]
    assert titles("san juan, puerto rico") == ["San Juan, Puerto Rico"]
    assert titles("#maria and Maria's eye, hurricane Maria") == ["Hurricane Maria"]
    # an accent more or less, in either spelling of Unicode
    assert titles("Púerto Rico, Hurricane Mari\u0301a") == ["Puerto Rico", "Hurricane Maria"]
    assert titles("#HurricaneMaría") == ["Hurricane Maria"]
    # part of a word is no name, and neither is an account
    assert titles("Mariana @Maria puerto, rican") == []
    [page] = source.pages("maria")
    assert (page.summary, page.mention) == ("Maria was a storm.", "maria")
    limited = TableSource(PageTableOptions(table=str(tmp_path / "p.jsonl"), most=1))
    assert len(limited.pages("Puerto Rico, Maria")) == 1


def test_the_table_that_ships_knows_the_seven_disasters() -> None:
    source = TableSource(PageTableOptions())
    assert source.name == "table crises-2017"
    for text in (
        "#HurricaneHarvey",
        "Hurricane Irma",
        "hurricane maria",
        "Mexico earthquake",
        "California wildfires",
        "Sri Lanka floods",
    ):
        assert source.pages(text), text


@pytest.mark.parametrize(
    "row",
    ["{", "[1]", '{"title": "x"}', '{"title": "x", "summary": 1}', '{"title": "x", "summary": "", "odd": 1}'],
)
def test_a_row_that_is_no_page_is_named(row: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / "p.jsonl")
    path.write_text(path.read_text() + row + "\n")
    with pytest.raises(DataError, match=r"p\.jsonl, line 6, is no page"):
        TableSource(PageTableOptions(table=str(path)))


def test_what_sources_refuse(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table of pages at"):
        TableSource(PageTableOptions(table=str(tmp_path / "absent.jsonl")))
    with pytest.raises(NotRegisteredError, match="wikipedia"):
        load_source(KnowledgeSpec(name="oracle"))
    with pytest.raises(ConfigError, match="tabel"):
        load_source(KnowledgeSpec(name="table", options={"tabel": "x"}))
    with pytest.raises(InputError, match="is no address"):
        WikipediaSource(WikipediaOptions(url="file:///etc", store=str(tmp_path / "s.sqlite")))


def found(title: str, summary: str, **more: object) -> Reply:
    return said({"query": {"pages": [{"title": title, "extract": summary, **more}]}})


def said(value: object) -> Reply:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


def echo(name: str) -> Reply:
    return found(name.title(), f"{name.title()} is known.")


@dataclass
class Wiki:
    """A stub of the MediaWiki interface and what it was asked."""

    answer: Callable[[str], Reply] = echo
    asked: list[dict[str, str]] = field(default_factory=list)
    agents: list[str | None] = field(default_factory=list)
    url: str = ""

    def names(self) -> list[str]:
        return [query["gsrsearch"] for query in self.asked]


@pytest.fixture
def wiki() -> Iterator[Wiki]:
    stub = Wiki()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
            stub.asked.append(query)
            stub.agents.append(self.headers.get("User-Agent"))
            status, headers, data = stub.answer(query["gsrsearch"])
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}/w/api.php"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()
    thread.join()


def source(wiki: Wiki, tmp_path: Path, **options: Any) -> WikipediaSource:
    quick: dict[str, Any] = {
        "pause_s": 0.0,
        "first_wait_s": 0.01,
        "timeout_s": 2.0,
        "retries": 2,
        "store": str(tmp_path / "wiki.sqlite"),
    }
    return WikipediaSource(WikipediaOptions(url=wiki.url, **{**quick, **options}))


def test_one_request_a_name_and_none_for_what_is_known(wiki: Wiki, tmp_path: Path) -> None:
    wiki.answer = lambda name: echo(name) if name != "Zorblax" else said({"batchcomplete": True})
    text = "Water in Puerto Rico near Zorblax and Houston"
    first = source(wiki, tmp_path)
    pages = first.pages(text)
    assert [(p.title, p.summary, p.mention) for p in pages] == [
        ("Puerto Rico", "Puerto Rico is known.", "Puerto Rico"),
        ("Houston", "Houston is known.", "Houston"),
    ]
    assert wiki.names() == ["Puerto Rico", "Zorblax", "Houston"]
    assert first.requests == 3
    query = wiki.asked[0]
    assert (query["action"], query["format"], query["gsrlimit"], query["exsentences"], query["maxlag"]) == (
        "query",
        "json",
        "1",
        "2",
        "5",
    )
    assert wiki.agents[0] == "crisislens (https://github.com/crisislens)"
    # that there is no page is an answer too
    second = source(wiki, tmp_path)
    assert second.pages(text.replace("Houston", "HOUSTON")) == [*pages[:1], *second.pages("in HOUSTON")]
    assert (second.requests, len(wiki.asked)) == (0, 3)
    # other sentences are another question
    assert source(wiki, tmp_path, sentences=1).page("Houston")
    assert len(wiki.asked) == 4


@pytest.mark.parametrize(
    "reply",
    [
        said({"query": {"pages": []}}),
        said({"query": {"pages": [{"title": "Houston"}]}}),
        said({"query": []}),
        found("Rome", "Another town."),
        found("Houston", "May mean many.", pageprops={"disambiguation": ""}),
        found("Houston", ""),
    ],
)
def test_pages_that_do_not_count(wiki: Wiki, tmp_path: Path, reply: Reply) -> None:
    wiki.answer = lambda _: reply
    assert source(wiki, tmp_path).pages("in Houston") == []


@pytest.mark.parametrize(
    ("mention", "title", "counts"),
    [
        ("St. Louis", "Saint Paul, Minnesota", False),
        ("St. Louis", "St. Louis", True),
        ("Ft. Myers", "Fort Myers, Florida", True),
        ("Fort Worth", "Fort Myers, Florida", False),
        ("Mount", "Mount", True),
    ],
)
def test_how_many_names_begin_makes_no_page_fit(mention: str, title: str, counts: bool) -> None:
    fits = bool(_words(mention) & _words(title))
    assert fits == counts


def test_summaries_are_made_plain_and_cut(wiki: Wiki, tmp_path: Path) -> None:
    wiki.answer = lambda _: found("Houston\u202e", "A\u200b city.\n\n" + "word " * 5000)
    page = source(wiki, tmp_path, max_characters=50).page("Houston")
    assert page is not None
    assert page.title == "Houston"
    assert page.summary.startswith("A city. word")
    assert len(page.summary) <= 50


def failing(times: int, reply: Reply) -> Callable[[str], Reply]:
    left = [times]

    def answer(name: str) -> Reply:
        left[0] -= 1
        return reply if left[0] >= 0 else echo(name)

    return answer


@pytest.mark.parametrize(
    "reply",
    [
        (503, {"Retry-After": "0"}, b"busy"),
        (429, {}, b"slow down"),
        said({"error": {"code": "maxlag", "info": "Waiting for a database server"}}),
        (200, {}, b"<html>"),
    ],
)
def test_transient_failures_are_tried_again_and_then_given_up(
    wiki: Wiki, tmp_path: Path, reply: Reply
) -> None:
    wiki.answer = failing(2, reply)
    assert source(wiki, tmp_path).page("Houston") is not None
    assert len(wiki.asked) == 3
    wiki.answer = failing(3, reply)
    asking = source(wiki, tmp_path)
    with pytest.raises(RequestError):
        asking.page("Paris")
    assert len(wiki.asked) == 6
    # a failure is not kept
    assert asking.page("Paris") is not None


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (said({"error": {"code": "badvalue", "info": "Unrecognized value"}}), "Unrecognized value"),
        (said([1]), "is no object"),
        ((403, {}, b"who are you"), "answered 403"),
    ],
)
def test_lasting_failures_are_not_tried_again(wiki: Wiki, tmp_path: Path, reply: Reply, reason: str) -> None:
    wiki.answer = lambda _: reply
    with pytest.raises(RequestError, match=reason):
        source(wiki, tmp_path).page("Houston")
    assert len(wiki.asked) == 1


def test_a_post_that_fails_is_recorded_and_a_dead_wiki_ends_the_run(wiki: Wiki, tmp_path: Path) -> None:
    wiki.answer = lambda name: (403, {}, b"no") if name == "Paris" else echo(name)
    posts = [
        Post(id=str(i), text=f"in {name}") for i, name in enumerate(("Houston", "Paris", "Rome", "Rome"))
    ]
    told: list[int] = []
    records = know_posts(posts, source(wiki, tmp_path), progress=lambda done, _: told.append(done))
    assert [r.text for r in records] == ["Houston is known.", "", "Rome is known.", "Rome is known."]
    assert [bool(r.reason) for r in records] == [False, True, False, False]
    assert wiki.names() == ["Houston", "Paris", "Rome"]
    assert told[-1] == 4
    wiki.answer = lambda _: (403, {}, b"no")
    with pytest.raises(RequestError, match="answered 403"):
        know_posts([Post(id=str(i), text=f"in City{chr(65 + i)}") for i in range(9)], source(wiki, tmp_path))
    assert len(wiki.asked) == 6


def test_a_dead_wiki_is_not_asked_to_the_end_where_posts_between_ask_nothing(
    wiki: Wiki, tmp_path: Path
) -> None:
    know_posts([Post(id="0", text="in Houston")], source(wiki, tmp_path))
    wiki.answer = lambda _: (403, {}, b"no")
    # names nothing, or was answered before
    texts = (
        "in Ponce",
        "we need water",
        "in Arecibo",
        "in Houston",
        "in Caguas",
        "please help",
        "in Fajardo",
    )
    posts = [Post(id=str(i), text=text) for i, text in enumerate(texts)]
    with pytest.raises(RequestError, match="answered 403"):
        know_posts(posts, source(wiki, tmp_path))
    assert wiki.names() == ["Houston", "Ponce", "Arecibo", "Caguas"]


def test_the_command_end_to_end(wiki: Wiki, tmp_path: Path) -> None:
    texts = ["Flood in Houston", "nothing", "Fire near Puerto Rico and Houston"]
    lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(texts)]
    (tmp_path / "posts.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    out = tmp_path / "wiki.jsonl"
    sets = [f"url={wiki.url}", f"store={tmp_path / 'kept.sqlite'}", "pause_s=0"]
    command = [
        "knowledge",
        str(tmp_path / "posts.jsonl"),
        "--backend",
        "wikipedia",
        "--out",
        str(out),
        *(x for s in sets for x in ("--set", s)),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "2 of 3 posts name something that wikipedia 127.0.0.1" in done.output
    assert "1 rows could not be read" in done.output
    first = out.read_bytes()
    assert wiki.names() == ["Houston", "Puerto Rico"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert out.read_bytes() == first
    assert len(wiki.asked) == 2
    beside = Sidecar.read(out)
    assert beside.of(Post(id="2", text="")) == "Puerto Rico is known. Houston is known."
    assert beside.of(Post(id="1", text="")) == ""
    offline = CliRunner().invoke(
        app, [*command[:2], "--backend", "table", "--out", str(tmp_path / "local.jsonl")]
    )
    assert offline.exit_code == 0, offline.output
    assert "that table crises-2017 knows" in offline.output
