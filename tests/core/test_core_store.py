"""The store of answers: what was put is there, for every process, and nothing is made of damage."""

import json
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import CacheError, RunError
from crisislens.core.store import Store, content_key

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.sqlite"


def test_another_store_on_the_same_file_sees_it(path: Path) -> None:
    with Store(path) as first, Store(path) as second:
        first.put("k", {"text": "a flood", "tokens": 3})
        assert second.get("k") == {"text": "a flood", "tokens": 3}
        second.put("k", "newer")
        assert first.get("k") == "newer"
        assert (len(first), "k" in first, "other" in first, 3 in first) == (1, True, False, False)
    with Store(path) as later:
        assert later.get("k") == "newer"


@given(VALUES)
def test_any_value_of_json_comes_back(value: object) -> None:
    with Store(Path(":memory:")) as store:
        store.put("k", value)
        assert store.get("k") == value
        # null is no answer: the question is asked again
        assert ("k" in store) == (value is not None)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_hold_is_refused_and_leaves_the_old(path: Path, value: object) -> None:
    with Store(path) as store:
        store.put("k", "old")
        with pytest.raises((ValueError, TypeError)):
            store.put("k", value)
        assert store.get("k") == "old"


def test_a_value_that_cannot_be_read_is_asked_for_again(path: Path) -> None:
    with Store(path) as store:
        store.put("k", "x")
        with sqlite3.connect(path) as base:
            base.execute("UPDATE answers SET value = '{'")
        base.close()
        assert store.get("k") is None
        store.put("k", "mended")
        assert store.get("k") == "mended"


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,text\n" * 500)
    with pytest.raises(CacheError, match=r"posts\.csv cannot be used as a store .*; name another file"):
        Store(path)
    assert path.read_text().startswith("id,text"), "nobody's file is overwritten"


class _Faulty:
    """A connection whose every statement ends in one fault of SQLite."""

    def __init__(self, code: int) -> None:
        self.error = sqlite3.OperationalError("told by a test")
        self.error.sqlite_errorcode = code

    def execute(self, *_: object) -> None:
        raise self.error

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (sqlite3.SQLITE_FULL, RunError, "is full .* make room and start the same command again"),
        (sqlite3.SQLITE_IOERR_SHMSIZE, RunError, "is full .* make room and start the same command again"),
        (sqlite3.SQLITE_BUSY, CacheError, "is in use by another program .*; try again"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, CacheError, "is in use by another program .*; try again"),
        (sqlite3.SQLITE_IOERR_READ, CacheError, "cannot be used as a store"),
        (sqlite3.SQLITE_READONLY, CacheError, "cannot be used as a store"),
    ],
)
def test_what_was_paid_for_is_not_to_go_for_a_full_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception], told: str
) -> None:
    with Store(path) as store, monkeypatch.context() as patch:
        patch.setattr(store, "_base", _Faulty(code))
        with pytest.raises(kind, match=told):
            store.put("k", 1)
        patch.setattr(sqlite3, "connect", lambda *_, **__: _Faulty(code))
        with pytest.raises(kind, match=told) as caught:
            Store(path)
    assert "delete" not in str(caught.value)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CacheError, match="cannot be used as a store"):
        Store(tmp_path / "out" / "answers.sqlite")


def test_a_closed_store_says_so_in_a_sentence(path: Path) -> None:
    store = Store(path)
    store.close()
    for use in (lambda: store.get("k"), lambda: store.put("k", 1), lambda: len(store)):
        with pytest.raises(CacheError, match="cannot be used as a store"):
            use()


def test_threads_may_share_one(path: Path) -> None:
    with Store(path) as store:

        def fill(name: int) -> None:
            for i in range(25):
                store.put(f"{name}-{i}", i)

        threads = [threading.Thread(target=fill, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store) == 100
        assert all(store.get(f"{name}-7") == 7 for name in range(4))


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
def test_a_key_is_that_of_the_content_in_any_order(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert content_key(value) == content_key(turned)
    assert len(content_key(value)) == 64
    assert content_key(value) != content_key([value])


def test_half_characters_have_a_key() -> None:
    assert content_key("\ud800") != content_key("?")


def test_values_are_readable_text_on_disk(path: Path) -> None:
    with Store(path) as store:
        store.put("k", {"text": "inundación"})
    base = sqlite3.connect(path)
    [[text]] = base.execute("SELECT value FROM answers").fetchall()
    base.close()
    assert json.loads(text) == {"text": "inundación"}
    assert "inundación" in text
