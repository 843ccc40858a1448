"""Sessions, links and keys: good until their time, once where once is meant, and never for a guess."""

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from crisislens.core.errors import NotFoundError, StoreError
from crisislens.store import Store, open_store, tokens
from crisislens.store.models import ApiKey, Session
from crisislens.store.tokens import KEY_MARK


@pytest.fixture
def ann(store: Store) -> int:
    """An active person."""
    return store.users.add("ann", "reviewer", actor="cli").id


class Clock(datetime):
    """A clock that is set ahead."""

    ahead = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        """The time it is there."""
        return datetime.now(UTC) + cls.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    """The clock that tokens are looked at by."""
    monkeypatch.setattr(tokens, "datetime", Clock)
    Clock.ahead = timedelta()
    return Clock


ENDS = [
    ("session", timedelta(hours=2), timedelta(hours=1, minutes=59), timedelta(hours=2)),
    ("link", timedelta(minutes=15), timedelta(minutes=14), timedelta(minutes=15)),
    ("key", timedelta(days=90), timedelta(days=89), timedelta(days=90)),
]


@pytest.mark.parametrize(("kind", "lasts", "within", "over"), ENDS, ids=[row[0] for row in ENDS])
def test_each_is_good_until_its_time_and_not_at_it(
    store: Store,
    ann: int,
    clock: type[Clock],
    kind: str,
    lasts: timedelta,
    within: timedelta,
    over: timedelta,
) -> None:
    def good() -> bool:
        if kind == "session":
            return store.sessions.check(token) is not None
        if kind == "link":
            with store.database.read() as connection:
                return tokens._session(connection, token, "link") is not None
        return store.keys.check(token) is not None

    if kind == "session":
        token, _ = store.sessions.start(ann, hours=lasts.total_seconds() / 3600)
    elif kind == "link":
        token = store.sessions.link(ann, minutes=lasts.total_seconds() / 60)
    else:
        token, _ = store.keys.add("k", "viewer", expires=datetime.now(UTC) + lasts, actor="cli")
    assert good()
    clock.ahead = within
    assert good()
    clock.ahead = over
    assert not good()
    if kind == "link":
        assert store.sessions.redeem(token) is None


def test_a_link_that_many_open_at_once_signs_one_in(store: Store, ann: int) -> None:
    link = store.sessions.link(ann)
    got: list[object] = []
    start = threading.Barrier(5)

    def redeem() -> None:
        start.wait(timeout=20)
        got.append(store.sessions.redeem(link))

    threads = [threading.Thread(target=redeem) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(got) == 5
    assert sum(found is not None for found in got) == 1


def test_no_guess_signs_in(store: Store, ann: int) -> None:
    token, _ = store.sessions.start(ann)
    link = store.sessions.link(ann)
    key, row = store.keys.add("feeder", "admin", actor="cli")
    near = [token[:-1], token + "=", token.swapcase(), link, key, f"{KEY_MARK}{row.prefix}_", ""]
    any_text = st.text(alphabet=st.characters(), max_size=80)
    quiet = [HealthCheck.function_scoped_fixture]

    @settings(max_examples=25, suppress_health_check=quiet, deadline=None)
    @given(st.sampled_from(near) | any_text)
    def fails(guess: str) -> None:
        assert store.sessions.check(guess) is None
        assert guess == key or store.keys.check(guess) is None
        assert guess == link or store.sessions.redeem(guess) is None

    fails()
    assert store.sessions.check(token) is not None
    assert store.keys.check(key) is not None
    assert store.sessions.redeem(link) is not None


def test_only_digests_are_kept_and_no_two_tokens_are_alike(store: Store, ann: int) -> None:
    sessions = [store.sessions.start(ann)[0] for _ in range(5)] + [store.sessions.link(ann)]
    keys = [store.keys.add("k", "viewer", actor="cli")[0] for _ in range(5)]
    assert len({*sessions, *keys}) == 11
    # 256 random bits in base64
    assert {len(token) for token in sessions} == {43}
    assert {len(key) - len(KEY_MARK) - 9 for key in keys} == {43}
    digests = {hashlib.sha256(secret.encode()).hexdigest() for secret in (*sessions, *keys)}
    with store.database.read() as connection:
        kept = {*connection.execute(select(Session.sha256)).scalars()}
        kept |= {*connection.execute(select(ApiKey.sha256)).scalars()}
    assert kept == digests


def test_an_inactive_person_is_out_at_once(store: Store, ann: int) -> None:
    token, _ = store.sessions.start(ann)
    link = store.sessions.link(ann)
    store.users.change(ann, active=False, actor="cli")
    assert store.sessions.check(token) is None
    assert store.sessions.redeem(link) is None
    for start in (store.sessions.start, store.sessions.link):
        with pytest.raises(NotFoundError, match="no active user"):
            start(ann)
    # what they had does not come back with them
    store.users.change(ann, active=True, actor="cli")
    assert store.sessions.check(token) is None


def test_ending_what_is_not_there_ends_nothing(store: Store, ann: int) -> None:
    token, _ = store.sessions.start(ann)
    store.sessions.end("nothing")
    assert store.sessions.end_all(999) == 0
    assert store.sessions.check(token) is not None
    key, row = store.keys.add("k", "viewer", actor="cli")
    store.keys.revoke(row.id, actor="cli")
    first = store.keys.all()[0].revoked_at
    store.keys.revoke(row.id, actor="cli")
    # ended once, and noted once
    assert store.keys.all()[0].revoked_at == first
    assert [entry.action for entry in store.audit.list(thing=f"key:{row.prefix}")] == [
        "key.revoke",
        "key.add",
    ]
    assert store.keys.check(key) is None


def test_a_key_is_checked_where_nothing_can_be_written(quick: Store) -> None:
    key, _ = quick.keys.add("k", "viewer", actor="cli")
    with open_store(str(quick.database.file), write=False) as reading:
        assert reading.keys.check(key) is not None
        assert reading.keys.all()[0].last_used is None
        with pytest.raises(StoreError, match="for reading only"):
            reading.sessions.start(1)
