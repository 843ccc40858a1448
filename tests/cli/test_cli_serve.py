"""How `crisislens serve` lets the first administrator in."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.alerts import runner
from crisislens.alerts.postman import Ways
from crisislens.cli.serve import _first_admin, _Models, _run
from crisislens.serve.server import ServiceServer
from crisislens.serve.service import ServeSettings
from crisislens.store import Store, open_store
from crisislens.store.accounts import Users
from crisislens.store.records import UserRow
from store_template import new_file

PASSWORD = "four plain words together"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(new_file(tmp_path / "store.db")), least_free_bytes=0) as opened:
        yield opened


def test_the_first_administrator_is_made_once(store: Store) -> None:
    first = _first_admin(store)
    assert first is not None
    assert (first.name, first.role) == ("admin", "admin")
    # as long as nobody has a password, each start gives the same person a link
    assert _first_admin(store) == first
    store.users.change(first.id, password=PASSWORD, actor="cli")
    assert _first_admin(store) is None


def test_somebody_else_may_be_called_admin(store: Store) -> None:
    store.users.add("admin", "viewer", actor="cli")
    made = _first_admin(store)
    assert made is not None
    assert made.name == "admin-2"


def test_two_services_that_start_at_once_share_the_first_administrator(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one adds the person between this one's look and its own attempt."""
    look, seen = Users.all, []

    def late(users: Users) -> tuple[UserRow, ...]:
        found = look(users)
        if not seen:
            seen.append(users.add("admin", "admin", actor="cli"))
            monkeypatch.setattr(Users, "by_name", lambda *_: None)
        return found

    monkeypatch.setattr(Users, "all", late)
    assert _first_admin(store) == seen[0]
    assert len(look(store.users)) == 1


BEHIND = ServeSettings(host="0.0.0.0", names=("crisis.example.org",), secure=True)
WITHOUT = [ServeSettings(), ServeSettings(names=("crisis.lan",))]


def first_link(store: Store, settings: ServeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts the service up to where it would serve."""

    def end(server: ServiceServer) -> int:
        server.socket.close()
        return 0

    monkeypatch.setattr(ServiceServer, "serve_until_stopped", end)
    _run(store, settings, port=0, processes=0, spec=_Models((), ()), url="store.db")


def test_the_first_link_leads_to_where_people_reach_the_service(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first_link(store, BEHIND, monkeypatch)
    assert "sign in   https://crisis.example.org/welcome/" in capsys.readouterr().out


@pytest.mark.parametrize("settings", WITHOUT, ids=["no name", "a name"])
def test_the_first_link_has_the_port_where_no_proxy_hides_it(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: ServeSettings,
) -> None:
    first_link(store, settings, monkeypatch)
    assert re.search(r"sign in   http://127\.0\.0\.1:\d+/welcome/", capsys.readouterr().out)


@pytest.mark.parametrize("names", [(), ("crisis.lan",)], ids=["no name", "a name"])
def test_the_first_link_never_names_every_address(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], names: tuple[str, ...]
) -> None:
    first_link(store, ServeSettings(host="0.0.0.0", names=names), monkeypatch)
    reached = re.escape(names[0] if names else "127.0.0.1")
    assert re.search(rf"sign in   http://{reached}:\d+/welcome/", capsys.readouterr().out)


PROXY = (ip_network("172.18.0.0/16"),)


@pytest.mark.parametrize(
    ("settings", "leads"),
    [
        (BEHIND, r"https://crisis\.example\.org"),
        (ServeSettings(), r"http://127\.0\.0\.1:\d+"),
        (ServeSettings(host="0.0.0.0", names=("crisis.lan",)), r"http://crisis\.lan:\d+"),
        # what only a proxy can reach is reached through it
        (ServeSettings(names=("crisis.lan",)), r"http://crisis\.lan"),
        (ServeSettings(host="0.0.0.0", names=("crisis.lan",), proxies=PROXY), r"http://crisis\.lan"),
    ],
    ids=["https", "no name", "no proxy", "a proxy here", "a proxy elsewhere"],
)
def test_links_in_messages_lead_to_where_people_reach_the_service(
    store: Store, monkeypatch: pytest.MonkeyPatch, settings: ServeSettings, leads: str
) -> None:
    given: list[Ways] = []
    made = runner.AlertRunner

    def noted(of: Store, ways: Ways) -> runner.AlertRunner:
        given.append(ways)
        return made(of, ways)

    monkeypatch.setattr(runner, "AlertRunner", noted)
    first_link(store, settings, monkeypatch)
    assert re.fullmatch(leads, given[0].base_url)
