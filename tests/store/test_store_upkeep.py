"""Backups are whole and restorable, faults are one sentence, and nothing is half-written."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sqlalchemy import text
from test_store_erasure import jpeg

from crisislens.core.errors import InputError, StoreError, StoreFullError
from crisislens.core.fingerprint import sha256_of_file
from crisislens.store import Store, open_store
from crisislens.store.records import PostFilter
from crisislens.store.upkeep import MANIFEST, backup, check, restore
from store_posts import PONCE, fill, new

pytestmark = pytest.mark.usefixtures("warm_starts")


def test_a_backup_is_restored_as_it_was(store: Store, tmp_path: Path) -> None:
    if not store.database.sqlite:
        with pytest.raises(InputError, match="pg_dump"):
            backup(store, tmp_path / "copy")
        return
    photo = store.blobs.keep(jpeg())
    fill(store, new(1, photos=(photo,)), new(2), place=PONCE)
    held = backup(store, tmp_path / "copy")
    assert (held["posts"], held["photos"], held["missing_photos"]) == (2, 1, 0)
    with pytest.raises(InputError, match="is not empty"):
        backup(store, tmp_path / "copy")
    file = tmp_path / "again" / "crisis.db"
    restore(tmp_path / "copy", file)
    with open_store(str(file)) as again:
        assert list(again.posts.stream(PostFilter())) == list(store.posts.stream(PostFilter()))
        assert again.blobs.read(photo.sha256 or "") == store.blobs.read(photo.sha256 or "")
        assert check(again) == []
    with pytest.raises(InputError, match="is there already"):
        restore(tmp_path / "copy", file)
    with (tmp_path / "copy" / "store.db").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(InputError, match="not what was backed up"):
        restore(tmp_path / "copy", tmp_path / "third.db")
    with pytest.raises(InputError, match="is no backup"):
        restore(tmp_path, tmp_path / "third.db")
    assert not (tmp_path / "third.db").exists()


def test_a_backup_is_not_restored_beside_what_is_left_of_another_store(tmp_path: Path) -> None:
    """SQLite takes a log that lies beside a file for its own, and plays it into the restored one."""
    file, copy = tmp_path / "crisis.db", tmp_path / "copy"
    with open_store(str(file), least_free_bytes=0) as store:
        fill(store, new(1))
        backup(store, copy)
        file.rename(tmp_path / "moved.db")
        with pytest.raises(InputError, match="a process still writes the store"):
            restore(copy, file)
    (tmp_path / "moved.db").unlink()
    assert not file.exists()
    for ending in ("-wal", "-shm", "-journal"):
        Path(f"{file}{ending}").unlink(missing_ok=True)
    for ending in ("-wal", "-shm", "-journal"):
        left = Path(f"{file}{ending}")
        left.write_bytes(b"x")
        with pytest.raises(InputError, match=f"crisis.db{ending} is there already; move it away"):
            restore(copy, file)
        left.unlink()
    assert not file.exists()
    restore(copy, file)
    with open_store(str(file), least_free_bytes=0) as store:
        assert check(store) == []


def advice(store: Store) -> str:
    """How photos come back."""
    return (
        f"copy the folder blobs of a backup over {store.blobs.folder}, or send their posts again with the "
        "photos (docs/operating.md)"
    )


def test_check_finds_and_mends(store: Store) -> None:
    photo = store.blobs.keep(jpeg())
    loose = store.blobs.keep(jpeg((10, 200, 10)))
    fill(store, new(1, "same words here please", photos=(photo,)), new(2, "same words here please"))
    old = store.blobs.folder / store.blobs.name(loose.sha256 or "")
    os.utime(old, (0, 0))
    statements = ("UPDATE tally SET posts = posts + 5 WHERE task = 'damage'", "UPDATE cluster SET size = 9")

    def damage(tx: object) -> None:
        for statement in statements:
            tx.connection.execute(text(statement))  # type: ignore[attr-defined]

    store.database.write(damage)
    said = [finding.said for finding in check(store)]
    assert said == [
        "1 photos belong to no post",
        "1 tallies are not what a new count gives",
        "1 clusters are not what a new count gives",
    ]
    assert all(finding.mended for finding in check(store, mend=True))
    assert check(store) == []
    store.blobs.remove(photo.sha256 or "")
    [lost] = check(store, mend=True)
    assert (lost.said, lost.mended) == (f"1 photos that posts name are not there; {advice(store)}", False)


# a process of its own: its limit on the size of files is a full disk to SQLite
FULL = """
    import resource, signal, sys
    from crisislens.core.errors import StoreError, StoreFullError
    from crisislens.store import open_store
    from crisislens.store.records import NewPost

    store = open_store(sys.argv[1], least_free_bytes=0)
    accepted = 0
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
    for i in range(400):
        posts = [NewPost(external_id=f"{i}-{j}", text="water " * 60) for j in range(20)]
        try:
            accepted += len(store.posts.accept("api", posts))
        except StoreError as error:
            print(type(error).__name__, error)
            break
    print(accepted)
"""


def run(script: str, *arguments: object) -> str:
    """What a script prints."""
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_file_that_may_not_grow_is_one_sentence_and_leaves_the_store_whole(tmp_path: Path) -> None:
    file = tmp_path / "crisis.db"
    said, accepted = run(FULL, file).strip().split("\n")
    assert said.startswith(("StoreFullError the disk", "StoreError the store"))
    assert int(accepted) > 0
    with open_store(str(file), least_free_bytes=0) as store:
        assert store.posts.count(PostFilter()) == int(accepted)
        assert check(store) == []
        store.posts.accept("api", [new("after")])


def test_a_full_database_is_told_as_such_and_goes_on_when_there_is_room(store: Store) -> None:
    if not store.database.sqlite:
        pytest.skip("of SQLite's files")
    fill(store, new(1))
    store.database.outside(lambda raw: raw.execute("PRAGMA max_page_count=10"))
    posts = [new(i, "water " * 200) for i in range(500)]
    with pytest.raises(StoreFullError, match="is full; free some room") as refused:
        store.posts.accept("api", posts)
    assert refused.value.status == 507
    store.database.outside(lambda raw: raw.execute("PRAGMA max_page_count=100000"))
    assert store.posts.accept("api", [new("after")])[0].outcome == "created"
    assert check(store) == []


def test_a_store_that_became_read_only_says_so(store: Store) -> None:
    """SQLite's own word for it, as a file system that was remounted read-only gives it."""
    if not store.database.sqlite:
        pytest.skip("of SQLite's files")
    fill(store, new(1))
    store.database.outside(lambda raw: raw.execute("PRAGMA query_only=ON"))
    with pytest.raises(StoreError, match="read-only") as refused:
        store.posts.accept("api", [new(2)])
    assert not isinstance(refused.value, StoreFullError)
    assert not store.health().ok
    store.database.outside(lambda raw: raw.execute("PRAGMA query_only=OFF"))
    assert store.health().ok
    assert store.posts.accept("api", [new(2)])[0].outcome == "created"


KILLED = """
    import os, sys
    from crisislens.store import open_store
    from crisislens.store.records import NewPost

    store = open_store(sys.argv[1], least_free_bytes=0)
    for i in range(1000):
        posts = [NewPost(external_id=f"{i}-{j}", text="water") for j in range(3)]
        for answer in store.posts.accept("api", posts, cursor=str(i)):
            print(answer.external_id, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    file = tmp_path / "crisis.db"
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(40)]
        process.kill()
        rest = process.stdout.read().split("\n")
    acknowledged += [line for line in rest if line]
    with open_store(str(file), least_free_bytes=0) as store:
        kept = [row.external_id for row in store.posts.stream(PostFilter())]
        assert len(kept) == len(set(kept))
        # a last answer may have been cut off on its way
        assert set(acknowledged[:-1]) <= set(kept)
        assert len(kept) % 3 == 0
        source = store.sources.by_name("api")
        assert source is not None
        assert source.cursor == str(len(kept) // 3 - 1)
        assert check(store) == []


def test_a_job_that_fails_takes_no_other_with_it(store: Store) -> None:
    def wrong(tx: object) -> None:
        tx.connection.execute(text("INSERT INTO setting (name, value, at) VALUES ('x', '1', '2026-01-01')"))  # type: ignore[attr-defined]
        raise KeyError("mine")

    def broken(tx: object) -> None:
        tx.connection.execute(text("SELECT * FROM nowhere"))  # type: ignore[attr-defined]

    jobs = [
        store.posts.accept_soon("api", [new(1)]),
        store.database.write_soon(wrong),
        store.database.write_soon(broken),
        store.posts.accept_soon("api", [new(2)]),
    ]
    assert jobs[0].result()[0].outcome == "created"
    with pytest.raises(KeyError):
        jobs[1].result()
    with pytest.raises(StoreError):
        jobs[2].result()
    assert jobs[3].result()[0].outcome == "created"
    assert store.settings.get("x") is None
    assert json.dumps(store.settings.all()) == "{}"


@pytest.mark.parametrize("name", ["b#1", "b?x=1", "50%25", "50%", "plain ü"])
def test_a_backup_may_be_called_anything(quick: Store, tmp_path: Path, name: str) -> None:
    """SQLite reads the file's name out of an address, where some signs end it."""
    fill(quick, new(1))
    copies = tmp_path / "copies"
    assert backup(quick, copies / name)["posts"] == 1
    assert [path.name for path in copies.iterdir()] == [name]
    assert restore(copies / name, tmp_path / "again" / name)["posts"] == 1
    with open_store(str(tmp_path / "again" / name), least_free_bytes=0) as again:
        assert again.posts.count(PostFilter()) == 1


def test_a_backup_whose_database_is_none_is_one_sentence(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "store.db").write_text("Dear Ann, " * 500)
    digest = sha256_of_file(copy / "store.db")
    (copy / MANIFEST).write_text(json.dumps({"sha256": digest}))
    with pytest.raises(StoreError, match="cannot be read"):
        restore(copy, tmp_path / "again.db")
    assert not (tmp_path / "again.db").exists()


def test_a_restoration_that_was_killed_leaves_no_half_photo(
    quick: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))
    backup(quick, tmp_path / "copy")

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    def killed(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    file = tmp_path / "again.db"
    with monkeypatch.context() as only_here:
        only_here.setattr("shutil.copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "copy", file)
    restore(tmp_path / "copy", file)
    with open_store(str(file), least_free_bytes=0) as again:
        assert again.blobs.read(photo.sha256 or "") == quick.blobs.read(photo.sha256 or "")
        assert check(again) == []


def test_check_finds_photos_that_were_cut(quick: Store) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))
    assert check(quick) == []
    file = quick.blobs.folder / quick.blobs.name(photo.sha256 or "")
    file.write_bytes(file.read_bytes()[:100])
    said = f"1 photos that posts name are not whole; {advice(quick)}"
    assert [finding.said for finding in check(quick)] == [said]


def test_a_photo_that_was_cut_comes_back_as_the_finding_says(quick: Store, tmp_path: Path) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))
    file = quick.blobs.folder / quick.blobs.name(photo.sha256 or "")
    whole = file.read_bytes()
    shutil.copytree(quick.blobs.folder, tmp_path / "kept")
    file.write_bytes(whole[:100])
    shutil.copytree(tmp_path / "kept", quick.blobs.folder, dirs_exist_ok=True)
    assert check(quick) == []
    file.write_bytes(whole[:100])
    sent_again = quick.blobs.keep(jpeg())
    [answer] = quick.posts.accept("api", [new(1, photos=(sent_again,))])
    assert answer.outcome == "same"
    assert file.read_bytes() == whole
    assert check(quick) == []


def test_a_backup_tells_photos_that_are_not_whole_and_copies_what_there_is(
    quick: Store, tmp_path: Path
) -> None:
    cut, whole = quick.blobs.keep(jpeg()), quick.blobs.keep(jpeg((1, 2, 200)))
    # of a photo that an older crisislens kept the size may not be known
    unknown = quick.blobs.keep(jpeg((9, 90, 9))).model_copy(update={"size": None})
    fill(quick, new(1, photos=(cut,)), new(2, photos=(whole,)), new(3, photos=(unknown,)))
    file = quick.blobs.folder / quick.blobs.name(cut.sha256 or "")
    file.write_bytes(file.read_bytes()[:100])
    held = backup(quick, tmp_path / "copy")
    assert (held["photos"], held["missing_photos"], held["cut_photos"]) == (3, 0, 1)
    assert json.loads((tmp_path / "copy" / MANIFEST).read_text()) == held
    copied = tmp_path / "copy" / "blobs" / quick.blobs.name(cut.sha256 or "")
    assert copied.read_bytes() == file.read_bytes()


def test_a_restoration_mends_a_photo_that_an_older_one_left_cut(quick: Store, tmp_path: Path) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))
    backup(quick, tmp_path / "copy")
    file = tmp_path / "again.db"
    left = file.with_name("again.db.blobs") / quick.blobs.name(photo.sha256 or "")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    restore(tmp_path / "copy", file)
    with open_store(str(file), least_free_bytes=0) as again:
        assert again.blobs.read(photo.sha256 or "") == quick.blobs.read(photo.sha256 or "")


def test_a_copy_that_fails_leaves_no_part(
    quick: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = quick.blobs.keep(jpeg())
    fill(quick, new(1, photos=(photo,)))
    backup(quick, tmp_path / "copy")

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises((OSError, StoreError)):
        restore(tmp_path / "copy", tmp_path / "again.db")
    assert not list(tmp_path.rglob("*.part"))
