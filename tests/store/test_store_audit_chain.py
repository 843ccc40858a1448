"""The audit trail: whatever is changed, taken out or slipped in afterwards is found, and where."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from crisislens.store import Store
from crisislens.store.models import Audit
from crisislens.store.transaction import GENESIS, Transaction, audit_hash
from store_posts import fill, new

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
details = st.none() | st.dictionaries(st.text(max_size=6), json_values, max_size=4)


@pytest.fixture
def chain(store: Store) -> Store:
    """Five entries."""
    for i in range(5):
        store.audit.add(f"user:u{i}", "test", f"thing:{i}", before={"a": i}, after={"b": "é\u2028"})
    return store


def change(store: Store, statement: Any) -> None:
    """Changes the table behind the trail's back."""
    store.database.write(lambda tx: tx.connection.execute(statement).rowcount)


def altered(**values: Any) -> Any:
    """The third entry with something else in it."""
    return update(Audit).where(Audit.id == 3).values(**values)


CHANGES: list[tuple[str, Any, int]] = [
    ("who", altered(actor="user:mallory"), 3),
    ("what", altered(action="other"), 3),
    ("which", altered(object="thing:9"), 3),
    ("what was", altered(before={"a": 9}), 3),
    ("what was, taken out", altered(before=None), 3),
    ("what is", altered(after={"b": "e"}), 3),
    ("the digest", altered(hash="f" * 64), 3),
    ("the digest before", altered(previous="f" * 64), 3),
    ("the first taken out", delete(Audit).where(Audit.id == 1), 2),
    ("one taken out", delete(Audit).where(Audit.id == 3), 4),
    ("two taken out", delete(Audit).where(Audit.id.in_([2, 3])), 4),
]


@pytest.mark.parametrize(("statement", "at"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_change_is_found_where_it_was_made(chain: Store, statement: Any, at: int) -> None:
    assert chain.audit.broken_at() is None
    change(chain, statement)
    assert chain.audit.broken_at() == at


def test_a_time_that_is_set_back_is_found(chain: Store) -> None:
    at = chain.audit.list(most=1)[0].at
    change(chain, altered(at=at - timedelta(microseconds=1)))
    assert chain.audit.broken_at() == 3


def test_two_entries_that_change_places_are_found(chain: Store) -> None:
    with chain.database.read() as connection:
        rows = connection.execute(select(Audit.__table__).where(Audit.id.in_([2, 4]))).mappings().all()
    for row, number in zip(rows, (4, 2), strict=True):
        content = {name: value for name, value in row.items() if name != "id"}
        change(chain, update(Audit).where(Audit.id == number).values(content))
    assert chain.audit.broken_at() == 2


def test_an_entry_that_is_slipped_in_needs_the_digest_before_it(chain: Store) -> None:
    last = chain.audit.list(most=1)[0]
    forged = {"at": last.at, "actor": "user:eve", "action": "user.add", "object": "user:eve"}
    row = {**forged, "before": None, "after": None, "previous": GENESIS, "hash": "0" * 64}
    change(chain, insert(Audit).values(row))
    assert chain.audit.broken_at() == last.id + 1


def test_what_was_cut_off_at_the_end_shows_only_against_a_digest_kept_elsewhere(chain: Store) -> None:
    kept_elsewhere = chain.audit.list(most=1)[0].hash
    change(chain, delete(Audit).where(Audit.id == 5))
    assert chain.audit.broken_at() is None
    assert kept_elsewhere not in {row.hash for row in chain.audit.list()}
    # and the trail goes on from what is left
    chain.audit.add("cli", "test", "thing:6")
    assert chain.audit.broken_at() is None


def test_any_details_come_back_and_the_chain_holds(store: Store) -> None:
    quiet = [HealthCheck.function_scoped_fixture]

    @settings(max_examples=30, suppress_health_check=quiet, deadline=None)
    @given(details, details)
    def holds(before: dict[str, Any] | None, after: dict[str, Any] | None) -> None:
        store.audit.add("user:ann", "test", "thing", before=before, after=after)
        newest = store.audit.list(most=1)[0]
        assert (newest.before, newest.after) == (before, after)

    holds()
    assert store.audit.broken_at() is None


@given(details, details)
def test_a_digest_is_of_everything_and_of_what_came_before(one: Any, other: Any) -> None:
    assert (audit_hash(GENESIS, {"x": one}) == audit_hash(GENESIS, {"x": other})) == (
        canonical_json(one) == canonical_json(other)
    )
    assert audit_hash(GENESIS, {"x": one}) != audit_hash("1" * 64, {"x": one})
    assert audit_hash(GENESIS, {"a": 1, "b": 2}) == audit_hash(GENESIS, {"b": 2, "a": 1})


def canonical_json(value: Any) -> str:
    """What tells two details apart: 1, 1.0 and True are different entries."""
    import json

    return json.dumps(value, sort_keys=True)


def test_many_who_write_at_once_make_one_chain(store: Store) -> None:
    def write(name: str) -> None:
        for i in range(10):
            store.audit.add(f"user:{name}", "test", f"thing:{i}")

    threads = [threading.Thread(target=write, args=(f"u{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    entries = store.audit.list(most=100)
    assert len(entries) == 40
    assert store.audit.broken_at() is None
    for i in range(4):
        # what one person did stands in the order in which it was done
        mine = [entry.object for entry in reversed(entries) if entry.actor == f"user:u{i}"]
        assert mine == [f"thing:{j}" for j in range(10)]


Act = Callable[[Store], object]
NOTED: list[tuple[str, str, Act]] = [
    ("user.add", "user:bob", lambda s: s.users.add("bob", "viewer", actor="user:ann")),
    ("user.change", "user:rev", lambda s: s.users.change(1, role="viewer", actor="user:ann")),
    ("key.add", "key:", lambda s: s.keys.add("k", "viewer", actor="user:ann")),
    ("key.revoke", "key:", lambda s: s.keys.revoke(1, actor="user:ann")),
    ("setting.put", "setting:x", lambda s: s.settings.put("x", {"a": 1}, actor="user:ann")),
    ("source.change", "source:api", lambda s: s.sources.change("api", enabled=False, actor="user:ann")),
    ("dead_letter.remove", "dead_letter:1", lambda s: s.dead_letters.remove(1, actor="user:ann")),
    ("cluster.split", "post:1", lambda s: s.clusters.split(1, actor="user:ann")),
    ("post.retry", "post:1", lambda s: s.queue.retry(1, actor="user:ann")),
    ("post.erase", "post", lambda s: s.erasure.posts([1], actor="user:ann")),
    ("review.add", "post:1", lambda s: s.reviews.add(1, 2, verdict="right", task="damage")),
]


@pytest.mark.parametrize(("action", "thing", "act"), NOTED, ids=[row[0] for row in NOTED])
def test_who_did_what_is_noted_once(quick: Store, action: str, thing: str, act: Act) -> None:
    quick.users.add("rev", "reviewer", actor="cli")
    quick.users.add("ann", "reviewer", actor="cli")
    quick.keys.add("old", "viewer", actor="cli")
    words = "the bridge on mill road is gone and the water is rising please send boats"
    fill(quick, new(1, words), new(2, words))
    quick.dead_letters.add("api", "{", "no post")
    before = len(quick.audit.list(most=1000))
    act(quick)
    entries = quick.audit.list(most=1000)
    assert len(entries) == before + 1
    assert (entries[0].actor, entries[0].action) == ("user:ann", action)
    assert entries[0].object.startswith(thing)
    assert quick.audit.broken_at() is None


def test_what_was_refused_leaves_no_entry(quick: Store) -> None:
    def refuse(tx: Transaction) -> None:
        tx.audit("user:ann", "test", "thing")
        tx.event("post.held", 1)
        raise KeyError("no")

    with pytest.raises(KeyError):
        quick.database.write(refuse)
    assert quick.audit.list() == ()
    assert quick.events.last() == 0
