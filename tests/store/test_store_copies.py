"""Copies of a store in use, and what a look at a damaged one finds."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from test_store_erasure import jpeg

from crisislens.core.errors import InputError, StoreError
from crisislens.store import Store, open_store
from crisislens.store import upkeep as upkeep_module
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import MANIFEST, backup, check, restore
from postgres_server import BIN, PostgresServer
from store_posts import PONCE, fill, new

pytestmark = pytest.mark.usefixtures("quick_hashes")


def test_a_copy_of_a_store_that_is_written_meanwhile_is_of_one_moment(quick: Store, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        i = 0
        while not stop.is_set():
            # three at a time: a copy has all three of them or none
            quick.posts.accept("api", [new(f"{i}-{j}", "water") for j in range(3)])
            i += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        copies = [backup(quick, tmp_path / f"copy {i}") for i in range(3)]
    finally:
        stop.set()
        thread.join(timeout=30)
    counts = [held["posts"] for held in copies]
    assert counts == sorted(counts)
    for i, held in enumerate(copies):
        file = tmp_path / f"again {i}.db"
        assert restore(tmp_path / f"copy {i}", file) == held
        with open_store(str(file), least_free_bytes=0) as again:
            rows = list(again.posts.stream(PostFilter()))
            assert len(rows) == held["posts"]
            assert len(rows) % 3 == 0
            assert check(again) == []
            # and it goes on as a store
            assert again.posts.accept("api", [new("late")])[0].outcome == "created"


def test_a_copy_keeps_everything_that_was_said_and_done(quick: Store, tmp_path: Path) -> None:
    photo = quick.blobs.keep(jpeg())
    ann = quick.users.add("ann", "admin", password="four plain words", actor="cli")
    key, _ = quick.keys.add("feeder", "viewer", actor="cli")
    one, two = fill(quick, new(1, photos=(photo,)), new(2), place=PONCE)
    quick.reviews.add(one, ann.id, verdict="right", task="damage")
    quick.erasure.posts([two], actor="cli")
    backup(quick, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "b" / "again.db", tmp_path / "photos")
    with open_store(str(tmp_path / "b" / "again.db"), blobs=tmp_path / "photos", least_free_bytes=0) as again:
        assert again.posts.detail(one) == quick.posts.detail(one)
        assert again.audit.list() == quick.audit.list()
        assert again.audit.broken_at() is None
        assert again.events.after(0) == quick.events.after(0)
        assert again.keys.check(key) is not None
        assert again.users.by_name("ann") == ann
        assert again.blobs.read(photo.sha256 or "") == quick.blobs.read(photo.sha256 or "")
        assert again.posts.accept("api", [new(2)])[0].outcome == "erased"


@pytest.mark.parametrize("address", [pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True)
def test_a_dump_of_postgresql_and_then_its_photos_are_a_store_again(
    opened: Callable[..., Store], address: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    """As docs/operating.md tells it: `pg_dump` while posts come in, then the folder of the photos."""
    store = opened()
    photo = store.blobs.keep(jpeg())
    ann = store.users.add("ann", "admin", password="four plain words", actor="cli")
    one, two = fill(store, new(1, photos=(photo,)), new(2), place=PONCE)
    store.reviews.add(one, ann.id, verdict="right", task="damage")
    store.erasure.posts([two], actor="cli")
    with pytest.raises(InputError, match="pg_dump --format=custom"):
        backup(store, tmp_path / "copy")
    stop = threading.Event()

    def write() -> None:
        i = 0
        while not stop.is_set():
            # three at a time: a dump has all three of them or none
            posts = [
                new(f"{i}-{j}", "water", photos=(store.blobs.keep(jpeg((i % 250, j, 9))),)) for j in (0, 1, 2)
            ]
            store.posts.accept("api", posts)
            i += 1

    thread = threading.Thread(target=write)
    thread.start()
    dump = str(tmp_path / "crisis.dump")
    try:
        subprocess.run([BIN / "pg_dump", "--format=custom", "-f", dump, address], check=True, timeout=60)
        shutil.copytree(store.blobs.folder, tmp_path / "photos")
    finally:
        stop.set()
        thread.join(timeout=30)
    there = postgres.database("again")
    subprocess.run([BIN / "pg_restore", "--exit-on-error", "-d", there, dump], check=True, timeout=60)
    with open_store(there, blobs=tmp_path / "photos", least_free_bytes=0) as again:
        rows = list(again.posts.stream(PostFilter()))
        assert len(rows) % 3 == 1
        # every photo that the dump names was there when the photos were copied
        assert all(again.blobs.read(each.sha256 or "") for row in rows for each in row.photos)
        assert [finding.said for finding in check(again) if "named by no post" not in finding.said] == []
        assert again.posts.detail(one) == store.posts.detail(one)
        assert again.users.by_name("ann") == ann
        assert again.audit.broken_at() is None
        assert again.posts.accept("api", [new(2)])[0].outcome == "erased"
        # counters of the dump go on: a new post has a number of its own
        made = again.posts.accept("api", [new("late")])[0]
        assert (made.outcome, made.id not in {row.id for row in rows}) == ("created", True)


def test_a_photo_that_is_lost_is_told_and_the_rest_copied(quick: Store, tmp_path: Path) -> None:
    kept, lost = quick.blobs.keep(jpeg()), quick.blobs.keep(jpeg((1, 2, 200)))
    fill(quick, new(1, photos=(kept,)), new(2, photos=(lost,)))
    quick.blobs.remove(lost.sha256 or "")
    held = backup(quick, tmp_path / "copy")
    assert (held["photos"], held["missing_photos"]) == (1, 1)
    assert json.loads((tmp_path / "copy" / MANIFEST).read_text()) == held


def test_where_nothing_can_be_linked_photos_are_copied(
    quick: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert backup(quick, tmp_path / "copy")["photos"] == 1
    quick.blobs.remove(photo.sha256 or "")
    restore(tmp_path / "copy", quick.blobs.folder.with_name("third.db"))
    again = quick.blobs.folder.with_name("third.db.blobs") / quick.blobs.name(photo.sha256 or "")
    assert again.is_file()


MANIFESTS = ["", "[]", "{}", '{"sha256": 7}', "null", "\x00"]


@pytest.mark.parametrize("content", MANIFESTS)
def test_what_is_no_backup_is_refused_and_leaves_nothing(quick: Store, tmp_path: Path, content: str) -> None:
    backup(quick, tmp_path / "copy")
    (tmp_path / "copy" / MANIFEST).write_text(content)
    with pytest.raises(InputError, match=r"is no backup|not what was backed up"):
        restore(tmp_path / "copy", tmp_path / "x" / "again.db")
    assert not (tmp_path / "x").exists()


def test_a_disk_that_is_full_is_told(quick: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def execute(self, *_: object) -> None:
            raise OSError("no space left")

        def close(self) -> None:
            pass

    class Module:
        @staticmethod
        def connect(*_: object) -> Full:
            return Full()

    monkeypatch.setattr(upkeep_module, "sqlite_module", lambda: Module)
    with pytest.raises(StoreError, match="is the disk full"):
        backup(quick, tmp_path / "copy")


def loose(raw: Any) -> None:
    """A row that points to what is not there."""
    raw.execute("PRAGMA foreign_keys=OFF")
    raw.execute("INSERT INTO rationale VALUES (999, 'm', '{}', '2026-01-01')")
    raw.execute("PRAGMA foreign_keys=ON")


def run(statement: str) -> Callable[[Any], None]:
    """A change behind the store's back."""

    def change(raw: Any) -> None:
        raw.execute(statement)

    return change


DAMAGE: list[tuple[str, Callable[[Any], None], str, bool]] = [
    ("an index", run("DROP INDEX ix_post_at"), "the tables are not those of version", False),
    ("a column", run("ALTER TABLE cluster ADD COLUMN odd int"), "the tables are not those of", False),
    ("a loose row", loose, "1 rows point to what is not there, the first in rationale", False),
    (
        "a word too much",
        run("INSERT INTO post_words (rowid, text) VALUES (99, 'x')"),
        "3 posts can be searched, and there are 2",
        False,
    ),
    ("a tally", run("UPDATE tally SET posts = posts + 1 WHERE task = ''"), "tallies are not what", True),
    ("a tally that is gone", run("DELETE FROM tally WHERE task = 'needs'"), "tallies are not what", True),
    ("a size", run("UPDATE cluster SET size = 1"), "1 clusters are not what", True),
    ("the trail", run("UPDATE audit SET actor = 'x' WHERE id = 1"), "does not hold from entry 1 on", False),
]


@pytest.mark.parametrize(
    ("damage", "said", "mended"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE]
)
def test_a_look_finds_each_kind_of_damage_and_mends_counts(
    quick: Store, damage: Callable[[Any], None], said: str, mended: bool
) -> None:
    quick.audit.add("cli", "test", "thing")
    fill(quick, new(1, "the same words of two posts"), new(2, "the same words of two posts"))
    assert check(quick) == []
    quick.database.outside(damage)
    found = check(quick)
    assert found
    assert all(said in finding.said and not finding.mended for finding in found)
    assert [finding.mended for finding in check(quick, mend=True)] == [mended] * len(found)
    assert (check(quick) == []) is mended


def test_a_photo_that_was_just_kept_belongs_to_a_post_on_its_way(quick: Store) -> None:
    quick.blobs.keep(jpeg())
    assert check(quick, mend=True) == []
    assert len(quick.blobs.names()) == 1


def test_counting_anew_gives_the_same_on_both_databases(store: Store) -> None:
    fill(store, new(1), new(2), place=PONCE, needs=["water"])
    store.database.write(lambda tx: tx.connection.execute(text("DELETE FROM tally")).rowcount)
    [finding] = check(store, mend=True)
    assert finding.mended
    assert check(store) == []
    row = store.posts.get(1)
    counts = store.statistics.counts(row.at, row.at.replace(year=row.at.year + 1))
    assert counts.posts == 2
