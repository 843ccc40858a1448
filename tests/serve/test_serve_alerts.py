"""Rules and alerts by API and by page: who may do what, and what the pages say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from serve_site import Site

from crisislens.alerts.evaluate import evaluate
from crisislens.domain.place import GeoLocation, Place

PONCE = Place(id="city:4563243", name="Ponce", kind="city", country="PR", lat=18.01, lon=-66.61)
SPEC = {"task": "damage", "label": "severe_damage", "least": 2, "window_min": 30}
WORDS = ("the old bridge is destroyed", "school roof destroyed by wind", "harbour wall destroyed today")


def destroy(site: Site, *, count: int = 2) -> list[int]:
    """So many posts of one place that tell of severe damage just now; their numbers."""
    now = datetime.now(UTC)
    posts = [
        {"id": f"d{i}", "text": WORDS[i], "created_at": (now - timedelta(minutes=5 - i)).isoformat()}
        for i in range(count)
    ]
    ids = site.send(*posts)
    site.work(location=GeoLocation(lat=18.0, lon=-66.6, source="text", place=PONCE, confidence=1.0))
    return ids


def test_from_rule_to_answered_by_api(fresh: Site) -> None:
    admin, reviewer, viewer = (fresh.key(role) for role in ("admin", "reviewer", "viewer"))
    ids = destroy(fresh)
    tried = fresh.client.post("/v1/alert-rules/test", json=SPEC, headers=viewer).json()
    assert [one["post_ids"] for one in tried["raised"]] == [ids]
    made = fresh.client.post("/v1/alert-rules", json={"name": "damage", "spec": SPEC}, headers=admin)
    assert (made.status_code, made.json()["spec"]["unanswered"]) == (201, True)
    assert evaluate(fresh.store) == [1]
    [alert] = fresh.client.get("/v1/alerts?state=open", headers=viewer).json()
    assert (alert["place_name"], alert["level"], alert["post_ids"]) == ("Ponce", 1, ids)
    one = fresh.client.get("/v1/alerts/1", headers=viewer)
    assert one.json() == alert
    decided = {"state": "answered", "note": "team 3"}
    assert fresh.client.post("/v1/alerts/1/close", json=decided, headers=viewer).status_code == 403
    closed = fresh.client.post("/v1/alerts/1/close", json=decided, headers=reviewer).json()
    assert closed["state"] == "answered"
    assert closed["closed_by"].startswith("key:")
    assert fresh.client.post("/v1/alerts/1/close", json=decided, headers=reviewer).status_code == 409
    rule = made.json()["id"]
    off = fresh.client.patch(f"/v1/alert-rules/{rule}", json={"enabled": False}, headers=admin)
    assert off.json()["enabled"] is False
    assert fresh.client.delete(f"/v1/alert-rules/{rule}", headers=admin).status_code == 204
    assert fresh.client.get("/v1/alert-rules", headers=viewer).json() == []
    kinds = {event.kind for event in fresh.store.events.after(0, kinds=("alert.opened", "alert.closed"))}
    assert kinds == {"alert.opened", "alert.closed"}


BAD: list[dict[str, Any]] = [
    {"least": 0},
    {"window_min": 0},
    {"label": ""},
    {"least": "many"},
    {"surplus": 1},
    {"late_h": -1},
    {"sources": ["x"] * 51},
]


@pytest.mark.parametrize("bad", BAD)
def test_rules_that_cannot_be_are_refused_with_the_field(site: Site, bad: dict[str, Any]) -> None:
    body = {"name": "bad", "spec": {**SPEC, **bad}}
    answer = site.client.post("/v1/alert-rules", json=body, headers=site.key("admin"))
    assert answer.status_code == 422
    assert next(iter(bad)) in answer.json()["detail"]


def test_a_rule_by_page_is_tried_and_then_added(fresh: Site) -> None:
    ids = destroy(fresh)
    head = {**fresh.people["admin"].headers, "Accept": "text/html"}
    form = {"name": "damage", "said": "damage=severe_damage", "least": "2", "window_min": "30"}
    form |= {"unanswered": "true"}
    tried = fresh.client.post("/alerts/rules", data={**form, "trial": "true"}, headers=head)
    assert tried.status_code == 200
    assert "would have raised" in tried.text
    assert all(f'/posts/{number}"' in tried.text for number in ids)
    assert fresh.store.alert_rules.all() == ()
    added = fresh.client.post("/alerts/rules", data=form, headers=head)
    assert (added.status_code, added.headers["location"]) == (303, "/alerts#rules-title")
    again = fresh.client.post("/alerts/rules", data=form, headers=head)
    assert again.status_code == 422
    assert "already" in again.text
    assert 'value="damage"' in again.text
    evaluate(fresh.store)
    page = fresh.client.get("/alerts", headers=head).text
    assert "<bdi>Ponce</bdi>" in page
    one = fresh.client.get("/alerts/1", headers=head).text
    assert "at least 2 different posts" in one
    assert WORDS[0] in one
    [rule] = fresh.store.alert_rules.all()
    for path, data in (
        (f"/alerts/rules/{rule.id}", {"enabled": "false"}),
        (f"/alerts/rules/{rule.id}/remove", {}),
    ):
        assert fresh.client.post(path, data=data, headers=head).status_code == 303
    assert fresh.store.alert_rules.all() == ()


def test_an_alert_is_closed_on_its_page(fresh: Site) -> None:
    destroy(fresh)
    fresh.client.post("/v1/alert-rules", json={"name": "d", "spec": SPEC}, headers=fresh.key("admin"))
    evaluate(fresh.store)
    viewer = {**fresh.people["viewer"].headers, "Accept": "text/html"}
    assert "Somebody takes care" not in fresh.client.get("/alerts/1", headers=viewer).text
    reviewer = {**fresh.people["reviewer"].headers, "Accept": "text/html"}
    form = {"state": "dismissed", "note": "an exercise"}
    assert fresh.client.post("/alerts/1/close", data=form, headers=reviewer).status_code == 303
    page = fresh.client.get("/alerts/1", headers=reviewer).text
    assert "A false alarm" in page
    assert "an exercise" in page
    assert "No alert here" in fresh.client.get("/alerts", headers=viewer).text
    assert "Ponce" in fresh.client.get("/alerts?state=dismissed", headers=viewer).text
    fresh.store.erasure.posts(fresh.store.alerts.get(1).post_ids, actor="cli")
    assert "All of them were erased" in fresh.client.get("/alerts/1", headers=viewer).text
