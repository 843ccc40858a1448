"""What strangers may try through the API: formulas, scripts in evidence and reports, paths, headers, methods,
and whether an erased post is gone from everything that the service keeps and says.
"""

import csv
import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from serve_site import Site, open_site

from crisislens.domain.assessment import Entity
from crisislens.domain.place import GeoLocation, Place, PlaceMention
from crisislens.domain.rationale import Rationale, TextSpan
from crisislens.serve.app import roles_of
from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FORMULAS = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "|cmd", "%0A=1", "＝1+1"]
STARTS = ("=", "+", "-", "@", "\t", "\r")
CANARY = "quetzalcanary"


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize("form", ["csv", "hxl.csv"])
def test_no_cell_of_an_export_is_a_formula(fresh: Site, form: str) -> None:
    posts = [
        {"id": f"{start}{i}", "text": f"{start} flood", "author": start, "event": start, "url": start}
        for i, start in enumerate(FORMULAS)
    ]
    fresh.send(*posts, source="radio")
    place = Place(id="=place", name="=HYPERLINK(1)", kind="city", country="FR", lat=1, lon=1)
    fresh.work(location=GeoLocation(lat=1, lon=1, source="text", place=place, confidence=1.0))
    answer = fresh.client.get(f"/v1/export.{form}?authors=true", headers=fresh.key("reviewer"))
    rows = cells(answer.text)
    assert len(rows) == len(FORMULAS) + (2 if form == "hxl.csv" else 1)
    for row in rows[1:]:
        for cell in row:
            # a number may be negative, and is one
            assert not cell.startswith(STARTS) or re.fullmatch(r"-?\d+(\.\d+)?", cell), cell
    # nothing was lost: without the apostrophes the ids are those that were sent
    column = rows[0].index("external_id" if "external_id" in rows[0] else "id")
    kept = {row[column].replace("'", "").strip() for row in rows}
    assert {post["id"].strip() for post in posts} <= kept


def hostile_evidence(site: Site) -> int:
    """A post whose names, places and evidence are all scripts."""
    [number] = site.send({"id": SCRIPT, "text": SCRIPT + " destroyed in Paris"})
    place = Place(id=SCRIPT, name=SCRIPT, kind="city", country="FR", lat=48, lon=2)
    site.work(
        entities=(Entity(text=SCRIPT, type=SCRIPT, start=0, end=len(SCRIPT), score=0.9),),
        places=(PlaceMention(text=SCRIPT, start=0, end=len(SCRIPT), place=place, confidence=1.0),),
        location=GeoLocation(lat=48, lon=2, source="text", place=place, confidence=1.0),
        unread=SCRIPT,
        notes=(SCRIPT,),
    )
    span = TextSpan(start=0, end=len(SCRIPT), score=1.0)
    why = Rationale(method="rationales", model=SCRIPT, text=(span,), note=SCRIPT)
    site.store.posts.keep_rationale(number, "a" * 16, why.model_dump_json())
    return number


def test_evidence_names_and_places_stay_text(fresh: Site) -> None:
    number = hostile_evidence(fresh)
    person = fresh.people["reviewer"].headers
    paths = [f"/posts/{number}", f"/posts/{number}/evidence", f"/posts/{number}/twins"]
    paths += ["/", "/queue", "/posts", "/map", "/timeline"]
    for path in paths:
        text = fresh.client.get(path, headers={**person, "Accept": "text/html"}).text
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
    shown = fresh.client.get(f"/posts/{number}/evidence", headers=person).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown


def test_the_report_of_a_selection_runs_nothing_and_names_no_author(fresh: Site) -> None:
    hostile_evidence(fresh)
    fresh.send({"id": "2", "text": "Water is rising in Rue Capois", "author": CANARY}, source="radio")
    fresh.work()
    answer = fresh.client.get("/v1/export.report.html?source=radio", headers=fresh.key("viewer"))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    text = answer.text
    assert "Water is rising in Rue Capois" in text
    assert CANARY not in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1] or "default-src 'none'" in policy[1]
    # only what was selected
    only = fresh.client.get("/v1/export.report.html?q=capois", headers=fresh.key("viewer")).text
    assert "destroyed in Paris" not in only
    trail = fresh.store.audit.list()[0]
    assert (trail.action, trail.after and trail.after["format"]) == ("export", "report.html")
    assert "capois" not in json.dumps(trail.model_dump(mode="json")).lower()


def test_a_refused_export_leaves_no_file_behind(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.send({"id": "1", "text": "x"})
    answer = fresh.client.get("/v1/export.report.html?after=none", headers=fresh.key("viewer"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_an_erased_post_is_gone_from_files_answers_and_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServeSettings(host="testserver", limits=Limits(calls_s=10_000, stream_s=0.05))
    with caplog.at_level(logging.DEBUG), open_site(tmp_path, settings) as site:
        post = {"id": f"{CANARY}-id", "text": f"{CANARY} bridge destroyed", "author": CANARY}
        [number] = site.send({**post, "event": CANARY, "url": f"https://x.example/{CANARY}"})
        site.work(notes=(CANARY,))
        reviewer = site.people["reviewer"].headers
        note = {"verdict": "unsure", "task": "damage", "note": CANARY}
        assert site.client.post(f"/v1/posts/{number}/reviews", json=note, headers=reviewer).status_code < 300
        site.client.get(f"/v1/posts?q={CANARY}", headers=reviewer)
        assert CANARY.encode() in everything(tmp_path)
        gone = site.client.delete(f"/v1/posts/{number}", headers=site.key("admin"))
        assert gone.status_code == 204
        # the tombstone keeps the key, and nothing else is left of it
        left = everything(tmp_path).replace(f"{CANARY}-id".encode(), b"")
        assert CANARY.encode() not in left
        admin = site.key("admin")
        for (method, path), _ in sorted(roles_of().items()):
            if method != "GET" or "events" in path or path in ("/openapi.json", "/v1/docs"):
                continue
            where = path.replace("{post_id}", str(number))
            where = re.sub(r"\{\w+\}", "1", where)
            answer = site.client.get(where, headers=admin)
            assert CANARY not in answer.text, path
        seen = site.client.get("/v1/events?after=0", headers={**admin, "Last-Event-ID": "0"})
        assert CANARY not in seen.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("crisislens")]
    assert ours
    assert CANARY not in "".join(ours)


PATHS = [
    "/media/..%2f..%2fstore.db",
    "/media/%2e%2e/store.db",
    "/media/....//store.db",
    "/media/" + "a" * 64 + ".jpg%00.png",
    "/media/" + "A" * 64 + ".jpg",
    "/static/..%2fapp.py",
    "/static/%2e%2e%2fapp.py",
    "/static//etc/passwd",
    "/static/../app.py",
    "/posts/..%2f1",
    "/v1/posts/1%2f..%2f2",
    "/v1/export.csv%2f..",
    "/%00",
]


@pytest.mark.parametrize("path", PATHS)
def test_odd_paths_find_nothing(site: Site, path: str) -> None:
    answer = site.client.get(path, headers=site.key("admin"))
    assert answer.status_code in (400, 404, 422), answer.status_code
    assert b"SQLite format" not in answer.content
    assert b"import " not in answer.content
    assert "evil.example" not in answer.headers.get("location", "")


@pytest.mark.parametrize("method", ["PUT", "TRACE", "CONNECT", "OPTIONS", "PATCH", "DELETE", "BREW"])
def test_other_methods_change_nothing_and_break_nothing(site: Site, method: str) -> None:
    before = site.store.audit.list()
    for path in ("/", "/v1/posts", "/queue", "/healthz", "/nowhere", "/static/serve.css"):
        answer = site.client.request(method, path, headers=site.key("admin"), content=b"{}")
        assert answer.status_code in (404, 405, 422), (path, answer.status_code)
        assert answer.headers["content-type"] == "application/problem+json"
        # a TRACE that sends the request back would tell a script the key
        assert "Bearer" not in answer.text
    assert site.store.audit.list() == before


HEADERS: list[dict[str, Any]] = [
    {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    {"X-Original-URL": "/admin", "X-Rewrite-URL": "/admin"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Forwarded": "for=127.0.0.1;host=evil.example"},
    {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    {"Range": "bytes=0-1,0-1,0-1", "If-None-Match": "*"},
    {"Accept": "text/html;q=nonsense,\x7f", "Accept-Language": "x" * 5_000},
    {"Cookie": "crisislens_session=; crisislens_session=" + "x" * 4_000},
]


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: next(iter(headers)))
def test_headers_give_nobody_a_right(site: Site, headers: dict[str, str]) -> None:
    for path in ("/admin", "/v1/users", "/posts", "/v1/export.csv"):
        answer = site.client.get(path, headers=headers)
        assert answer.status_code in (401, 303), (path, answer.status_code)
        assert "access-control-allow-origin" not in answer.headers
        assert "evil.example" not in answer.headers.get("location", "") + answer.text


def test_more_photos_than_a_post_may_have_are_refused(site: Site) -> None:
    files = [("photo", (f"{i}.jpg", b"x", "image/jpeg")) for i in range(5)]
    post = json.dumps({"id": "five", "text": "x"})
    answer = site.client.post("/v1/posts", data={"post": post}, files=files, headers=site.key("reviewer"))
    assert answer.status_code in (400, 422)
    assert site.store.posts.by_key("api", "five") is None


def test_a_form_of_many_fields_is_refused(site: Site) -> None:
    fields = {f"field{i}": "x" for i in range(200)}
    form: dict[str, Any] = {"post": json.dumps({"id": "many"}), **fields}
    files = [("photo", ("a.jpg", b"x", "image/jpeg"))]
    answer = site.client.post("/v1/posts", data=form, files=files, headers=site.key("reviewer"))
    assert answer.status_code in (400, 422)
    assert site.store.posts.by_key("api", "many") is None


def test_deep_and_wide_json_costs_an_answer_and_no_more(site: Site) -> None:
    head = {**site.key("reviewer"), "Content-Type": "application/json"}
    bodies = [
        b'{"id": "1", "text": ' + b'["' * 20_000 + b'"]' * 20_000 + b"}",
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"id": ' + b"9" * 5_000 + b"}",
        b"[" + b"0," * 200_000 + b"0]",
        b'{"id": "1", "id": "2", "lat": 1, "lat": "NaN"}',
        b'{"id": "1", "lat": NaN}',
        b'{"id": "1", "lat": Infinity}',
    ]
    for body in bodies:
        assert site.client.post("/v1/posts", content=body, headers=head).status_code == 422, body[:20]
