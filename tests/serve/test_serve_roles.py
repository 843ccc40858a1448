"""Every route and every role, from the application's own table; and what another site may not do."""

import re
from typing import Any

import pytest
from serve_site import ROLES, Site

from crisislens.serve.app import roles_of, routes_of

RANKS = {"anyone": 0, "viewer": 1, "reviewer": 2, "admin": 3}
READING = ("GET", "HEAD")
# a number that nothing has, so that who may do it changes nothing either
NOBODY = "999999"
TABLE = sorted(roles_of().items())
PUBLIC_CHANGES = {("POST", "/sign-in"), ("POST", "/welcome")}


def address(path: str) -> str:
    """A path with its parts filled in."""
    named = {"name": "a" * 64 + ".jpg", "token": "t" * 43}
    return re.sub(r"\{(\w+)\}", lambda part: named.get(part[1], NOBODY), path)


def names(rows: list[tuple[tuple[str, str], str]]) -> list[str]:
    return [f"{method} {path}" for (method, path), _ in rows]


def test_every_route_names_its_role() -> None:
    assert len(TABLE) > 60
    assert {need for _, need in TABLE} == set(RANKS)
    # what changes something is never open to everybody, but for coming in
    for (method, path), need in TABLE:
        if need == "anyone" and method not in READING:
            assert (method, path) in PUBLIC_CHANGES


def test_the_table_is_of_the_whole_application(site: Site) -> None:
    """No route can be added beside the table."""
    listed = {(method, path) for (method, path), _ in TABLE}
    for path, methods in site.app.openapi()["paths"].items():
        for method in methods:
            assert (method.upper(), path) in listed
    assert len(routes_of()) == len(listed)


@pytest.mark.parametrize(("route", "need"), TABLE, ids=names(TABLE))
def test_a_role_reaches_what_it_may_and_nothing_else(site: Site, route: tuple[str, str], need: str) -> None:
    method, path = route
    where = address(path)
    answers = {"anyone": site.client.request(method, where)}
    for role in ROLES:
        answers[role] = site.client.request(method, where, headers=site.key(role))
        # signing out ends the session that the next route needs
        if path != "/sign-out" and route not in PUBLIC_CHANGES:
            by_session = site.client.request(method, where, headers=site.people[role].headers)
            assert (by_session.status_code in (401, 403)) == (RANKS[role] < RANKS[need]), role
    for role, answer in answers.items():
        assert answer.status_code < 500, (role, answer.text)
        if RANKS[role] < RANKS[need]:
            assert answer.status_code == (401 if role == "anyone" else 403), role
            assert answer.headers["content-type"] == "application/problem+json"
        elif (method, path) not in PUBLIC_CHANGES and need != "anyone":
            reviews = need == "reviewer" and (
                "review" in path or "release" in path or path.startswith("/queue")
            )
            account = path == "/account"
            # reviews and passwords are people's, so a key is turned away there
            assert answer.status_code not in (401, 403) or reviews or account, role


CHANGES = [row for row in TABLE if row[0][0] not in READING and row[0] not in PUBLIC_CHANGES]


@pytest.mark.parametrize(("route", "need"), CHANGES, ids=names(CHANGES))
def test_a_browser_changes_nothing_without_the_proof(site: Site, route: tuple[str, str], need: str) -> None:
    method, path = route
    person = site.people["admin"]
    cookie = {"Cookie": person.headers["Cookie"]}
    forged = [
        cookie,
        {**cookie, "X-CSRF-Token": "guessed"},
        {**cookie, "X-CSRF-Token": site.people["viewer"].csrf},
        {**person.headers, "Sec-Fetch-Site": "cross-site"},
        {**person.headers, "Sec-Fetch-Site": "same-site"},
    ]
    for headers in forged:
        answer = site.client.request(method, address(path), headers=headers)
        assert answer.status_code == 403, headers
        assert "forged" in answer.json()["detail"]


def test_the_proof_may_stand_in_the_form(site: Site) -> None:
    person = site.people["admin"]
    cookie = {"Cookie": person.headers["Cookie"]}
    form = {"name": "new", "role": "viewer", "csrf": person.csrf}
    assert site.client.post("/admin/users", data=form, headers=cookie).status_code == 200
    assert site.store.users.by_name("new") is not None


def test_a_key_is_no_cookie_and_a_cookie_no_key(site: Site) -> None:
    key = site.keys["admin"]
    token = site.people["admin"].token
    tries: list[dict[str, Any]] = [
        {"Cookie": f"crisislens_session={key}"},
        {"Authorization": f"Bearer {token}"},
        {"Authorization": f"Basic {key}"},
        {"Authorization": key},
        {"Authorization": "Bearer "},
        {"Authorization": b"Bearer \xff\xfe"},
    ]
    for headers in tries:
        assert site.client.get("/v1/posts", headers=headers).status_code == 401, headers


def test_an_ended_key_is_good_no_more(site: Site) -> None:
    made = site.client.post("/v1/keys", json={"name": "new", "role": "viewer"}, headers=site.key("admin"))
    head = {"Authorization": f"Bearer {made.json()['key']}"}
    assert site.client.get("/v1/posts", headers=head).status_code == 200
    answer = site.client.delete(f"/v1/keys/{made.json()['row']['id']}", headers=site.key("admin"))
    assert answer.status_code == 204
    assert site.client.get("/v1/posts", headers=head).status_code == 401


def test_a_lower_role_counts_at_once(site: Site) -> None:
    person = site.person("ann", "admin")
    assert site.client.get("/v1/users", headers=person.headers).status_code == 200
    changed = site.client.patch(
        f"/v1/users/{person.user.id}", json={"role": "viewer"}, headers=site.key("admin")
    )
    assert changed.status_code == 200
    # the session ended with the role that it was given for
    assert site.client.get("/v1/users", headers=person.headers).status_code == 401
