"""The quick way of sending answers as the long way does, word for word, and is taken for nothing else."""

import json
import re
from itertools import count
from typing import Any

import pytest
from serve_site import Site

from crisislens.core.errors import StoreFullError
from crisislens.serve.api import quick
from crisislens.serve.limits import RateLimiter

NUMBERS = count()
JSON = "application/json"
LINES = "application/x-ndjson"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The media types of what went the quick way."""
    seen: list[str] = []
    there = quick.take_json

    async def watched(service: Any, kind: str, *given: Any) -> Any:
        seen.append(kind)
        return await there(service, kind, *given)

    monkeypatch.setattr(quick, "take_json", watched)
    return seen


def plain(answer: Any) -> tuple[int, dict[str, str], Any]:
    """An answer without what differs from request to request."""
    heads = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
    heads["location"] = re.sub(r"\d+", "N", heads.get("location", ""))
    heads.pop("content-length", None)
    body = re.sub(r'"id":\d+', '"id":0', answer.text)
    return answer.status_code, heads, re.sub(r'"request_id":"[^"]*"', "", body)


def both(site: Site, body: bytes, kind: str = JSON, **heads: str) -> tuple[Any, Any]:
    """The answers of both ways to the same body; each has a source of its own."""
    site.client.get("/v1/posts", headers=site.key("reviewer"))
    headers = {**site.key("reviewer"), "Content-Type": kind, **heads}
    number = next(NUMBERS)
    short = site.client.post(f"/v1/posts?source=q{number}", content=body, headers=headers)
    # a parameter that changes nothing, and that the quick way does not know
    whole = site.client.post(f"/v1/posts?source=l{number}&wait=0", content=body, headers=headers)
    return plain(short), plain(whole)


POST = (
    b'{"id": "1", "text": "Two people on the roof", "created_at": "2026-03-06T14:05:00+01:00", "lat": 18.5}'
)
BODIES = [
    (JSON, POST, 202),
    (
        JSON,
        '{"id": 17, "text": "Wasser im Ort \u2028 \U0001f30a \u0000"}'.encode().replace(b"\x00", b""),
        202,
    ),
    (JSON, b'{"id": "x", "text": "a\\u0000b"}', 202),
    (JSON, b'{"id": "x", "text": "half a pair \\ud83d"}', 422),
    (JSON, b"[" + POST + b"," + POST + b', {"id": "2"}, 7]', 202),
    (LINES, POST + b'\n{"id": "2"}\nnot json\n', 202),
    ("Application/JSON; charset=utf-8", POST, 202),
    (JSON, b"[7]", 422),
    (JSON, b"[]", 422),
    (JSON, b"", 422),
    (JSON, b"\xff", 422),
    (JSON, b"[" * 50_000, 422),
    (JSON, b'{"id": ""}', 422),
    (JSON, b'{"id": "1", "lat": 91}', 422),
    (JSON, b'{"id": "1", "extra": "secret"}', 422),
    (JSON, json.dumps([{"id": str(i)} for i in range(501)]).encode(), 422),
]


@pytest.mark.parametrize(("kind", "body", "status"), BODIES)
def test_both_ways_say_the_same(site: Site, taken: list[str], kind: str, body: bytes, status: int) -> None:
    short, whole = both(site, body, kind)
    assert short == whole
    assert short[0] == status
    assert len(taken) == 1


def test_again_and_with_other_content(site: Site, taken: list[str]) -> None:
    headers = {**site.key("reviewer"), "Content-Type": JSON}
    site.client.get("/v1/posts", headers=headers)
    answers = []
    for more in ("", "&wait=0"):
        for text in ("one", "one", "two"):
            body = json.dumps({"id": "again", "text": text})
            address = f"/v1/posts?source=again{len(more)}{more}"
            answers.append(plain(site.client.post(address, content=body, headers=headers)))
    assert answers[:3] == answers[3:]
    assert [answer[0] for answer in answers[:3]] == [202, 200, 409]
    assert len(taken) == 3


def test_a_full_store_and_too_many_calls_are_told_alike(
    site: Site, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **_more: object) -> None:
        raise StoreFullError("the queue is full; come again", retry_after_s=7)

    with monkeypatch.context() as patched:
        patched.setattr(site.store.posts, "accept_soon", full)
        short, whole = both(site, POST)
        assert short == whole
        assert (short[0], short[1]["retry-after"]) == (429, "7")
    service = site.app.state.service
    monkeypatch.setattr(service, "calls", RateLimiter(0.001, 1))
    headers = {**site.key("reviewer"), "Content-Type": JSON}
    assert site.client.post("/v1/posts?source=r", content=POST, headers=headers).status_code == 202
    refused = site.client.post("/v1/posts?source=r", content=POST, headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 1


LONG = [
    ({"params": {"source": "a", "wait": "0"}}, 202),
    ({"params": {"source": ""}}, 422),
    ({"params": {"source": "\u00e9"}}, 202),
    ({"params": {"source": "x" * 81}}, 422),
    ({"params": {"source": "a\n"}}, 422),
    ({"headers": {"Content-Type": "text/plain"}}, 415),
    ({"headers": {"Content-Length": "20000001"}}, 413),
    ({"headers": {"Authorization": "Bearer wrong"}}, 401),
    ({"headers": {"Authorization": "Basic x"}}, 401),
]


@pytest.mark.parametrize(("more", "status"), LONG)
def test_what_is_not_plain_goes_the_long_way(
    site: Site, taken: list[str], more: dict[str, Any], status: int
) -> None:
    site.client.get("/v1/posts", headers=site.key("reviewer"))
    headers = {**site.key("reviewer"), "Content-Type": JSON, **more.get("headers", {})}
    body = json.dumps({"id": f"long{next(NUMBERS)}"}).encode()
    answer = site.client.post("/v1/posts", content=body, headers=headers, params=more.get("params"))
    assert answer.status_code == status, answer.text
    assert taken == []


def test_a_viewer_and_an_ended_key_are_turned_away(site: Site, taken: list[str]) -> None:
    viewer = {**site.key("viewer"), "Content-Type": JSON}
    assert site.client.get("/v1/posts", headers=viewer).status_code == 200
    assert site.client.post("/v1/posts", content=POST, headers=viewer).status_code == 403
    made = site.client.post("/v1/keys", json={"name": "new", "role": "reviewer"}, headers=site.key("admin"))
    head = {"Authorization": f"Bearer {made.json()['key']}", "Content-Type": JSON}
    assert site.client.get("/v1/posts", headers=head).status_code == 200
    site.client.delete(f"/v1/keys/{made.json()['row']['id']}", headers=site.key("admin"))
    assert site.client.post("/v1/posts", content=POST, headers=head).status_code == 401
    assert taken == []


def test_of_two_keys_the_first_counts(site: Site, taken: list[str]) -> None:
    for role in ("viewer", "reviewer"):
        site.client.get("/v1/posts", headers=site.key(role))
    keys = [("Authorization", site.key(role)["Authorization"]) for role in ("viewer", "reviewer")]
    kind = ("Content-Type", JSON)
    assert site.client.post("/v1/posts", content=POST, headers=[*keys, kind]).status_code == 403
    assert taken == []


def test_it_is_counted_and_logged_as_the_route(fresh: Site, taken: list[str]) -> None:
    short, _ = both(fresh, POST)
    assert short[0] == 202
    text = fresh.client.get("/metrics").text
    assert 'crisislens_requests_total{method="POST",route="/v1/posts",status="202"} 2.0' in text
    assert 'crisislens_posts_accepted_total{outcome="created"} 2.0' in text
