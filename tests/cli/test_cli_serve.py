"""How `crisislens serve` lets the first administrator in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from crisislens.cli.serve import _first_admin
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
