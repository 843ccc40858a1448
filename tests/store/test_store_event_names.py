"""Names of events on both databases: counted, joined by people, taken back, and found together."""

import pytest

from crisislens.core.errors import InputError, NotFoundError
from crisislens.store import Store
from crisislens.store.records import PostFilter
from store_posts import PONCE, WHEN, fill, new


def named(store: Store, name: str, *numbers: int) -> list[int]:
    return fill(store, *(new(n, f"{name} {n}", event=name, created_at=WHEN) for n in numbers), place=PONCE)


def test_names_are_counted_joined_and_taken_back(store: Store) -> None:
    one, two, three = named(store, "quake", 1, 2), named(store, "temblor", 3), named(store, "eq", 4)
    fill(store, new(9))
    names = store.event_names.all()
    assert [(n.name, n.posts, n.places) for n in names] == [
        ("quake", 2, {PONCE.id: 2}),
        ("eq", 1, {PONCE.id: 1}),
        ("temblor", 1, {PONCE.id: 1}),
    ]
    assert names[0].first_at == names[0].last_at == WHEN

    def found(name: str) -> list[int]:
        return sorted(row.id for row in store.posts.find(PostFilter(event=name)).rows)

    assert found("quake") == one
    store.event_names.decide("temblor", "quake", True, actor="user:ann")
    store.event_names.decide("eq", "temblor", True, actor="user:ann")
    for name in ("quake", "temblor", "eq"):
        assert found(name) == sorted(one + two + three)
    store.event_names.decide("quake", "temblor", False, actor="user:bea")
    assert found("quake") == one
    assert found("eq") == sorted(two + three)
    store.event_names.take_back("temblor", "eq", actor="user:ann")
    assert found("eq") == three
    assert [(p.one, p.other, p.same, p.by) for p in store.event_names.pairs()] == [
        ("quake", "temblor", False, "user:bea")
    ]
    actions = [entry.action for entry in store.audit.list(thing="events")]
    assert actions == ["event.undecided", "event.apart", "event.same", "event.same"]


def test_what_is_refused(store: Store) -> None:
    named(store, "quake", 1)
    with pytest.raises(InputError, match="one event with itself"):
        store.event_names.decide("quake", "quake", True, actor="cli")
    with pytest.raises(NotFoundError, match="no post has"):
        store.event_names.decide("quake", "flood", True, actor="cli")
    with pytest.raises(NotFoundError, match="nobody has decided"):
        store.event_names.take_back("quake", "flood", actor="cli")
    assert store.posts.find(PostFilter(event="flood")).rows == ()
