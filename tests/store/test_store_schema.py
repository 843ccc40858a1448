"""Migrations build what the models say, on both databases, up and down."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from crisislens.core.errors import MissingExtraError, StoreError
from crisislens.domain.meanings import MEANINGS
from crisislens.store import Store, open_store
from crisislens.store import engines as engines_module
from crisislens.store.engines import engine_for, parsed_url, sqlite_module
from crisislens.store.records import PostFilter
from crisislens.store.schema import check_version, downgrade, drift, head, upgrade, version
from crisislens.store.tallies import MEANT
from crisislens.store.upkeep import check
from store_posts import MODEL, PONCE, fill, new


@pytest.fixture
def connection(request: pytest.FixtureRequest, address: str, tmp_path: Path) -> Iterator[Connection]:
    """A database without any tables."""
    if address.startswith("postgresql"):
        server = request.getfixturevalue("postgres")
        address = server.database("m" + tmp_path.name.replace("-", "_").lower()[:40])
    else:
        address = f"sqlite:///{tmp_path / 'bare.db'}"
    engine = engine_for(parsed_url(address), write=True, connections=1)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_up_down_and_up_again(connection: Connection) -> None:
    assert version(connection) is None
    with pytest.raises(StoreError, match="the database is empty"):
        check_version(connection)
    upgrade(connection)
    assert version(connection) == head()
    assert drift(connection) == []
    check_version(connection)
    downgrade(connection, "0001")
    with pytest.raises(StoreError, match="run: crisislens store upgrade"):
        check_version(connection)
    downgrade(connection, "base")
    upgrade(connection)
    assert drift(connection) == []


def test_a_review_of_a_post_becomes_one_of_each_task_again(opened: object, address: str) -> None:
    store: Store = opened()  # type: ignore[operator]
    ann = store.users.add("ann", "reviewer", actor="cli")
    [number] = fill(store, new(1))
    store.reviews.add(number, ann.id, verdict="right")
    store.close()
    engine = engine_for(parsed_url(address), write=True, connections=1)
    with engine.begin() as older:
        downgrade(older, "0002")
        tasks = older.execute(text("SELECT task FROM review ORDER BY task")).scalars().all()
        assert tasks == ["damage", "informativeness", "needs"]
        assert older.execute(text("SELECT reviews FROM post")).scalar() == 3
        upgrade(older)
    engine.dispose()


def test_reviews_name_a_model_only_where_it_was_asked(opened: object, address: str) -> None:
    """It said that no need holds, and was never asked of roofs. Of the other post only another model's
    assessment is left, so that nobody can tell.
    """
    store: Store = opened()  # type: ignore[operator]
    ann = store.users.add("ann", "reviewer", actor="cli")
    first, second = fill(store, new(1), new(2))
    for number, task in ((first, "needs"), (first, "roofs"), (first, "damage"), (second, "needs")):
        store.reviews.add(number, ann.id, verdict="label", task=task, labels=["gone"])
    store.reviews.add(second, store.users.add("bob", "reviewer", actor="cli").id, verdict="right")
    store.close()
    engine = engine_for(parsed_url(address), write=True, connections=1)
    with engine.begin() as older:
        downgrade(older, "0008")
        older.execute(text("UPDATE review SET model_fingerprint = :model"), {"model": MODEL})
        other = {"model": "b" * 16, "post": second}
        older.execute(text("UPDATE assessment SET model_fingerprint = :model WHERE post_id = :post"), other)
        upgrade(older)
        found = older.execute(text("SELECT post_id, task, model_fingerprint FROM review ORDER BY id")).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [
        (first, "needs", MODEL),
        (first, "roofs", None),
        (first, "damage", MODEL),
        (second, "needs", None),
        (second, "", MODEL),
    ]


def test_posts_from_before_meanings_were_counted_are_counted(opened: object, address: str) -> None:
    store: Store = opened()  # type: ignore[operator]
    call = {"category": "requests_or_urgent_needs"}
    fill(store, new(1), new(2), needs=["request", "warning"], place=PONCE, **call)
    fill(store, new(3), needs=["missing_people"])
    fill(store, new(4), not_sure=True, **call)
    store.close()
    engine = engine_for(parsed_url(address), write=True, connections=1)
    count = text("SELECT label, sum(posts) FROM tally WHERE task = :meant AND place = '*' GROUP BY label")
    count = count.bindparams(meant=MEANT)
    with engine.begin() as older:
        downgrade(older, "0009")
        assert older.execute(count).all() == []
        upgrade(older)
        found = {label: int(posts) for label, posts in older.execute(count)}
    engine.dispose()
    assert found == {"calls_for_help": 2, "warnings": 2, "missing_people": 1}
    again: Store = opened()  # type: ignore[operator]
    assert check(again) == []


def test_the_newest_migration_counts_what_is_declared() -> None:
    """Who declares another meaning writes a migration, or stores that are there count it from now on only."""
    step = import_module("crisislens.store.migrations.versions.0010_labels_that_mean_the_same")
    declared = {answer: meaning.name for meaning in MEANINGS for answer in meaning.answers}
    assert declared == step.MEANT


def test_drift_is_seen(connection: Connection) -> None:
    upgrade(connection)
    connection.execute(text("ALTER TABLE cluster ADD COLUMN odd integer"))
    connection.execute(text("DROP INDEX ix_post_at"))
    assert len(drift(connection)) == 2


def test_a_store_of_a_newer_crisislens_is_not_touched(opened: object, address: str) -> None:
    store: Store = opened()  # type: ignore[operator]
    store.database.write(
        lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num='9'")).rowcount
    )
    store.close()
    with pytest.raises(StoreError, match="version 9, which this crisislens does not know"):
        opened()  # type: ignore[operator]
    with pytest.raises(StoreError, match="version 9"):
        opened(write=False)  # type: ignore[operator]
    # mended, for the other tests of this database
    engine = engine_for(parsed_url(address), write=True, connections=1)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": head()})
    engine.dispose()


def test_a_store_keeps_its_posts_over_a_restart(opened: object) -> None:
    store: Store = opened()  # type: ignore[operator]
    [number] = fill(store, new(1, "Bridge is down"))
    store.close()
    again: Store = opened()  # type: ignore[operator]
    assert again.posts.get(number).text == "Bridge is down"
    reading: Store = opened(write=False)  # type: ignore[operator]
    assert reading.posts.get(number).state == "done"
    with pytest.raises(StoreError, match="for reading only"):
        reading.posts.accept("api", [new(2)])
    assert reading.health().ok


ADDRESSES = [
    ("mysql://x/y", "cannot hold a store"),
    ("sqlite://", "cannot hold a store"),
    ("sqlite:///:memory:", "cannot hold a store"),
    ("post gres://x:secret@y", "no address of a database"),
    ("postgresql://localhost/x", "give the folder for them"),
]


@pytest.mark.parametrize(("url", "said"), ADDRESSES)
def test_addresses_that_cannot_be(url: str, said: str) -> None:
    with pytest.raises(StoreError, match=said) as refused:
        open_store(url)
    assert "secret" not in str(refused.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        open_store(str(tmp_path / "none.db"), write=False)
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear Ann, " * 500)
    with pytest.raises(StoreError, match="damaged or no store"):
        open_store(str(file))
    assert file.read_text() == "Dear Ann, " * 500


def test_one_process_writes_a_sqlite_store(tmp_path: Path) -> None:
    url = str(tmp_path / "a.db")
    with open_store(url) as first:
        with pytest.raises(StoreError, match="written by another process"):
            open_store(url)
        with open_store(url, write=False) as reader:
            first.posts.accept("api", [new(1)], kind="api") if first.blobs.free_bytes() > 10**9 else None
            assert reader.health().ok
    open_store(url).close()


def test_a_sqlite_that_can_damage_a_store_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sqlite_module().sqlite_version_info >= (3, 51, 3)

    def absent(name: str, *, extra: str) -> object:
        raise MissingExtraError(f"{name} of {extra}")

    monkeypatch.setattr(engines_module, "require", absent)
    import sqlite3

    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    with pytest.raises(MissingExtraError, match="can damage a store"):
        sqlite_module()
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    assert sqlite_module() is sqlite3


def test_postgres_that_is_not_there_says_where_and_hides_the_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = f"postgresql://ann:secret@/crisis?host={tmp_path}"
    with pytest.raises(StoreError, match="cannot be used") as refused:
        open_store(url, blobs=tmp_path)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("more", [{}, {"write": False}, {"upgrade": False}], ids=["make", "read", "use"])
def test_a_file_of_another_program_is_left_as_it_is(tmp_path: Path, more: dict[str, bool]) -> None:
    file = tmp_path / "mine.db"
    others = sqlite_module().connect(file)
    others.execute("CREATE TABLE recipe (name TEXT)")
    others.execute("INSERT INTO recipe VALUES ('soup')")
    others.commit()
    others.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"tables of something else \(recipe, say\)"):
        open_store(str(file), **more)
    # not even how its changes are logged
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]


@pytest.mark.parametrize("more", [{}, {"write": False}, {"upgrade": False}], ids=["make", "read", "use"])
@pytest.mark.parametrize(
    ("table", "versions"),
    [
        ("recipe", ["3f2a9c1d"]),
        # as one of ours may be called
        ("recipe", ["0001"]),
        # of two branches
        ("recipe", ["3f2a9c1d", "77aa0b1c"]),
        ("", ["3f2a9c1d"]),
        ("", ["0001"]),
    ],
)
def test_a_file_of_another_program_that_uses_alembic_is_left_as_it_is(
    tmp_path: Path, more: dict[str, bool], table: str, versions: list[str]
) -> None:
    file = tmp_path / "mine.db"
    others = sqlite_module().connect(file)
    others.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    others.executemany("INSERT INTO alembic_version VALUES (?)", [(version,) for version in versions])
    if table:
        others.execute(f"CREATE TABLE {table} (name TEXT)")
    others.commit()
    others.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match=rf"tables of something else \({table or 'alembic_version'}, say\)"):
        open_store(str(file), **more)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]


def test_a_store_that_was_taken_back_to_nothing_is_made_anew(tmp_path: Path) -> None:
    file = str(tmp_path / "crisis.db")
    open_store(file).close()
    engine = engine_for(parsed_url(file), write=True, connections=1)
    with engine.begin() as connection:
        downgrade(connection, "base")
    engine.dispose()
    with open_store(file) as again:
        assert again.health().database.startswith("sqlite")


def test_no_file_is_made_where_none_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        open_store(f"sqlite:///{tmp_path / 'none.db'}", upgrade=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [True, False])
def test_a_folder_is_no_store(tmp_path: Path, write: bool) -> None:
    with pytest.raises(StoreError, match="is a folder, and a store is a file"):
        open_store(str(tmp_path), write=write)
    assert list(tmp_path.iterdir()) == []


def test_posts_from_before_the_search_are_found(opened: object, address: str) -> None:
    store: Store = opened()  # type: ignore[operator]
    fill(store, new(1, "Bridge is down"), new(2, "Road is up"))
    store.close()
    engine = engine_for(parsed_url(address), write=True, connections=1)
    with engine.begin() as older:
        downgrade(older, "0001")
        upgrade(older)
    engine.dispose()
    again: Store = opened()  # type: ignore[operator]
    assert [row.text for row in again.posts.find(PostFilter(words="bridge")).rows] == ["Bridge is down"]
    assert check(again) == []


@pytest.mark.parametrize(
    ("system", "said"), [("linux", "pip install"), ("darwin", "use a Python that brings")]
)
def test_a_sound_sqlite_is_named_that_can_be_had(
    monkeypatch: pytest.MonkeyPatch, system: str, said: str
) -> None:
    monkeypatch.setattr(engines_module, "_SOUND_SQLITE", (99, 0, 0))
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(MissingExtraError, match=said):
        sqlite_module()
