"""People, keys and sessions: secrets go out once, and only their digests stay."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store import Store, accounts
from crisislens.store.records import Role

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.usefixtures("quick_hashes")


def test_a_person_and_their_password(store: Store) -> None:
    ann = store.users.add("ann", "admin", password=PASSWORD, actor="cli")
    assert store.users.check("ann", PASSWORD) == ann
    assert store.users.check("ann", PASSWORD + "!") is None
    assert store.users.check("nobody", PASSWORD) is None
    assert store.users.by_name("ann") == ann == store.users.get(ann.id)
    link_only = store.users.add("bob", "viewer", actor="user:ann")
    assert not link_only.has_password
    assert store.users.check("bob", "x" * 12) is None
    assert [user.name for user in store.users.all()] == ["ann", "bob"]
    with store.database.read() as connection:
        stored = connection.execute(text('SELECT password FROM "user" WHERE id = 1')).scalar_one()
    assert stored.startswith("$argon2id$")


def test_the_parameters_of_the_hash_are_those_recommended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    hashed = accounts._hashed(PASSWORD)
    memory = int(re.search(r"m=(\d+)", hashed)[1])  # type: ignore[index]
    assert hashed.startswith("$argon2id$")
    assert memory >= 19_456  # OWASP's least, in KiB


REFUSED = [
    ("", "viewer", PASSWORD, "no name for a user"),
    (" ann", "viewer", PASSWORD, "no name for a user"),
    ("a\nb", "viewer", PASSWORD, "no name for a user"),
    ("x" * 81, "viewer", PASSWORD, "no name for a user"),
    ("ann", "root", PASSWORD, "is no role"),
    ("ann", "viewer", "short", "12 to 1000 characters"),
    ("ann", "viewer", "x" * 1001, "12 to 1000 characters"),
]


@pytest.mark.parametrize(("name", "role", "password", "said"), REFUSED)
def test_people_that_cannot_be_added(store: Store, name: str, role: Role, password: str, said: str) -> None:
    if role == "root":
        # the types refuse it where they are checked
        with pytest.raises(InputError, match=said):
            accounts.role_of(role)
        return
    with pytest.raises(InputError, match=said):
        store.users.add(name, role, password=password, actor="cli")
    assert store.users.all() == ()


def test_a_name_is_taken_once(store: Store) -> None:
    store.users.add("ann", "viewer", actor="cli")
    with pytest.raises(ConflictError, match="choose another name"):
        store.users.add("ann", "admin", actor="cli")


def test_there_is_always_an_admin(store: Store) -> None:
    ann = store.users.add("ann", "admin", actor="cli")
    for change in ({"role": "viewer"}, {"active": False}):
        with pytest.raises(ConflictError, match="last active admin"):
            store.users.change(ann.id, actor="user:ann", **change)  # type: ignore[arg-type]
    assert store.users.get(ann.id).role == "admin"
    store.users.add("bob", "admin", actor="user:ann")
    assert store.users.change(ann.id, role="viewer", actor="user:bob").role == "viewer"
    with pytest.raises(NotFoundError):
        store.users.change(99, role="viewer", actor="user:bob")


def test_a_change_ends_sessions_and_is_noted_without_the_password(store: Store) -> None:
    ann = store.users.add("ann", "reviewer", password=PASSWORD, actor="cli")
    token, session = store.sessions.start(ann.id)
    assert store.sessions.check(token) == session
    changed = store.users.change(ann.id, password="another long one", actor="user:ann")
    assert store.sessions.check(token) is None
    assert store.users.check("ann", PASSWORD) is None
    assert store.users.check("ann", "another long one") == changed
    entry = store.audit.list(thing="user:ann")[0]
    assert entry.after == {"password": "changed"}
    store.users.change(ann.id, active=False, actor="cli")
    assert store.users.check("ann", "another long one") is None
    with pytest.raises(NotFoundError, match="no active user"):
        store.sessions.start(ann.id)


def test_sessions_run_out_and_end(store: Store) -> None:
    ann = store.users.add("ann", "viewer", actor="cli")
    old, _ = store.sessions.start(ann.id, hours=-1)
    token, session = store.sessions.start(ann.id)
    other, _ = store.sessions.start(ann.id)
    assert store.sessions.check(old) is None
    assert session.user == ann
    assert len(session.csrf) >= 32
    store.sessions.end(token)
    assert store.sessions.check(token) is None
    assert store.sessions.check(other) is not None
    assert store.sessions.end_all(ann.id) == 2
    assert store.sessions.check(other) is None
    assert store.sessions.check("") is None


def test_a_link_logs_in_once(store: Store) -> None:
    ann = store.users.add("ann", "admin", actor="cli")
    link = store.sessions.link(ann.id)
    assert store.sessions.check(link) is None
    redeemed = store.sessions.redeem(link)
    assert redeemed is not None
    assert store.sessions.check(redeemed[0]) == redeemed[1]
    assert store.sessions.redeem(link) is None
    assert store.sessions.redeem(store.sessions.link(ann.id, minutes=-1)) is None
    # a cookie is no link
    assert store.sessions.redeem(redeemed[0]) is None
    assert store.sessions.check(redeemed[0]) is not None


def test_a_key_is_shown_once_and_can_be_ended(store: Store) -> None:
    key, row = store.keys.add("feeder", "reviewer", actor="cli")
    assert key.startswith(f"cl_{row.prefix}_")
    found = store.keys.check(key)
    assert found is not None
    assert (found.id, found.role) == (row.id, "reviewer")
    assert store.keys.check(key[:-1]) is None
    assert store.keys.check("") is None
    expired, _ = store.keys.add("old", "viewer", expires=datetime.now(UTC) - timedelta(1), actor="cli")
    assert store.keys.check(expired) is None
    store.keys.revoke(row.id, actor="user:ann")
    assert store.keys.check(key) is None
    assert [k.revoked_at is None for k in store.keys.all()] == [False, True]
    with pytest.raises(NotFoundError):
        store.keys.revoke(99, actor="cli")
    assert store.audit.list(thing=f"key:{row.prefix}")[0].action == "key.revoke"


def test_the_use_of_a_key_is_noted_and_not_at_every_call(store: Store) -> None:
    key, _ = store.keys.add("feeder", "viewer", actor="cli")
    store.keys.check(key)
    store.settings.put("x", {}, actor="cli")
    first = store.keys.all()[0].last_used
    assert first is not None
    store.keys.check(key)
    store.settings.put("x", {}, actor="cli")
    assert store.keys.all()[0].last_used == first


def test_no_secret_stands_in_the_file(store: Store, tmp_path: Path) -> None:
    """Only digests do; looked for in the bytes of database and write-ahead log."""
    ann = store.users.add("ann", "admin", password=PASSWORD, actor="cli")
    token, _ = store.sessions.start(ann.id)
    key, _ = store.keys.add("feeder", "viewer", actor="cli")
    if store.database.file is None:
        pytest.skip("the files of PostgreSQL belong to another user")
    content = b"".join(path.read_bytes() for path in tmp_path.glob("crisis.db*"))
    for secret in (PASSWORD, token, key, key.rsplit("_", 1)[1]):
        assert secret.encode() not in content
