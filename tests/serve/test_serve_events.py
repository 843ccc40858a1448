"""Server-sent events: in order, after the last one, told of a gap, ended cleanly."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from serve_site import Site

import crisislens
from crisislens.serve.api import events
from crisislens.store.records.people import EVENT_KINDS

PAGES = Path(crisislens.__file__).parent / "serve" / "static"


def listen(site: Site, query: str = "", last: str | None = None) -> list[dict[str, Any]]:
    head = dict(site.key("viewer"))
    if last is not None:
        head["Last-Event-ID"] = last
    answer = site.client.get(f"/v1/events{query}", headers=head)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.startswith("retry: ")
    found = []
    for block in answer.text.split("\n\n")[1:]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and line)
        if fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


def test_everything_that_happened_is_told_in_order(site: Site) -> None:
    site.send({"id": "1", "text": "a\nb: c"}, {"id": "2"})
    site.work()
    found = listen(site, "?since=0")
    numbers = [int(event["id"]) for event in found]
    assert numbers == sorted(set(numbers))
    kinds = [event["event"] for event in found]
    assert kinds.count("post.accepted") == 2
    assert kinds.count("post.assessed") == 2
    # what is told is a number, not the text of a post
    assert "a\\nb" not in json.dumps(found)


def test_who_comes_back_misses_nothing(site: Site) -> None:
    every = listen(site, "?since=0")
    middle = every[len(every) // 2]["id"]
    rest = listen(site, last=middle)
    assert [event["id"] for event in rest] == [
        event["id"] for event in every if int(event["id"]) > int(middle)
    ]
    # the header wins: it is what a browser sends when it comes back to the same address
    assert listen(site, "?since=0", last=every[-1]["id"]) == []


def test_a_stream_begins_with_the_number_that_it_goes_on_after(site: Site) -> None:
    """A browser keeps it before anything has happened, and comes back with it."""
    site.send({"id": "begins"})
    last = site.store.events.last()
    answer = site.client.get("/v1/events", headers=site.key("viewer"))
    assert answer.text == f"retry: 2000\nid: {last}\n\n"


def test_a_stream_tells_how_far_it_has_looked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is of other kinds may go: to who listens for one kind that is no gap."""
    monkeypatch.setattr(events, "_BEAT_S", 0.01)
    site.send({"id": "looked"})
    answer = site.client.get("/v1/events?since=0&kind=alert.opened", headers=site.key("viewer"))
    beats = answer.text.split("\n\n")[1:-1]
    assert set(beats) == {f": still here\nid: {site.store.events.last()}"}


def test_a_gap_is_told_once(fresh: Site) -> None:
    fresh.send({"id": "1"}, {"id": "2"})
    fresh.store.retention.run(keep_days=1, now=datetime.now(UTC) + timedelta(days=2))
    fresh.send({"id": "3"})
    first = fresh.store.events.first()
    gap, *rest = listen(fresh, last="1")
    assert (gap["event"], gap["data"]) == ("gap", {"after": 1, "before": first})
    assert [int(event["id"]) for event in rest] == list(range(first, fresh.store.events.last() + 1))
    # who was cut off after it comes back with its number
    assert listen(fresh, last=gap["id"]) == rest


def test_only_the_kinds_that_are_asked_for(site: Site) -> None:
    found = listen(site, "?since=0&kind=post.assessed")
    assert {event["event"] for event in found} == {"post.assessed"}


def test_what_the_pages_listen_for_happens(site: Site) -> None:
    words = (PAGES / "live.js").read_text(encoding="utf-8")
    asked = re.search(r"var kinds = (\[.*?\]);", words)
    assert asked is not None
    kinds = json.loads(asked[1])
    assert set(kinds) <= set(EVENT_KINDS)
    found = listen(site, "?since=0&" + "&".join(f"kind={kind}" for kind in kinds))
    assert {"post.accepted", "post.assessed"} <= {event["event"] for event in found}
    # the page counts posts by their number
    assert all(event["data"]["post_id"] for event in found)


@pytest.mark.parametrize("kind", ["accepted", "post", "post.nothing", "", "POST.ASSESSED", "post.assessed,"])
def test_a_kind_that_never_happens_is_refused(site: Site, kind: str) -> None:
    answer = site.client.get(
        "/v1/events", params={"kind": ["post.assessed", kind]}, headers=site.key("viewer")
    )
    assert answer.status_code == 422
    assert "give one of post.accepted" in answer.json()["detail"]


def test_every_kind_that_is_written_is_known() -> None:
    package = Path(crisislens.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    written = {kind for text in texts for kind in re.findall(r"\.event\(\s*f?\"([a-z.{}]+)\"", text)}
    assert "post.accepted" in written
    plain = {kind for kind in written if "{" not in kind}
    assert plain <= set(EVENT_KINDS)


def test_from_now_on_by_default(site: Site) -> None:
    assert listen(site) == []


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 19, "٣"])
def test_a_strange_number_is_refused(site: Site, last: str) -> None:
    head = {**site.key("viewer"), "Last-Event-ID": last.encode()}
    assert site.client.get("/v1/events", headers=head).status_code == 422


def test_too_many_listeners_are_turned_away(site: Site) -> None:
    news = site.app.state.service.news
    news.listeners = news.most
    try:
        answer = site.client.get("/v1/events", headers=site.key("viewer"))
        assert answer.status_code == 429
        assert "retry-after" in answer.headers
    finally:
        news.listeners = 0


def test_a_listener_is_counted_off_again(site: Site) -> None:
    listen(site, "?since=0")
    assert site.app.state.service.news.listeners == 0
