"""What an administrator does by page and by API: letters, people, keys, erasing, clusters, another try."""

import json
import re
from typing import Any

import pytest
from serve_site import Site

from crisislens.store.records import PostFilter
from store_posts import assess_all


def press(site: Site, path: str, **form: str) -> Any:
    person = site.people["admin"]
    return site.client.post(path, data={"csrf": person.csrf, **form}, headers=person.headers)


def letter(site: Site, raw: str) -> int:
    site.store.sources.ensure("radio", "api")
    site.store.dead_letters.add("radio", raw, "no post")
    return site.store.dead_letters.list()[0].id


def test_a_dead_letter_becomes_a_post_once_it_is_one(fresh: Site) -> None:
    number = letter(fresh, json.dumps({"id": "late", "text": "the bridge is closed"}))
    page = press(fresh, f"/sources/letters/{number}/replay")
    assert f"Letter {number}: created." in page.text
    assert fresh.store.dead_letters.list() == ()
    kept = fresh.store.posts.by_key("radio", "late")
    assert kept is not None
    assert kept.text == "the bridge is closed"
    assert press(fresh, f"/sources/letters/{number}/replay").status_code == 404


@pytest.mark.parametrize("raw", ["nonsense", "[1]", '{"text": "without an id"}', "[" * 3_000])
def test_a_letter_that_is_still_no_post_stays(fresh: Site, raw: str) -> None:
    number = letter(fresh, raw)
    page = press(fresh, f"/sources/letters/{number}/replay")
    assert f"Letter {number} is still no post" in page.text
    assert [each.id for each in fresh.store.dead_letters.list()] == [number]
    assert press(fresh, f"/sources/letters/{number}/remove").status_code == 303
    assert fresh.store.dead_letters.list() == ()


def test_a_source_is_switched_off_and_on_by_page(fresh: Site) -> None:
    fresh.send({"id": "1", "text": "water"})
    for word, enabled in (("false", False), ("true", True)):
        assert press(fresh, "/sources/switch", name="radio", enabled=word).status_code == 303
        row = fresh.store.sources.by_name("radio")
        assert row is not None
        assert row.enabled is enabled
    assert press(fresh, "/sources/switch", name="nowhere", enabled="true").status_code == 404


def test_a_source_with_a_slash_in_its_name_is_switched_by_api(fresh: Site) -> None:
    fresh.send({"id": "1", "text": "a"}, source="reddit/r/haiti")
    for path in ("reddit/r/haiti", "reddit%2Fr%2Fhaiti"):
        answer = fresh.client.patch(
            f"/v1/sources/{path}", json={"enabled": False}, headers=fresh.key("admin")
        )
        assert (answer.status_code, answer.json()) == (200, {"name": "reddit/r/haiti", "enabled": False})
    assert (
        fresh.client.patch(
            "/v1/sources/none/here", json={"enabled": False}, headers=fresh.key("admin")
        ).json()["status"]
        == 404
    )


def test_posts_are_erased_by_page_by_key_and_by_author(fresh: Site) -> None:
    ids = fresh.send(
        {"id": "1", "text": "one", "author": "@ann"},
        {"id": "2", "text": "two", "author": "@ann"},
        {"id": "3", "text": "three", "author": "@ben"},
        {"id": "4", "text": "four"},
    )
    assert press(fresh, f"/posts/{ids[3]}/erase", reason="asked").headers["location"] == "/posts"
    assert press(fresh, f"/posts/{ids[3]}/erase").status_code == 404
    by_author = press(fresh, "/admin/erase", what="author", value="@ann")
    assert "2 posts of this author were erased." in by_author.text
    by_key = {"what": "key", "source": "radio", "value": "3"}
    assert "The post was erased." in press(fresh, "/admin/erase", **by_key).text
    # also one that has not come yet
    assert "will not be taken" in press(fresh, "/admin/erase", **{**by_key, "value": "9"}).text
    assert press(fresh, "/admin/erase", what="everything", value="x").status_code == 422
    assert list(fresh.store.posts.stream(PostFilter())) == []
    again = [{"id": str(i), "text": "again"} for i in (1, 2, 3, 4, 9)]
    answer = fresh.client.post("/v1/posts?source=radio", json=again, headers=fresh.key("reviewer"))
    assert {row["outcome"] for row in answer.json()["results"]} == {"erased"}


def test_people_and_keys_by_page(fresh: Site) -> None:
    secret = "four plain words here"
    added = press(fresh, "/admin/users", name="ada", role="reviewer", password=secret)
    assert "ada may sign in now." in added.text
    assert secret not in added.text
    too_short = press(fresh, "/admin/users", name="bob", role="viewer", password="short")
    assert too_short.status_code == 422
    assert fresh.store.users.by_name("bob") is None
    user = fresh.store.users.by_name("ada")
    assert user is not None
    link = press(fresh, f"/admin/users/{user.id}/link")
    token = re.search(r"/welcome/([\w-]+)", link.text)
    assert token is not None
    assert fresh.client.get(f"/welcome/{token[1]}").status_code == 200
    assert press(fresh, f"/admin/users/{user.id}", role="viewer").status_code == 303
    assert press(fresh, f"/admin/users/{user.id}", active="false").status_code == 303
    changed = fresh.store.users.by_name("ada")
    assert changed is not None
    assert (changed.role, changed.active) == ("viewer", False)
    made = press(fresh, "/admin/keys", name="gateway", role="viewer", days="0")
    key = re.search(r"cl_[\w-]+", made.text)
    assert key is not None
    head = {"Authorization": f"Bearer {key[0]}"}
    assert fresh.client.get("/v1/posts", headers=head).status_code == 200
    [row] = [each for each in fresh.store.keys.all() if each.name == "gateway"]
    assert row.expires is None
    assert press(fresh, f"/admin/keys/{row.id}/revoke").status_code == 303
    # at once, although keys are remembered for some seconds
    assert fresh.client.get("/v1/posts", headers=head).status_code == 401


def test_what_a_source_took_back_is_erased_by_api(fresh: Site) -> None:
    fresh.send(*({"id": str(i), "text": f"post {i}", "author": f"@a{i % 2}"} for i in range(4)))
    call = "/v1/deletions?source=radio"
    taken = fresh.client.post(
        call, json={"ids": ["0", "none"], "authors": ["@a1"]}, headers=fresh.key("admin")
    )
    assert (taken.status_code, taken.json()) == (200, {"erased": 3})
    assert [row.external_id for row in fresh.store.posts.stream(PostFilter())] == ["2"]
    refused = fresh.client.post(call, json={"ids": ["2"]}, headers=fresh.key("reviewer"))
    assert refused.status_code == 403
    assert fresh.client.post(call, json={"ids": [""]}, headers=fresh.key("admin")).status_code == 422
    # who asked, and also for what never was here
    erased, asked = fresh.store.audit.list(most=2)
    assert (erased.action, asked.action) == ("post.erase", "post.take_back")
    assert erased.actor == asked.actor
    assert asked.actor.startswith("key:")
    assert fresh.client.post(call, json={"ids": ["ghost"]}, headers=fresh.key("admin")).status_code == 200
    assert fresh.store.audit.list(most=1)[0].action == "post.take_back"


def test_the_record_of_each_model_and_another_try_by_api(fresh: Site) -> None:
    [number] = fresh.send({"id": "1", "text": "the bridge is destroyed"})
    viewer, admin = fresh.key("viewer"), fresh.key("admin")
    early = fresh.client.get(f"/v1/posts/{number}/assessment", headers=viewer)
    assert (early.status_code, "no model has answered yet" in early.json()["detail"]) == (404, True)
    fresh.work()
    record = fresh.client.get(f"/v1/posts/{number}/assessment", headers=viewer).json()
    assert record["tasks"]["damage"]["label"] == "severe_damage"
    model = record["provenance"]["model_fingerprint"]
    named = f"/v1/posts/{number}/assessment?model="
    assert fresh.client.get(named + model, headers=viewer).json() == record
    assert fresh.client.get(named + "f" * 16, headers=viewer).status_code == 404
    assert fresh.client.get(named + "../x", headers=viewer).status_code == 422
    evidence = fresh.client.get(f"/v1/posts/{number}/evidence", headers=viewer).json()
    assert evidence == {"post_id": number, "model": model, "rationale": None}
    again = f"/v1/posts/{number}/retry"
    assert fresh.client.post(again, headers=fresh.key("reviewer")).status_code == 403
    assert fresh.client.post(again, headers=admin).status_code == 202
    assert fresh.store.posts.get(number).state == "queued"
    assert fresh.work() == 1


def test_near_duplicates_are_joined_and_split_by_api(fresh: Site) -> None:
    far = fresh.send(
        {"id": "a", "text": "the old bridge in the north is closed since this morning"},
        {"id": "b", "text": "the old bridge in the north is closed since this morning!"},
        {"id": "c", "text": "my cousin needs insulin at the school near the harbour"},
        {"id": "d", "text": "my cousin needs insulin at the school near the harbour!"},
    )
    assess_all(fresh.store)
    one, other = (fresh.store.posts.get(number).cluster_id for number in (far[0], far[2]))
    assert one is not None
    assert other not in (None, one)
    reviewer = fresh.key("reviewer")
    joined = fresh.client.post(f"/v1/clusters/{one}/merge", json={"clusters": [other]}, headers=reviewer)
    assert (joined.status_code, joined.json()["size"]) == (200, 4)
    shown = fresh.client.get(f"/v1/clusters/{joined.json()['id']}", headers=fresh.key("viewer")).json()
    assert (shown["size"], shown["kind"]) == (4, "person")
    split = f"/v1/clusters/{joined.json()['id']}/split"
    assert fresh.client.post(split, json={"post_id": far[3]}, headers=reviewer).status_code == 204
    assert fresh.store.posts.get(far[3]).cluster_size == 1
    assert (
        fresh.client.post("/v1/clusters/999/split", json={"post_id": 1}, headers=reviewer).status_code == 404
    )
    assert fresh.client.get(f"/v1/clusters/{one}", headers={}).status_code == 401


def test_tables_that_stack_keep_their_columns_and_roles(fresh: Site) -> None:
    """On a phone each cell stands under its own word; a screen reader is told of a table all the same."""
    fresh.send({"id": "1", "text": "water"})
    letter(fresh, "nonsense")
    fresh.store.outlets.add("desk", "mail", "ann@example.org", actor="cli")
    head = {**fresh.people["admin"].headers, "Accept": "text/html"}
    for path, tables in (("/sources", 2), ("/admin", 3), ("/alerts/outlets", 1)):
        page = fresh.client.get(path, headers=head).text
        found = re.findall(r'<table class="plain stackable" role="table">(.*?)</table>', page, re.DOTALL)
        assert len(found) == tables, path
        for table in found:
            columns = re.findall(r'role="columnheader"[^>]*>([^<]*)<', table)
            first = re.findall(r'<tr role="row">(.*?)</tr>', table, re.DOTALL)[1]
            cells = re.findall(r'<td role="cell" data-label="([^"]*)"', first)
            header = len(re.findall(r'<th role="rowheader"', first))
            assert header == 1
            assert set(cells) < set(columns)
            assert len(cells) + header == len(columns)
