"""`POST /v1/posts`: taken once and durably, refused in a sentence, rows in are rows out."""

import io
import json
import struct
import zlib
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from serve_site import Site, open_site

from crisislens.serve.limits import Limits
from crisislens.serve.service import ServeSettings

NUMBERS = count()


def new(**more: Any) -> dict[str, Any]:
    """A post that was never sent."""
    text, at = "Two people on the roof in Rue Capois", "2026-03-06T14:05:00Z"
    return {"id": f"p{next(NUMBERS)}", "text": text, "created_at": at, **more}


def jpeg(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(buffer, "JPEG")
    return buffer.getvalue()


def send(site: Site, **more: Any) -> Any:
    return site.client.post("/v1/posts", headers=site.key("reviewer"), **more)


def test_a_post_is_taken_once(site: Site) -> None:
    post = new()
    first = send(site, json=post)
    assert first.status_code == 202
    assert first.json()["created"] is True
    assert first.json()["state"] == "queued"
    assert first.headers["location"] == f"/v1/posts/{first.json()['id']}"
    again = send(site, json=post)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert again.json()["created"] is False
    other = send(site, json={**post, "text": "another"})
    assert other.status_code == 409
    assert site.store.posts.get(first.json()["id"]).text == post["text"]


def test_the_same_id_of_another_source_is_another_post(site: Site) -> None:
    post = new()
    [one] = site.send(post, source="radio")
    [two] = site.send(post, source="volunteers")
    assert one != two


def test_an_erased_post_is_not_taken_again(site: Site) -> None:
    post = new()
    [number] = site.send(post)
    assert site.client.delete(f"/v1/posts/{number}", headers=site.key("admin")).status_code == 204
    again = send(site, json=post, params={"source": "radio"})
    assert again.status_code == 410
    assert site.client.get(f"/v1/posts/{number}", headers=site.key("viewer")).status_code == 404


def test_a_batch_answers_for_each_row(site: Site) -> None:
    site.send({"id": "old", "text": "here before"}, source="api")
    rows = [
        {"id": "new", "text": "a"},
        {"text": "no id"},
        {"id": "old", "text": "here before"},
        {"id": "old", "text": "changed"},
        "no object",
        {"id": "x", "lat": 91},
        {"id": 17, "text": "a number is an id"},
        {"id": "y", "unknown": 1},
    ]
    answer = send(site, json=rows)
    assert answer.status_code == 202
    found = answer.json()
    kinds = [row["outcome"] for row in found["results"]]
    assert kinds == ["created", "refused", "same", "conflict", "refused", "refused", "created", "refused"]
    assert [row["row"] for row in found["results"]] == list(range(8))
    assert (found["created"], found["same"], found["refused"]) == (2, 1, 5)
    assert all(row["reason"] for row in found["results"] if row["outcome"] in ("refused", "conflict"))
    assert found["results"][-1]["reason"].startswith("unknown: a post has no such field; it has id, text,")


def test_ndjson_keeps_good_rows(site: Site) -> None:
    body = b'{"id": "a", "text": "line\\u2028separator"}\n\nnot json\n{"id": "b"}\r\n'
    headers = {**site.key("reviewer"), "Content-Type": "application/x-ndjson"}
    answer = site.client.post("/v1/posts", content=body, headers=headers)
    assert [row["outcome"] for row in answer.json()["results"]] == ["created", "refused", "created"]


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("application/json", b"", 422),
        ("application/json", b"{", 422),
        ("application/json", b"[]", 422),
        ("application/json", b"null", 422),
        ("application/json", b'"text"', 422),
        ("application/json", b"\xff\xfe", 422),
        ("application/json", b"[" * 100_000, 422),
        ("application/json", b'{"id": ""}', 422),
        ("application/json", b'{"id": true}', 422),
        ("application/json", b'{"id": "1", "lat": 1e400}', 422),
        ("application/json", b'{"id": "1", "created_at": "0001-01-01T00:00:00+14:00"}', 422),
        ("application/json", b'{"id": "1", "created_at": 1e300}', 422),
        ("application/x-ndjson", b"\xff", 422),
        ("application/x-ndjson", b"\n\n", 422),
        ("text/plain", b"flood", 415),
        ("", b"flood", 415),
        ("multipart/form-data", b"no boundary", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 422),
        ("multipart/form-data; boundary=x", b"--x--\r\n", 422),
    ],
)
def test_what_is_no_post_is_refused(site: Site, media: str, body: bytes, status: int) -> None:
    headers = {**site.key("reviewer"), "Content-Type": media}
    answer = site.client.post("/v1/posts", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_a_refusal_repeats_nothing_that_was_sent(site: Site) -> None:
    canary = "canary-7f3a"
    rows: list[Any] = [
        {"id": "1", "text": canary * 2000},
        {"id": "1", canary: canary},
        {"id": "1", "lat": canary},
        {"id": "1", "created_at": canary},
    ]
    for row in rows:
        answer = send(site, json=row)
        assert answer.status_code == 422
        assert canary not in answer.text.replace(f'"{canary}: ', "").replace(f"{canary}: Extra", "")


def test_sources_have_plain_names(site: Site) -> None:
    for name in ("", " x", "<script>", "a" * 81, "../etc"):
        answer = send(site, json=new(), params={"source": name})
        assert answer.status_code == 422, name
    assert send(site, json=new(), params={"source": "mastodon:example.org/#flood"}).status_code == 202


def test_a_photo_is_encoded_anew(site: Site) -> None:
    marked = jpeg() + b"<script>trailing</script>"
    files = [("photo", ("../../<img onerror=1>.jpg", marked, "text/html"))]
    answer = send(site, data={"post": json.dumps(new())}, files=files)
    assert answer.status_code == 202, answer.text
    assert answer.json()["notes"] == []
    row = site.client.get(f"/v1/posts/{answer.json()['id']}", headers=site.key("viewer")).json()
    [photo] = row["photos"]
    kept = site.client.get(photo["url"], headers=site.key("viewer"))
    assert kept.headers["content-type"] == "image/jpeg"
    assert kept.content.startswith(b"\xff\xd8\xff")
    assert b"script" not in kept.content
    assert "onerror" not in json.dumps(row)
    # photos are of people, and need a key as posts do
    assert site.client.get(photo["url"]).status_code == 401


def png_bomb(side: int) -> bytes:
    """A small file that claims to be a huge picture."""

    def block(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + block(b"IHDR", head) + block(b"IDAT", zlib.compress(b"\0" * 10_000))


@pytest.mark.parametrize(
    "data",
    [b"", b"not a picture", png_bomb(60_000), jpeg()[:200], b"<svg onload=alert(1)>", b"GIF89a"],
    ids=["empty", "words", "bomb", "cut", "svg", "header"],
)
def test_a_bad_photo_costs_the_photo_and_not_the_post(site: Site, data: bytes) -> None:
    answer = send(site, data={"post": json.dumps(new())}, files=[("photo", ("x", data, "image/png"))])
    assert answer.status_code == 202
    assert len(answer.json()["notes"]) == 1
    row = site.client.get(f"/v1/posts/{answer.json()['id']}", headers=site.key("viewer")).json()
    assert row["photos"][0]["url"] is None
    assert row["photos"][0]["reason"]


def test_bodies_are_bounded(tmp_path: Path) -> None:
    bounds = Limits(body_bytes=20_000, photo_bytes=5_000)
    with open_site(tmp_path, ServeSettings(host="testserver", limits=bounds)) as site:
        assert send(site, json={"id": "1", "text": "x" * 9_000}).status_code == 202
        assert send(site, content=b"x" * 30_000, params={}).status_code in (413, 415)
        headers = {**site.key("reviewer"), "Content-Type": "application/json"}

        def endless() -> Any:
            for _ in range(10_000):
                yield b"[" * 1_000

        assert site.client.post("/v1/posts", content=endless(), headers=headers).status_code == 413
        big = [("photo", ("x", b"x" * 6_000, "image/png"))]
        answer = send(site, data={"post": json.dumps(new())}, files=big)
        assert answer.status_code == 413
        many = [("photo", ("x", b"x", "image/png"))] * 5
        assert send(site, data={"post": json.dumps(new())}, files=many).status_code in (400, 413, 422)


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    with open_site(tmp_path, ServeSettings(host="testserver"), most_queued=3) as site:
        site.send(*({"id": str(i)} for i in range(3)))
        answer = send(site, json={"id": "4"})
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        # nothing was half taken, and there is room again when some were assessed
        assert site.store.queue.depth().queued == 3
        assert site.work() == 3
        assert send(site, json={"id": "4"}).status_code == 202


def test_too_many_calls_are_slowed(tmp_path: Path) -> None:
    bounds = Limits(calls_s=0.2)
    with open_site(tmp_path, ServeSettings(host="testserver", limits=bounds)) as site:
        answers = [site.client.get("/v1/posts", headers=site.key("viewer")) for _ in range(4)]
        assert [answer.status_code for answer in answers].count(429) >= 1
        assert int(answers[-1].headers["retry-after"]) >= 1
        # another key has a bucket of its own
        assert site.client.get("/v1/posts", headers=site.key("admin")).status_code == 200


def test_waiting_gives_the_answer(site: Site) -> None:
    [number] = site.send({"id": "w", "text": "bridge destroyed"}, source="api")
    assert site.work() >= 1
    answer = send(site, json={"id": "w", "text": "bridge destroyed"}, params={"wait": 1})
    assert answer.status_code == 200
    assert answer.json()["state"] == "done"
    assert answer.json()["id"] == number
    assert answer.json()["assessment"]["tasks"]["damage"]["label"] == "severe_damage"


def test_a_row_that_cannot_be_written_back_costs_no_other(site: Site) -> None:
    """Half a surrogate pair is JSON and no text."""
    headers = {**site.key("reviewer"), "Content-Type": "application/json"}
    body = b'[{"id": "whole", "text": "x"}, {"id": "\\ud800"}, {"id": "1", "\\udc9f": 1}]'
    answer = site.client.post("/v1/posts?source=halves", content=body, headers=headers)
    assert answer.status_code == 202
    rows = answer.json()["results"]
    assert [row["outcome"] for row in rows] == ["created", "refused", "refused"]
    assert rows[1]["external_id"] == "\ufffd"
    lines = {**headers, "Content-Type": "application/x-ndjson"}
    assert site.client.post("/v1/posts", content=b'{"id": "\\ud800"}', headers=lines).status_code == 422
    for path in ("/v1/posts", "/v1/keys"):
        one = {**headers, **site.key("admin")}
        assert site.client.post(path, content=b'{"\\ud800": 1}', headers=one).status_code == 422


def test_a_post_is_taken_and_told_so_where_too_many_listen(tmp_path: Path) -> None:
    settings = ServeSettings(host="testserver", limits=Limits(streams=0))
    with open_site(tmp_path, settings) as site:
        answer = send(site, json={"id": "1", "text": "x"}, params={"wait": 20})
        assert (answer.status_code, answer.json()["state"]) == (202, "queued")
        many = send(site, json=[{"id": "2"}, {"id": "3"}], params={"wait": 20})
        assert many.status_code == 202
        assert [row["state"] for row in many.json()["results"]] == ["queued", "queued"]


def test_a_later_version_of_a_reviewed_post_takes_an_administrator(fresh: Site) -> None:
    [number] = fresh.send({"id": "1", "text": "my house is destroyed"}, source="api")
    fresh.work()
    said = {"task": "damage", "labels": ["mild_damage"]}
    ann = fresh.people["reviewer"].headers
    assert fresh.client.post(f"/v1/posts/{number}/reviews", json=said, headers=ann).status_code == 201
    later = {"id": "1", "text": "", "edited_at": "2026-03-07T00:00:00Z"}
    refused = send(fresh, json=later)
    assert refused.status_code == 409
    assert "administrator" in refused.json()["detail"]
    [row] = send(fresh, json=[later]).json()["results"]
    assert "administrator" in row["reason"]
    # where no version was sent, none is spoken of
    plain = send(fresh, json={"id": "1", "text": "other"})
    assert plain.json()["detail"] == "this id is here with other content; nothing was changed"
    assert len(fresh.store.posts.get(number).reviews) == 1
    taken = fresh.client.post("/v1/posts", json=later, headers=fresh.key("admin"))
    assert (taken.status_code, taken.json()["created"]) == (202, True)
    [entry] = [each for each in fresh.store.audit.list() if each.action == "post.erase"]
    assert entry.actor.startswith("key:")


def test_who_is_not_known_is_counted_by_address(tmp_path: Path) -> None:
    bounds = Limits(calls_s=0.2)
    with open_site(tmp_path, ServeSettings(host="testserver", limits=bounds)) as site:
        wrong = {"Authorization": "Bearer cl_none"}
        codes = [site.client.get("/v1/posts", headers=wrong).status_code for _ in range(4)]
        assert codes == [401, 401, 429, 429]
        slowed = site.client.get("/sign-in")
        assert (slowed.status_code, int(slowed.headers["retry-after"]) >= 1) == (429, True)
        # what watches the process, and what a page loads, is let through; so is who is known
        for path in ("/healthz", "/readyz", "/static/page.css"):
            assert site.client.get(path).status_code in (200, 404)
        assert site.client.get("/v1/posts", headers=site.key("viewer")).status_code == 200


def test_waiting_ends_when_nobody_assesses(site: Site) -> None:
    answer = send(site, json=new(), params={"wait": 0.05})
    assert answer.status_code == 202
    assert answer.json()["assessment"] is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["id", "text", "url", "author", "created_at", "lang", "lat", "lon", "event"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(FIELDS, VALUES, max_size=5) | VALUES, min_size=1, max_size=4))
def test_any_json_is_taken_or_refused(site: Site, rows: list[Any]) -> None:
    headers = {**site.key("reviewer"), "Content-Type": "application/json"}
    answer = site.client.post("/v1/posts", content=json.dumps(rows), headers=headers)
    assert answer.status_code < 500, answer.text
    found = answer.json()
    if "results" in found:
        assert len(found["results"]) == len(rows)
