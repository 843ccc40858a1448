"""The pages: nothing of a post runs, every page is whole, and forms do what they say."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from serve_site import QUICK, Site, open_site
from starlette.testclient import TestClient

from crisislens.alerts.cap import draft_of
from crisislens.alerts.evaluate import evaluate
from crisislens.domain.place import GeoLocation, Place
from crisislens.serve.app import routes_of
from crisislens.serve.headers import POLICY
from crisislens.store.outbox import KINDS
from crisislens.store.records import RuleSpec

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>{{7*7}}${7*7}'
PAGES = (
    "/",
    "/?hours=6&at=-5",
    "/queue",
    "/queue?lane=unread",
    "/posts",
    "/posts/1",
    "/posts/1/evidence",
    "/posts/1/twins",
    "/map",
    "/timeline",
    "/model",
    "/sources",
    "/alerts",
    "/alerts?state=",
    "/alerts/1",
    "/alerts/outlets",
    "/alerts/bulletins/1",
    "/rising",
    "/events",
    "/admin",
    "/account",
    "/about",
    "/v1/docs",
    "/sign-in",
)
SCRIPTS = re.compile(r"/static/[a-z.]+\?[0-9a-f]{12}")


class Page(HTMLParser):
    """What a browser would find: tags, attributes, labels."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if values.get("id"):
            self.ids.append(values["id"] or "")

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [values for tag, values in self.tags if tag in tags]


@pytest.fixture(scope="module", autouse=True)
def full(site: Site) -> None:
    """Everything that people and programs can write is hostile."""
    post = {"id": EVIL, "text": EVIL, "author": EVIL, "event": EVIL[:60], "url": "javascript:alert(4)"}
    site.send({**post, "created_at": "2026-03-06T14:05:00Z"}, {**post, "id": EVIL + "2"}, source="radio")
    place = {"id": "1", "lang": EVIL[:30], "text": "Flood in Paris"}
    site.send(place)
    site.work(notes=(EVIL,))
    person = site.person(EVIL[:60].strip())
    site.store.reviews.add(1, person.user.id, verdict="label", task="humanitarian", labels=[EVIL], note=EVIL)
    site.store.keys.add(EVIL[:60].strip(), "viewer", actor=EVIL)
    site.store.dead_letters.add("radio", EVIL, EVIL)
    site.store.reviews.hold(2, person.user.id)
    raise_an_alert(site)


def raise_an_alert(site: Site) -> None:
    """By a rule and at a place whose names are hostile too."""
    placed = Place(id=EVIL, name=EVIL, kind="city", country="FR", lat=1, lon=1)
    site.send({"id": "placed-1", "text": EVIL + " destroyed", "created_at": "2026-03-06T14:05:00Z"})
    site.work(location=GeoLocation(lat=1, lon=1, source="text", place=placed, confidence=1.0))
    spec = RuleSpec(task="damage", label="severe_damage", least=1, window_min=30)
    site.store.alert_rules.add(EVIL[:60].strip(), spec, actor=EVIL)
    assert evaluate(site.store, now=datetime(2026, 3, 6, 15, tzinfo=UTC)) == [1]
    site.store.alerts.close(1, "answered", note=EVIL, actor=EVIL)
    site.store.outlets.add(EVIL[:60].strip(), "webhook", EVIL, kinds=KINDS, actor=EVIL)
    site.store.outlets.ping(1, actor=EVIL)
    [message] = site.store.deliveries.claim(EVIL)
    site.store.deliveries.missed(EVIL, message.row.id, EVIL, final=True)
    fields = draft_of(site.store.alerts.get(1), sender="ops@example.org")
    site.store.bulletins.draft(1, EVIL, {**fields.model_dump(mode="json"), "headline": EVIL}, actor=EVIL)


def fetch(site: Site, path: str, role: Any = "admin") -> str:
    answer = site.client.get(path, headers={**site.people[role].headers, "Accept": "text/html"})
    assert answer.status_code == 200, (path, answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


@pytest.mark.parametrize("role", ["viewer", "reviewer", "admin"])
def test_nothing_that_was_sent_runs(site: Site, role: Any) -> None:
    for path in PAGES:
        if path in ("/admin", "/alerts/outlets") and role != "admin":
            continue
        page = Page(fetch(site, path, role))
        for tag, values in page.tags:
            assert not any(name.startswith("on") for name in values), (path, tag, values)
            assert "style" not in values, (path, tag)
            assert not any(str(value).lower().startswith("javascript:") for value in values.values())
        for script in page.of("script"):
            assert SCRIPTS.fullmatch(script.get("src") or ""), (path, script)
        assert all((image.get("src") or "").startswith("/media/") for image in page.of("img"))
        assert not page.of("style", "iframe", "object", "embed", "base")
        assert all((link.get("href") or "/").startswith(("/", "#")) for link in page.of("a", "link"))


def test_templates_in_posts_stay_text(site: Site) -> None:
    assert "{{7*7}}" in fetch(site, "/posts/1")
    assert "49" not in re.sub(
        r"[0-9a-f]{12,}|\d{4}-\d\d-\d\d|\d\d:\d\d", "", fetch(site, "/posts/1/evidence")
    )


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_whole(site: Site, path: str) -> None:
    """One heading, no id twice, a name for every field, button and picture."""
    text = fetch(site, path)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids)), path
    whole = text.lstrip().startswith("<!doctype")
    if whole:
        assert len(page.of("h1")) == 1
        assert page.of("html")[0]["lang"] == "en"
        assert len(page.of("title")) >= 1
    for image in page.of("img"):
        assert image.get("alt")
    for form in page.of("form"):
        if form.get("method") == "post" and path != "/sign-in":
            assert text.count('name="csrf"') >= 1


def test_an_empty_service_says_what_to_do_first(fresh: Site) -> None:
    assert "No post has come in yet" in fetch(fresh, "/queue", "viewer")
    assert "None has come in yet" in fetch(fresh, "/")
    assert "No post has come in yet" in fetch(fresh, "/sources")


def test_who_is_not_signed_in_is_led_there_and_back(site: Site) -> None:
    answer = site.client.get("/queue?q=a%26b", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/queue%3Fq%3Da%2526b"
    form = Page(site.client.get(answer.headers["location"]).text)
    assert any(field.get("value") == "/queue?q=a%26b" for field in form.of("input"))


def test_an_error_is_a_page_for_people_and_a_problem_for_programs(site: Site) -> None:
    person = site.people["viewer"].headers
    page = site.client.get("/posts/999", headers={**person, "Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert page.headers["x-request-id"] in page.text
    problem = site.client.get("/v1/posts/999", headers={**person, "Accept": "text/html"})
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["request_id"] == problem.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/welcome/a-link-with-a-dot.", "/alerts?before=0", "/posts/nonsense"])
def test_what_cannot_be_read_is_a_page_for_people_too(site: Site, path: str) -> None:
    person = site.people["viewer"].headers
    page = site.client.get(path, headers={**person, "Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (422, "text/html; charset=utf-8")
    assert page.headers["x-request-id"] in page.text
    assert "To the situation" in page.text
    for head in ({"Accept": "application/json"}, {"Accept": "text/html", "HX-Request": "true"}):
        problem = site.client.get(path, headers={**person, **head})
        assert (problem.status_code, problem.headers["content-type"]) == (422, "application/problem+json")
        [fault] = problem.json()["errors"]
        assert problem.json()["detail"] == f"{fault['where']}: {fault['what']}"
    program = site.client.get("/v1/posts/nonsense", headers={**person, "Accept": "text/html"})
    assert (program.status_code, program.headers["content-type"]) == (422, "application/problem+json")


def test_a_fault_of_the_server_is_a_page_for_people(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("secret words")

    monkeypatch.setattr(site.store.alerts, "get", broken)
    # the client of other tests lets a fault through, a server answers it
    client = TestClient(site.app, base_url="http://testserver", raise_server_exceptions=False)
    person = site.people["viewer"].headers
    page = client.get("/alerts/1", headers={**person, "Accept": "text/html"})
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "this is a fault of the server" in page.text
    assert "secret" not in page.text
    assert page.headers["content-security-policy"] == POLICY
    assert page.headers["cache-control"] == "no-store"
    for path, accept in (("/alerts/1", "application/json"), ("/v1/alerts/1", "text/html")):
        problem = client.get(path, headers={**person, "Accept": accept})
        assert (problem.status_code, problem.headers["content-type"]) == (500, "application/problem+json")


def test_the_page_of_the_api_names_every_method_of_every_route(site: Site) -> None:
    page = site.client.get("/v1/docs").text
    routes = [route for route in routes_of() if route.path.startswith("/v1/") and route.path != "/v1/docs"]
    called = [f"{method} {route.path_format}" for route in routes for method in route.methods or ()]
    assert "PUT /v1/event-names" in called
    for call in called:
        assert f"<code>{call}</code>" in page


def test_addresses_that_are_handed_out_are_of_https_where_browsers_come_by_https(tmp_path: Path) -> None:
    settings = replace(QUICK, secure=True)
    with open_site(tmp_path, settings) as behind:
        now = datetime.now(UTC).isoformat()
        [number] = behind.send({"id": "1", "text": "the old bridge is destroyed", "created_at": now})
        behind.work()
        viewer = behind.key("viewer")
        for form in ("markdown", "html"):
            digest = behind.client.get(f"/v1/digest?form={form}", headers=viewer).text
            assert f"https://testserver/posts/{number}" in digest
            assert "http://testserver" not in digest
        feed = behind.client.get("/v1/alerts.atom", headers=viewer).text
        assert "https://testserver/v1/alerts.atom" in feed
        assert "http://testserver" not in feed
        assert "curl https://testserver/v1/posts" in behind.client.get("/v1/docs").text
        admin = behind.people["admin"].headers
        made = behind.client.post("/admin/users", data={"name": "new", "role": "viewer"}, headers=admin)
        assert "https://testserver/welcome/" in made.text
        assert "http://testserver" not in made.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../serve/app.py",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e%2fapp.py",
        "/static/base.html",
        "/static/VENDORED.md",
        "/media/../../store.db",
        "/media/..%2f..%2fstore.db",
        "/media/" + "a" * 64,
        "/media/" + "A" * 64 + ".jpg",
        "/media/" + "a" * 64 + ".jpg%00",
    ],
)
def test_no_path_leads_out_of_its_folder(site: Site, path: str) -> None:
    answer = site.client.get(path, headers=site.key("admin"))
    assert answer.status_code in (404, 422)
    assert b"SQLite format" not in answer.content


def test_files_of_pages_are_kept_and_renewed(site: Site) -> None:
    page = Page(site.client.get("/sign-in").text)
    [style, *_] = [link for link in page.of("link") if (link.get("href") or "").startswith("/static/serve")]
    answer = site.client.get(style["href"] or "")
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in answer.headers["cache-control"]


def test_a_foreign_name_is_not_answered(site: Site) -> None:
    answer = site.client.get("/healthz", headers={"Host": "evil.example"})
    assert answer.status_code == 421


def test_the_map_has_a_twin_of_words(site: Site) -> None:
    site.send({"id": "placed", "text": "here", "lat": 48.85, "lon": 2.35})
    site.work(location=GeoLocation(lat=48.85, lon=2.35, source="post", confidence=1.0))
    text = fetch(site, "/map?hours=8760")
    assert "<table" in text
    assert "48.850, 2.350" in text
    # a marker leads to the posts in its cell
    page = Page(text)
    links = {link.get("href") or "" for link in page.of("a")}
    assert any("bbox=" in link for link in links)
