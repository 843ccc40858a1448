"""Coming in and going out: one link once, passwords, no way to be led elsewhere, no guessing."""

from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace

import pytest
from serve_site import Site, open_site
from starlette.requests import Request

from crisislens.serve import addresses
from crisislens.serve.access import COOKIE
from crisislens.serve.limits import Limits
from crisislens.serve.pages.entry import inside
from crisislens.serve.service import ServeSettings

PASSWORD = "four plain words together"


def cookie_of(answer: object) -> str:
    head = answer.headers.get("set-cookie", "")  # type: ignore[attr-defined]
    assert head.startswith(f"{COOKIE}=")
    return str(head)


def test_a_link_signs_in_once(fresh: Site) -> None:
    user = fresh.store.users.add("ada", "admin", actor="cli")
    token = fresh.store.sessions.link(user.id)
    # looking at it, as a mail program does, does not use it up
    for _ in range(2):
        assert fresh.client.get(f"/welcome/{token}").status_code == 200
    first = fresh.client.post("/welcome", data={"ticket": token})
    assert (first.status_code, first.headers["location"]) == (303, "/account")
    second = fresh.client.post("/welcome", data={"ticket": token})
    assert second.status_code == 403
    assert "used or is too old" in second.text


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(fresh: Site, tmp_path: Path) -> None:
    user = fresh.store.users.add("ada", "admin", actor="cli")
    head = cookie_of(fresh.client.post("/welcome", data={"ticket": fresh.store.sessions.link(user.id)}))
    assert "HttpOnly" in head
    assert "SameSite=lax" in head
    assert "Secure" not in head
    (tmp_path / "https").mkdir()
    with open_site(tmp_path / "https", ServeSettings(host="testserver", secure=True)) as site:
        user = site.store.users.add("ada", "admin", actor="cli")
        head = cookie_of(site.client.post("/welcome", data={"ticket": site.store.sessions.link(user.id)}))
        assert "Secure" in head


def test_a_password_is_set_and_signs_in(fresh: Site) -> None:
    ann = fresh.person("ann")
    short = fresh.client.post("/account", data={"password": "short"}, headers=ann.headers)
    assert short.status_code == 422
    done = fresh.client.post("/account", data={"password": PASSWORD}, headers=ann.headers)
    assert done.status_code == 303
    # the sessions of before have ended, and this browser has a new one
    assert fresh.client.get("/v1/posts", headers=ann.headers).status_code == 401
    wrong = fresh.client.post("/sign-in", data={"name": "ann", "password": "another one entirely"})
    assert wrong.status_code == 403
    assert "set-cookie" not in wrong.headers
    right = fresh.client.post("/sign-in", data={"name": "ann", "password": PASSWORD, "next": "/queue"})
    assert (right.status_code, right.headers["location"]) == (303, "/queue")
    token = cookie_of(right).partition("=")[2].partition(";")[0]
    head = {"Cookie": f"{COOKIE}={token}"}
    assert fresh.client.get("/v1/posts", headers=head).status_code == 200
    session = fresh.store.sessions.check(token)
    assert session is not None
    out = fresh.client.post("/sign-out", data={"csrf": session.csrf}, headers=head)
    assert out.status_code == 303
    assert fresh.client.get("/v1/posts", headers=head).status_code == 401


def test_a_password_is_changed_only_by_who_knows_it(fresh: Site) -> None:
    user = fresh.store.users.add("ann", "viewer", password=PASSWORD, actor="cli")
    token, session = fresh.store.sessions.start(user.id)
    head = {"Cookie": f"{COOKIE}={token}", "X-CSRF-Token": session.csrf}
    form = {"password": "another four plain words", "before": "not the password"}
    assert fresh.client.post("/account", data=form, headers=head).status_code == 422
    assert fresh.store.users.check("ann", PASSWORD) is not None


def test_who_is_shut_out_cannot_sign_in(fresh: Site) -> None:
    user = fresh.store.users.add("ann", "viewer", password=PASSWORD, actor="cli")
    fresh.store.users.change(user.id, active=False, actor="cli")
    answer = fresh.client.post("/sign-in", data={"name": "ann", "password": PASSWORD})
    assert answer.status_code == 403


def test_guessing_is_slowed(tmp_path: Path) -> None:
    bounds = Limits(sign_ins_min=3)
    with open_site(tmp_path, ServeSettings(host="testserver", limits=bounds)) as site:
        form = {"name": "ann", "password": "x"}
        answers = [site.client.post("/sign-in", data=form).status_code for _ in range(5)]
        assert answers == [403, 403, 403, 429, 429]


def test_behind_a_proxy_that_is_named_each_visitor_has_an_own_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = Limits(sign_ins_min=2)
    monkeypatch.setattr(addresses, "_connected", lambda request: "127.0.0.1")
    settings = ServeSettings(host="testserver", limits=bounds, proxies=(ip_network("127.0.0.1"),))
    with open_site(tmp_path, settings) as site:

        def guess(named: str, name: str) -> int:
            form = {"name": name, "password": "x"}
            return site.client.post("/sign-in", data=form, headers={"X-Forwarded-For": named}).status_code

        assert [guess("192.0.2.1", f"a{i}") for i in range(3)] == [403, 403, 429]
        # what a visitor wrote before it does not make another one of him
        assert guess("198.51.100.7, 192.0.2.1", "b") == 429
        assert guess("192.0.2.2", "c") == 403
        assert guess("2001:db8::1", "d") == 403
        # one name has one count, wherever it is tried from
        assert [guess(f"192.0.2.{i}", "ann") for i in range(10, 13)] == [403, 403, 429]


def test_who_has_no_address_shares_no_count_and_watchers_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = "192.0.2.1"
    monkeypatch.setattr(addresses, "_connected", lambda request: connected)
    bounds = Limits(calls_s=0.2)
    with open_site(tmp_path, ServeSettings(host="testserver", limits=bounds)) as site:

        def asked(path: str) -> list[int]:
            return [site.client.get(path).status_code for _ in range(4)]

        assert asked("/v1/posts") == [401, 401, 429, 429]
        for path in ("/healthz", "/readyz"):
            assert asked(path) == [200] * 4
        # over a socket of this computer
        connected = ""
        assert asked("/v1/posts") == [401] * 4


@pytest.mark.parametrize(
    ("connected", "networks", "believed"),
    [
        # nginx passes on what a visitor wrote, unless it is told to write it itself
        ("127.0.0.1", (), False),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("::1", ("::1",), True),
        ("10.1.2.3", (), False),
        ("10.1.2.3", ("10.1.0.0/16",), True),
        ("10.2.2.3", ("10.1.0.0/16",), False),
        ("::ffff:10.1.2.3", ("10.1.0.0/16",), True),
        ("2001:db8::5", ("10.1.0.0/16", "2001:db8::/32"), True),
        ("", ("10.1.0.0/16",), False),
    ],
)
def test_only_a_named_proxy_is_believed(
    connected: str, networks: tuple[str, ...], believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ServeSettings(proxies=tuple(ip_network(one) for one in networks))
    monkeypatch.setattr(addresses, "service_of", lambda request: SimpleNamespace(settings=settings))
    scope = {
        "type": "http",
        "client": (connected, 5) if connected else None,
        "headers": [(b"x-forwarded-for", b"1.1.1.1, 192.0.2.9")],
    }
    assert addresses.visitor_address(Request(scope)) == ("192.0.2.9" if believed else connected)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\\\\evil.example",
        "/\t/evil.example",
        "http:evil.example",
        "evil",
        "",
        "/\n",
        "//[",
    ],
)
def test_nobody_is_led_elsewhere(path: str) -> None:
    assert inside(path) == "/"


def test_forms_of_another_site_are_refused(fresh: Site) -> None:
    form = {"name": "ann", "password": "x"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert fresh.client.post("/sign-in", data=form, headers=headers).status_code == 403
        assert fresh.client.post("/welcome", data={"ticket": "t"}, headers=headers).status_code == 403
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert "do not belong together" in fresh.client.post("/sign-in", data=form, headers=own).text


def test_the_admin_page_makes_links_and_keys_that_work(fresh: Site) -> None:
    admin = fresh.people["admin"].headers
    form = {"name": "eve", "role": "reviewer"}
    page = fresh.client.post("/admin/users", data=form, headers=admin).text
    token = page.partition("/welcome/")[2].partition("<")[0]
    assert fresh.client.post("/welcome", data={"ticket": token}).status_code == 303
    page = fresh.client.post(
        "/admin/keys", data={"name": "k", "role": "viewer", "days": "1"}, headers=admin
    ).text
    key = page.partition('class="once"><code>')[2].partition("<")[0]
    assert key.startswith("cl_")
    assert fresh.client.get("/v1/posts", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert key not in fresh.client.get("/admin", headers=admin).text
    assert fresh.client.post("/admin/users", data=form, headers=admin).status_code == 409


def test_the_last_admin_cannot_shut_everybody_out(fresh: Site) -> None:
    admin = fresh.people["admin"]
    answer = fresh.client.post(
        f"/admin/users/{admin.user.id}", data={"role": "viewer"}, headers=admin.headers
    )
    assert answer.status_code == 409
    assert fresh.client.get("/admin", headers=admin.headers).status_code == 200


def test_every_change_is_in_the_trail(fresh: Site) -> None:
    admin = fresh.key("admin")
    [number] = fresh.send({"id": "1", "text": "x"})
    fresh.client.post("/v1/users", json={"name": "u", "role": "viewer"}, headers=admin)
    made = fresh.client.post("/v1/keys", json={"name": "k", "role": "viewer"}, headers=admin).json()
    fresh.client.delete(f"/v1/keys/{made['row']['id']}", headers=admin)
    fresh.client.patch("/v1/sources/radio", json={"enabled": False}, headers=admin)
    fresh.client.get("/v1/export.csv?q=secretword&source=radio", headers=admin)
    fresh.client.delete(f"/v1/posts/{number}?reason=asked", headers=admin)
    trail = fresh.client.get("/v1/audit", headers=admin).json()
    told = " ".join(f"{row['action']} {row['object']}" for row in trail)
    for thing in ("user:u", "source:radio", "export posts"):
        assert thing in told, told
    assert all(row["actor"] for row in trail)
    assert "secretword" not in str(trail)
    assert made["key"] not in str(trail)
    assert fresh.store.audit.broken_at() is None
