"""What is logged and what is answered: no text of a post, no key, no password, no session."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from serve_site import Site

from crisislens.serve.headers import JsonFormatter

CANARY = "canary-3b91"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that the service and its server log."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    names = ("crisislens", "uvicorn.error", "uvicorn")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    for log, _ in before:
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
    yield stream
    for log, level in before:
        log.removeHandler(handler)
        log.setLevel(level)


def test_the_log_names_routes_and_people_and_nothing_else(fresh: Site, logged: io.StringIO) -> None:
    head = fresh.key("reviewer")
    person = fresh.person("ann")
    token = fresh.store.sessions.link(person.user.id)
    fresh.client.post("/v1/posts", json={"id": CANARY, "text": CANARY, "author": CANARY}, headers=head)
    fresh.client.post("/v1/posts", json={"id": CANARY, "lat": CANARY}, headers=head)
    fresh.client.get(f"/v1/posts?q={CANARY}", headers=head)
    fresh.client.get(f"/nowhere/{CANARY}", headers=head)
    fresh.client.get(f"/welcome/{token}")
    fresh.client.post("/sign-in", data={"name": CANARY, "password": CANARY})
    fresh.client.get("/queue", headers={**person.headers, "X-Request-ID": "from-the-proxy"})
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert len(requests) == 7
    text = logged.getvalue()
    for secret in (CANARY, token, person.token, person.csrf, *fresh.keys.values()):
        assert secret not in text
    assert {"/v1/posts", "/welcome/{token}", "/queue"} <= {line["route"] for line in requests}
    assert requests[-1]["who"] == "user:ann"
    assert requests[-1]["request_id"] == "from-the-proxy"
    assert all(line["ms"] >= 0 and line["status"] for line in requests)


def test_a_fault_is_logged_without_its_words(
    fresh: Site, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(CANARY)

    monkeypatch.setattr(fresh.store.posts, "get", broken)
    with pytest.raises(ValueError, match=CANARY):
        fresh.client.get("/v1/posts/1", headers=fresh.key("viewer"))
    text = logged.getvalue()
    assert CANARY not in text
    record = logging.LogRecord("crisislens", logging.ERROR, "x.py", 1, "failed", (), None)
    try:
        broken()
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    line = json.loads(JsonFormatter().format(record))
    assert line["error"] == "ValueError"
    assert CANARY not in json.dumps(line)
    assert any("broken" in place for place in line["where"])


def test_no_answer_holds_a_secret(fresh: Site) -> None:
    admin = fresh.key("admin")
    person = fresh.person("ann")
    fresh.store.users.add("pat", "viewer", password="four plain words together", actor="cli")
    for path in ("/v1/users", "/v1/keys", "/v1/audit", "/admin", "/metrics", "/openapi.json", "/readyz"):
        text = fresh.client.get(path, headers=admin).text
        for secret in (person.token, person.csrf, *fresh.keys.values(), "argon2", "four plain words"):
            assert secret not in text, path


def test_posts_carry_no_author_and_no_address(fresh: Site) -> None:
    [number] = fresh.send({"id": "1", "text": "x", "author": CANARY, "url": f"https://x.example/{CANARY}"})
    for path in (f"/v1/posts/{number}", "/v1/posts", "/v1/export.csv", "/v1/export.jsonl"):
        assert CANARY not in fresh.client.get(path, headers=fresh.key("admin")).text, path
    named = fresh.client.get("/v1/export.csv?authors=true", headers=fresh.key("reviewer"))
    assert CANARY in named.text
    assert fresh.client.get("/v1/export.csv?authors=true", headers=fresh.key("viewer")).status_code == 403


def test_health_tells_whether_posts_can_be_taken(fresh: Site) -> None:
    assert fresh.client.get("/healthz").json()["ok"] is True
    ready = fresh.client.get("/readyz")
    assert (ready.status_code, ready.json()["ok"]) == (200, True)
    fresh.store.close()
    gone = fresh.client.get("/readyz")
    assert (gone.status_code, gone.json()["ok"]) == (503, False)
    assert gone.json()["reason"]
    assert fresh.client.get("/healthz").status_code == 200


def test_counters_are_for_this_computer_or_with_a_key(fresh: Site) -> None:
    fresh.send({"id": "1", "text": "x"})
    text = fresh.client.get("/metrics").text
    assert 'crisislens_posts_accepted_total{outcome="created"} 1.0' in text
    assert 'crisislens_posts{state="queued"} 1.0' in text
    assert 'route="/v1/posts"' in text
    for name, value in (
        ("X-Forwarded-For", "192.0.2.1"),
        # a proxy that names nobody, and one that only keeps the name it was asked by
        ("X-Forwarded-Proto", "https"),
        ("X-Real-IP", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.1"),
        ("Via", "1.1 proxy"),
        ("Host", "crisis.example.org"),
    ):
        assert fresh.client.get("/metrics", headers={name: value}).status_code in (400, 401, 421), name
    head = {"X-Forwarded-For": "192.0.2.1", **fresh.key("viewer")}
    assert fresh.client.get("/metrics", headers=head).status_code == 200


@pytest.mark.parametrize("form", ["csv", "hxl.csv", "jsonl", "geojson", "parquet", "assessments.jsonl"])
def test_an_export_that_cannot_be_made_is_refused_before_it_begins(site: Site, form: str) -> None:
    answer = site.client.get(f"/v1/export.{form}?after=no-cursor", headers=site.key("viewer"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
