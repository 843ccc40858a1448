"""Rules and alerts by API and by page: who may do what, and what the pages say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from serve_site import Site

from alert_posts import NOW, ask, heard_when_posted
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


@pytest.mark.parametrize("new", [{"cancel": True}, {"changes": 10**30}, {"changes": 0}])
def test_a_message_that_changes_none_is_refused(fresh: Site, new: dict[str, Any]) -> None:
    destroy(fresh)
    made = {"name": "damage", "spec": SPEC}
    assert fresh.client.post("/v1/alert-rules", json=made, headers=fresh.key("admin")).status_code == 201
    assert evaluate(fresh.store) == [1]
    answer = fresh.client.post("/v1/alerts/1/bulletins", json=new, headers=fresh.key("reviewer"))
    assert answer.status_code == 422
    assert "changes" in answer.json()["detail"]
    assert fresh.store.bulletins.list() == ()


@pytest.mark.parametrize("rule", [4242, 0, -(10**30), 10**30])
def test_a_way_out_of_a_rule_that_there_is_not_is_refused(fresh: Site, rule: int) -> None:
    made = {"name": "damage", "spec": SPEC}
    assert fresh.client.post("/v1/alert-rules", json=made, headers=fresh.key("admin")).status_code == 201
    new = {"name": "desk", "kind": "mail", "target": "ann@example.org"}
    answer = fresh.client.post("/v1/outlets", json={**new, "rules": [1, rule]}, headers=fresh.key("admin"))
    assert answer.status_code == 422
    if rule == 4242:
        assert "1 (damage)" in answer.json()["detail"]
    taken = fresh.client.post("/v1/outlets", json={**new, "rules": [1]}, headers=fresh.key("admin"))
    assert taken.status_code == 201


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
    editing = fresh.client.get(f"/alerts?rule={rule.id}", headers=head).text
    assert f'name="rule_id" value="{rule.id}"' in editing
    assert "Change the rule" in editing
    changed = {**form, "rule_id": str(rule.id), "least": "4", "unanswered": "false"}
    assert fresh.client.post("/alerts/rules", data=changed, headers=head).status_code == 303
    [rule] = fresh.store.alert_rules.all()
    assert (rule.spec.least, rule.spec.unanswered, rule.spec.late_h) == (4, False, 24.0)
    bad = fresh.client.post("/alerts/rules", data={**changed, "least": "0"}, headers=head)
    assert (bad.status_code, "least" in bad.text) == (422, True)
    entry = fresh.store.audit.list(thing="rule:damage")[0]
    assert (entry.action, entry.before["least"], entry.after["least"]) == ("rule.change", 2, 4)
    for path, data in (
        (f"/alerts/rules/{rule.id}", {"enabled": "false"}),
        (f"/alerts/rules/{rule.id}/remove", {}),
    ):
        assert fresh.client.post(path, data=data, headers=head).status_code == 303
    assert fresh.store.alert_rules.all() == ()


def test_a_trial_gives_the_form_back_as_it_was_sent(fresh: Site) -> None:
    head = {**fresh.people["admin"].headers, "Accept": "text/html"}
    form = {"name": "damage", "said": "damage=severe_damage", "least": "2", "window_min": "30"}
    assert fresh.client.post("/alerts/rules", data=form, headers=head).status_code == 303
    [rule] = fresh.store.alert_rules.all()
    # a box that is not ticked is not sent
    asked = {**form, "least": "3", "place": "city:4563243", "rule_id": str(rule.id), "trial": "true"}
    tried = fresh.client.post("/alerts/rules", data=asked, headers=head).text
    assert f'name="rule_id" value="{rule.id}"' in tried
    assert "Change the rule" in tried
    assert 'name="least" type="number" min="1" max="1000" value="3"' in tried
    assert 'name="place" value="city:4563243"' in tried
    assert 'name="unanswered" value="true">' in tried
    ticked = fresh.client.post("/alerts/rules", data={**asked, "unanswered": "true"}, headers=head).text
    assert 'name="unanswered" value="true" checked>' in ticked
    assert fresh.store.alert_rules.all() == (rule,)


def test_a_rule_may_count_either_of_two_answers(fresh: Site) -> None:
    head = {**fresh.people["admin"].headers, "Accept": "text/html"}
    page = fresh.client.get("/alerts", headers=head).text
    assert '<optgroup label="Of either question"><option value="meaning=calls_for_help"' in page
    form = {"name": "calls", "said": "meaning=calls_for_help", "least": "2", "window_min": "30"}
    tried = fresh.client.post("/alerts/rules", data={**form, "trial": "true"}, headers=head)
    words = "Calls for help (either “Call for help” or “Asks for help”) – at least 2 different posts"
    assert (tried.status_code, words in tried.text) == (200, True)
    assert fresh.client.post("/alerts/rules", data=form, headers=head).status_code == 303
    page = fresh.client.get("/alerts?rule=1", headers=head).text
    assert '<option value="meaning=calls_for_help" selected>' in page
    wrong = fresh.client.post("/alerts/rules", data={**form, "said": "meaning=cries"}, headers=head)
    assert (wrong.status_code, "expected calls_for_help" in wrong.text) == (422, True)


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


def alerted(site: Site) -> int:
    """One alert; its number."""
    destroy(site)
    site.client.post("/v1/alert-rules", json={"name": "d", "spec": SPEC}, headers=site.key("admin"))
    [number] = evaluate(site.store)
    return number


def test_ways_out_by_api(fresh: Site) -> None:
    admin = fresh.key("admin")
    hook = {"name": "hook", "kind": "webhook", "target": "https://hooks.example.org/in"}
    made = fresh.client.post("/v1/outlets", json=hook, headers=admin)
    assert made.status_code == 201
    secret, row = made.json()["secret"], made.json()["row"]
    assert secret.startswith("whsec_")
    assert fresh.client.post("/v1/outlets", json=hook, headers=admin).status_code == 409
    bad = {"name": "x", "kind": "webhook", "target": "https://169.254.169.254/"}
    assert fresh.client.post("/v1/outlets", json=bad, headers=admin).status_code == 422
    plain = {**bad, "target": "http://hooks.example.org/in"}
    assert fresh.client.post("/v1/outlets", json=plain, headers=admin).status_code == 422
    mail = {"name": "duty", "kind": "mail", "target": "no mailbox"}
    assert fresh.client.post("/v1/outlets", json=mail, headers=admin).status_code == 422
    path = f"/v1/outlets/{row['id']}"
    assert fresh.client.post(f"{path}/ping", headers=admin).json()["waiting"] == 1
    new = fresh.client.post(f"{path}/rotate", headers=admin).json()["secret"]
    assert new != secret
    off = fresh.client.patch(path, json={"enabled": False}, headers=admin)
    assert off.json()["enabled"] is False
    [sent] = fresh.client.get("/v1/deliveries?state=waiting", headers=admin).json()
    again = fresh.client.post(f"/v1/deliveries/{sent['id']}/redeliver", headers=fresh.key("reviewer"))
    assert again.status_code == 409
    listed = fresh.client.get("/v1/outlets", headers=admin).text
    assert secret not in listed
    assert new not in listed
    assert fresh.client.delete(path, headers=admin).status_code == 204
    assert fresh.client.get("/v1/outlets", headers=admin).json() == []


def test_ways_out_by_page(fresh: Site) -> None:
    head = {**fresh.people["admin"].headers, "Accept": "text/html"}
    form = {
        "name": "hook",
        "kind": "webhook",
        "target": "https://hooks.example.org/in",
        "kinds": "alert.opened",
    }
    made = fresh.client.post("/alerts/outlets", data=form, headers=head)
    assert "whsec_" in made.text
    page = fresh.client.get("/alerts/outlets", headers=head).text
    assert "whsec_" not in page
    refused = fresh.client.post("/alerts/outlets", data={**form, "target": "https://10.0.0.1/"}, headers=head)
    assert (refused.status_code, "private" in refused.text) == (422, True)
    [one] = fresh.store.outlets.all()
    sent = fresh.client.post(f"/alerts/outlets/{one.id}/ping", headers=head)
    assert (sent.status_code, sent.headers["location"]) == (303, "/alerts/outlets?tried=true")
    # to load the page again, as it asks for, sends nothing
    for _ in range(2):
        assert "on its way" in fresh.client.get(sent.headers["location"], headers=head).text
    assert len(fresh.store.deliveries.list()) == 1
    assert "whsec_" in fresh.client.post(f"/alerts/outlets/{one.id}/rotate", headers=head).text
    [message] = fresh.store.deliveries.claim("a")
    fresh.store.deliveries.missed("a", message.row.id, "<b>busy</b>", final=True)
    page = fresh.client.get("/alerts/outlets", headers=head).text
    assert "&lt;b&gt;busy&lt;/b&gt;" in page
    assert "<b>busy" not in page
    assert "failing since" in page
    for path in (
        f"deliveries/{message.row.id}/redeliver",
        f"outlets/{one.id}/switch",
        f"outlets/{one.id}/remove",
    ):
        assert fresh.client.post(f"/alerts/{path}", headers=head).status_code == 303, path
    assert "No way out yet" in fresh.client.get("/alerts/outlets", headers=head).text


def test_a_person_decides_and_releases_a_message(fresh: Site) -> None:
    number = alerted(fresh)
    head = {**fresh.people["reviewer"].headers, "Accept": "text/html"}
    drafted = fresh.client.post(f"/alerts/{number}/bulletins", headers=head)
    where = drafted.headers["location"]
    page = fresh.client.get(where, headers=head).text
    assert "nobody has decided anything yet" in page
    assert "<option selected>Unknown" not in page
    undecided = fresh.client.post(f"{where}/release", data={"status": "Exercise"}, headers=head)
    assert (undecided.status_code, "a person decides this" in undecided.text) == (422, True)
    chosen = {"status": "Exercise", "urgency": "Expected", "severity": "Severe", "certainty": "Possible"}
    bad = fresh.client.post(f"{where}/release", data={**chosen, "area": "x", "radius_km": "-3"}, headers=head)
    assert bad.status_code == 422
    done = fresh.client.post(f"{where}/release", data={**chosen, "headline": "Bridge down <b>"}, headers=head)
    assert done.status_code == 303
    page = fresh.client.get(where, headers=head).text
    assert "Released by user:reviewer" in page
    [row] = fresh.store.bulletins.list()
    xml = fresh.client.get(f"/v1/bulletins/{row.id}.xml", headers=fresh.key("viewer"))
    assert xml.headers["content-type"].startswith("application/cap+xml")
    assert "<headline>Bridge down &lt;b&gt;</headline>" in xml.text
    assert "<status>Exercise</status>" in xml.text
    cancel = fresh.client.post(
        f"/alerts/{number}/bulletins", data={"changes": row.id, "cancel": "true"}, headers=head
    )
    newest = fresh.store.bulletins.list()[0]
    assert cancel.headers["location"].endswith(f"/{newest.id}")
    assert (newest.fields["msg_type"], newest.fields["status"]) == ("Cancel", "Draft")
    sent = xml.text.partition("<sent>")[2].partition("</sent>")[0]
    assert newest.fields["references"][-1] == f"crisislens@example.invalid,{row.identifier},{sent}"


def test_a_program_drafts_and_releases_nothing(fresh: Site) -> None:
    number = alerted(fresh)
    key = fresh.key("reviewer")
    draft = fresh.client.post(f"/v1/alerts/{number}/bulletins", json={}, headers=key)
    assert (draft.status_code, draft.json()["fields"]["severity"]) == (201, "Unknown")
    where = f"/v1/bulletins/{draft.json()['id']}"
    chosen = {"status": "Actual", "urgency": "Expected", "severity": "Severe", "certainty": "Possible"}
    refused = fresh.client.post(f"{where}/release", json={"fields": chosen}, headers=key)
    assert (refused.status_code, "a key cannot" in refused.json()["detail"]) == (403, True)
    person = fresh.people["reviewer"].headers
    done = fresh.client.post(f"{where}/release", json={"fields": chosen}, headers=person)
    assert (done.status_code, done.json()["state"]) == (200, "released")
    assert fresh.client.post(f"{where}/withdraw", headers=person).status_code == 409
    [listed] = fresh.client.get(f"/v1/alerts/{number}/bulletins", headers=key).json()
    assert listed["xml"] == done.json()["xml"]
    wrong = fresh.client.post(f"/v1/alerts/{number}/bulletins", json={"changes": 99}, headers=key)
    assert wrong.status_code == 404


def test_a_circle_that_a_person_takes_away_is_not_released(fresh: Site) -> None:
    number = alerted(fresh)
    head = {**fresh.people["reviewer"].headers, "Accept": "text/html"}
    where = fresh.client.post(f"/alerts/{number}/bulletins", headers=head).headers["location"]
    assert 'step="0.1" value="10.0"' in fresh.client.get(where, headers=head).text
    undecided = fresh.client.post(f"{where}/release", data={"radius_km": ""}, headers=head)
    assert undecided.status_code == 422
    # the form keeps it away
    assert 'step="0.1" value=""' in undecided.text
    chosen = {"status": "Exercise", "urgency": "Expected", "severity": "Severe", "certainty": "Possible"}
    done = fresh.client.post(f"{where}/release", data={**chosen, "radius_km": ""}, headers=head)
    assert done.status_code == 303
    [row] = fresh.store.bulletins.list()
    assert row.xml is not None
    assert "<circle>" not in row.xml
    # what changes this message has no circle either, and says so
    again = fresh.client.post(f"/alerts/{number}/bulletins", data={"changes": row.id}, headers=head)
    page = fresh.client.get(again.headers["location"], headers=head).text
    assert "this message has no position" in page
    assert "radius_km" not in page


def test_alerts_as_feed_and_table(fresh: Site) -> None:
    number = alerted(fresh)
    feed = fresh.client.get("/v1/alerts.atom", headers=fresh.key("viewer"))
    assert feed.headers["content-type"] == "application/atom+xml; charset=utf-8"
    assert f"http://testserver/alerts/{number}" in feed.text
    table = fresh.client.get("/v1/alerts.hxl.csv", headers=fresh.key("viewer"))
    assert "#severity+code+label" in table.text
    assert "severe_damage" in table.text
    assert fresh.store.audit.list()[0].action == "export"


def test_what_rises_of_two_answers_is_one_line_with_one_link(fresh: Site) -> None:
    now = (datetime.now(UTC) - NOW).total_seconds() // 60
    call = "requests_or_urgent_needs"
    past = [now - 60 * hours for hours in reversed(range(6, 78, 4))]
    ask(fresh.store, *past, needs=("request",), category=call)
    heard_when_posted(fresh.store)
    ask(fresh.store, *[now - 40 + i for i in range(39)], needs=("request",), category=call)
    viewer = {**fresh.people["viewer"].headers, "Accept": "text/html"}
    page = fresh.client.get("/rising?hours=6", headers=viewer).text
    assert "/posts?meaning=calls_for_help&amp;since=" in page
    assert ">Calls for help</td>" in page
    assert "Asks for help" not in page
    found = fresh.client.get("/v1/rising?hours=6", headers=fresh.key("viewer")).json()["found"]
    calls = [one for one in found if one["meaning"] == "calls_for_help"]
    assert {one["place"] for one in calls} == {PONCE.id, "*"}
    assert calls[0]["answers"] == [["humanitarian", call], ["needs", "request"]]
    assert all(one["answers"] and "task" not in one for one in found)


def test_the_digest_in_three_forms(fresh: Site) -> None:
    ids = destroy(fresh)
    viewer = fresh.key("viewer")
    found = fresh.client.get("/v1/digest?hours=6", headers=viewer).json()
    assert found["headline"].startswith("Everywhere, last 6 h: 2 informative, ")
    assert all(set(one["post_ids"]) == set(ids) for one in found["sentences"])
    # each query finds exactly the posts that were counted
    for one in found["sentences"]:
        page = fresh.client.get(f"/v1/posts?{one['query']}", headers=viewer).json()
        assert len(page["posts"]) == one["posts"]
    markdown = fresh.client.get("/v1/digest?form=markdown", headers=viewer)
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert f"(http://testserver/posts/{ids[0]})" in markdown.text
    assert "<li>" in fresh.client.get("/v1/digest?form=html", headers=viewer).text
    assert fresh.client.get("/v1/digest?hours=0", headers=viewer).status_code == 422
    assert fresh.client.get("/v1/rising?hours=6", headers=viewer).json()["looked"] == 0
    page = fresh.client.get("/", headers={**fresh.people["viewer"].headers, "Accept": "text/html"}).text
    assert "/v1/digest?hours=24&amp;form=markdown" in page
    assert "2 posts say “informative”" in page


def test_the_slider_of_time_works_without_scripts(fresh: Site) -> None:
    """A form and links; what is shown of the past is linked with its end."""
    now = datetime.now(UTC)
    old = now - timedelta(hours=30)
    texts = ("the old bridge is destroyed", "a quiet day at the river")
    fresh.send(
        {"id": "old", "text": texts[0], "created_at": old.isoformat()},
        {"id": "new", "text": texts[1], "created_at": now.isoformat()},
    )
    fresh.work()
    head = {**fresh.people["viewer"].headers, "Accept": "text/html"}
    present = fresh.client.get("/?hours=6", headers=head).text
    assert "data-live" in present
    assert '<input type="range" id="at" name="at" min="-84" max="0" step="1" value="0">' in present
    assert '<a href="/?hours=6&amp;at=-1">Earlier</a>' in present
    assert "As it was" not in present
    past = fresh.client.get("/?hours=6&at=-28", headers=head).text
    assert "data-live" not in past
    assert "As it was" in past
    assert "1 post says “severe damage”" in past
    assert '<a href="/?hours=6&amp;at=-27">Later</a>' in past
    assert '<a href="/?hours=6">Now</a>' in past
    end = (now - timedelta(hours=27)).strftime("%Y-%m-%dT%H")
    assert f"until={end}%3A00" in past
    # what htmx asks for is the part that the form's answer holds too
    part = fresh.client.get("/?hours=6&at=-28", headers={**head, "HX-Request": "true"}).text
    assert "As it was" in part
    assert part.partition("<ul")[0].strip() in past
    assert "<h1" not in part
    for bad in ("1", "-2000", "x"):
        assert fresh.client.get(f"/?at={bad}", headers=head).status_code == 422


def test_names_of_one_event_are_joined_by_a_person(fresh: Site) -> None:
    now = datetime.now(UTC).isoformat()
    names = ("2026 Velmora flood", "inundacion velmora", "Velmora fire")
    posts = [{"id": str(i), "text": name, "event": name, "created_at": now} for i, name in enumerate(names)]
    ids = fresh.send(*posts)
    head = {**fresh.people["reviewer"].headers, "Accept": "text/html"}
    found = fresh.client.get("/v1/event-names", headers=fresh.key("viewer")).json()
    [pair] = found["suggested"]
    assert {pair["one"]["name"], pair["other"]["name"]} == set(names[:2])
    assert "both names hold velmora" in pair["reasons"]
    page = fresh.client.get("/events", headers=head).text
    assert "May be one event" in page
    form = {"one": names[0], "other": names[1], "said": "same"}
    assert fresh.client.post("/events", data=form, headers=head).status_code == 303
    both = fresh.client.get("/v1/posts", params={"event": names[1]}, headers=fresh.key("viewer")).json()
    assert sorted(row["id"] for row in both["posts"]) == ids[:2]
    page = fresh.client.get("/events", headers=head).text
    assert "May be one event" not in page
    assert "one event, says user:reviewer" in page
    body = {"one": names[0], "other": names[1], "same": None}
    assert fresh.client.put("/v1/event-names", json=body, headers=fresh.key("reviewer")).status_code == 204
    assert fresh.client.put("/v1/event-names", json=body, headers=fresh.key("reviewer")).status_code == 404
    apart = {**form, "said": "apart"}
    assert fresh.client.post("/events", data=apart, headers=head).status_code == 303
    assert "different events, says" in fresh.client.get("/events", headers=head).text
