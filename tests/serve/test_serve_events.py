"""Server-sent events: in order, after the last one, told of a gap, ended cleanly."""

import json
from typing import Any

import pytest
from serve_site import Site


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


def test_only_the_kinds_that_are_asked_for(site: Site) -> None:
    found = listen(site, "?since=0&kind=post.assessed")
    assert {event["event"] for event in found} == {"post.assessed"}


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
