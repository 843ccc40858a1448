"""Lists and exports by API: all posts of a filter in every order, and what was left out is told."""

import csv
import io
from typing import Any

import pytest
from serve_site import Site

from crisislens.store import listing


def listed(site: Site, query: str) -> list[int]:
    """The numbers of all pages."""
    found: list[int] = []
    after: str | None = ""
    while after is not None:
        answer = site.client.get(f"/v1/posts?{query}&after={after}", headers=site.key("viewer")).json()
        found += [post["id"] for post in answer["posts"]]
        after = answer["next"]
    return found


def exported(site: Site, query: str = "") -> list[dict[str, str]]:
    """The rows of a table."""
    text = site.client.get(f"/v1/export.csv?{query}", headers=site.key("viewer")).text
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "text": f"house {i} destroyed", **more} for i in range(count)]


@pytest.mark.parametrize("order", ["time", "urgency", "uncertainty"])
def test_posts_that_wait_are_in_every_order_and_in_its_export(fresh: Site, order: str) -> None:
    answered = fresh.send(*numbered(5))
    fresh.work()
    waiting = fresh.send(*numbered(4), source="sms")
    found = listed(fresh, f"order={order}&limit=2")
    assert sorted(found) == sorted([*answered, *waiting])
    assert [int(row["id"]) for row in exported(fresh, f"order={order}")] == found
    if order != "time":
        assert found[5:] == waiting[::-1]


def test_a_table_keeps_its_answers_behind_many_posts_that_wait(fresh: Site) -> None:
    [number, *_] = fresh.send(*numbered(3, created_at="2026-01-01T00:00:00Z"))
    fresh.work()
    said = {"task": "damage", "labels": ["mild_damage"]}
    ann = fresh.people["reviewer"].headers
    assert fresh.client.post(f"/v1/posts/{number}/reviews", json=said, headers=ann).status_code == 201
    fresh.send(*numbered(201), source="sms")
    rows = exported(fresh)
    assert len(rows) == 204
    [reviewed] = [row for row in rows if row["id"] == str(number)]
    assert reviewed["humanitarian_labels"] == "infrastructure_and_utility_damage"
    assert reviewed["damage_people_say"] == "mild_damage"


def test_a_search_that_looks_at_the_newest_says_so(fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh.send(*numbered(4))
    monkeypatch.setattr(listing, "MOST_FOUND", 3)
    viewer = fresh.key("viewer")
    for query, capped in (("q=house", True), ("q=house+1", False), ("", False)):
        assert fresh.client.get(f"/v1/posts?{query}", headers=viewer).json()["capped"] is capped
    ann = fresh.people["viewer"].headers
    for query, told in (("q=house", True), ("q=house+1", False), ("", False)):
        page = fresh.client.get(f"/posts?{query}", headers=ann).text
        assert ("More than 3 posts hold these words" in page) is told
    assert len(listed(fresh, "q=house")) == 3
    assert len(exported(fresh, "q=house")) == 4
