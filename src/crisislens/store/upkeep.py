"""Backups, and whether everything in a store fits together."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, func, select, text

from crisislens.core.errors import InputError, StoreError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import sha256_of_file
from crisislens.store.audit import broken_entry
from crisislens.store.base import Store
from crisislens.store.engines import sqlite_module
from crisislens.store.finish import counted_posts
from crisislens.store.joining import refresh_clusters
from crisislens.store.models import Cluster, Media, Post, Tally
from crisislens.store.schema import SEARCH_TABLE, drift, version
from crisislens.store.tallies import count_post
from crisislens.store.transaction import Transaction, hour_of

__all__ = ["Finding", "backup", "check", "restore"]

MANIFEST = "backup.json"
_DATABASE, _BLOBS = "store.db", "blobs"
# the write-ahead log, its index and the journal: SQLite takes those it finds for parts of the file
_BESIDE = ("-wal", "-shm", "-journal")
_ORPHAN_AGE = timedelta(hours=1)
Key = tuple[datetime, str, str, str]


@dataclass(frozen=True)
class Finding:
    """Something that does not fit.

    Attributes:
        said: What, in one sentence.
        mended: Whether it was mended.
    """

    said: str
    mended: bool = False


def backup(store: Store, folder: Path) -> dict[str, Any]:
    """Copies a store that may be in use: one snapshot of the database, and all photos that it names.

    Arguments:
        store: Open for reading at least.
        folder: Where to; it must not be there, or be empty.

    Returns:
        What the copy holds, as its `backup.json` says.

    Raises:
        InputError: If the folder holds something, or the database is PostgreSQL, which has tools of its own.
        StoreError: If the copy cannot be written or read.
    """
    if store.database.file is None:
        raise InputError(
            "PostgreSQL has its own backups: run pg_dump --format=custom, and copy the folder of the photos "
            "after it"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give a new folder for each backup")
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / _DATABASE
    # a connection of its own: those for reading refuse what writes, even elsewhere
    source = sqlite_module().connect(store.database.file)
    try:
        source.execute("VACUUM INTO ?", (str(copy),))
    except Exception as error:
        raise StoreError(f"the backup could not be written to {copy} ({error}); is the disk full?") from error
    finally:
        source.close()
    photos = missing = cut = 0
    for name, size in _named_photos(copy):
        target = folder / _BLOBS / name[:2] / f"{name}.jpg"
        if not _copied(store.blobs.folder / store.blobs.name(name), target):
            missing += 1
            continue
        photos += 1
        # what is left of a photo is copied all the same: half of it may be better than none
        if not _as_long(target, size):
            cut += 1
    held = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": _version_of(copy),
        "sha256": sha256_of_file(copy),
        "posts": _count(copy, "post"),
        "photos": photos,
        "missing_photos": missing,
        "cut_photos": cut,
    }
    atomic_write(folder / MANIFEST, json.dumps(held, indent=1) + "\n")
    return held


def restore(folder: Path, file: Path, blobs: Path | None = None) -> dict[str, Any]:
    """Makes a store from a backup.

    Arguments:
        folder: The backup.
        file: The SQLite file to make; it must not be there.
        blobs: The folder of its photos; by default `FILE.blobs`.

    Raises:
        InputError: If the folder is no whole backup, the file or a log of one that stood there is there
            already, or a process still writes a store of that name.
        StoreError: If its database cannot be read.
    """
    try:
        held = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wanted = str(held["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} is no backup of crisislens (its {MANIFEST} cannot be read)") from error
    if not (folder / _DATABASE).is_file() or sha256_of_file(folder / _DATABASE) != wanted:
        raise InputError(f"{folder / _DATABASE} is not what was backed up; take another backup")
    # a service whose file was moved away under it would write its log beside the new one
    busy = f"a process still writes the store {file} (crisislens serve, perhaps); stop it first"
    with sole_writer(file.parent, lock=f".{file.name}.lock", busy=busy):
        _refuse_what_is_there(file)
        _put_back(folder, file, blobs or Path(f"{file}.blobs"))
    return dict(held)


def _refuse_what_is_there(file: Path) -> None:
    """A log that a killed process left is played into whatever file stands beside it, and damages it."""
    names = [file, *(Path(f"{file}{ending}") for ending in _BESIDE)]
    there = [str(name) for name in names if name.exists()]
    if there:
        are, them = ("is", "it") if len(there) == 1 else ("are", "them")
        raise InputError(
            f"{', '.join(there)} {are} there already; move {them} away first (a store and its -wal belong "
            "together: its newest posts stand there); nothing is overwritten"
        )


def _put_back(folder: Path, file: Path, target: Path) -> None:
    for name, _ in _named_photos(folder / _DATABASE):
        _copied(folder / _BLOBS / name[:2] / f"{name}.jpg", target / name[:2] / f"{name}.jpg")
    part = file.with_name(f".{file.name}.part")
    shutil.copyfile(folder / _DATABASE, part)
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    part.replace(file)


def _copied(source: Path, target: Path) -> bool:
    """Links a photo, or copies it where links cannot be; photos never change, so a link is as good."""
    if target.is_file() and not _cut(source, target):
        return True
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:
        # under another name until it is whole: the next attempt would take half a photo for a whole one
        part = target.with_name(f".{target.name}.part")
        try:
            shutil.copyfile(source, part)
            part.replace(target)
        except FileNotFoundError:
            return False
        except OSError:
            part.unlink(missing_ok=True)
            raise
    return True


def _cut(source: Path, target: Path) -> bool:
    """Whether an earlier attempt left a part of a photo."""
    return source.is_file() and source.stat().st_size != target.stat().st_size


def _asked(file: Path, statement: str) -> list[Any]:
    driver = sqlite_module()
    # as_uri quotes what would end the name, as # and ? do
    address = f"{file.absolute().as_uri()}?mode=ro"
    try:
        connection = driver.connect(address, uri=True)
        try:
            return list(connection.execute(statement).fetchall())
        finally:
            connection.close()
    except driver.Error as error:
        raise StoreError(f"{file} cannot be read ({error}); take another backup") from error


def _named_photos(file: Path) -> Iterator[tuple[str, int | None]]:
    """The photos that posts name, each with the size that it was kept with, where that is known."""
    statement = "SELECT sha256, max(size) FROM media WHERE sha256 IS NOT NULL GROUP BY sha256"
    for name, size in _asked(file, statement):
        yield str(name), size


def _version_of(file: Path) -> str:
    return str(_asked(file, "SELECT version_num FROM alembic_version")[0][0])


def _count(file: Path, table: str) -> int:
    return int(_asked(file, f"SELECT count(*) FROM {table}")[0][0])


def check(store: Store, *, mend: bool = False) -> list[Finding]:
    """Looks whether everything fits together; nothing, where it does.

    Arguments:
        store: Open for writing where it is to be mended.
        mend: Whether to count tallies and clusters anew, and remove photos of no post.
    """
    found: list[Finding] = []
    with store.database.read() as connection:
        found += _database_faults(connection)
        broken = broken_entry(connection)
        if broken is not None:
            found.append(Finding(f"the audit trail does not hold from entry {broken} on"))
    found += _photos(store, mend=mend)
    found += _recounted(store, "tallies", _tallies_differ, _write_tallies, mend=mend)
    found += _recounted(store, "clusters", _clusters_differ, _write_clusters, mend=mend)
    return found


def _database_faults(connection: Connection) -> list[Finding]:
    found = [
        Finding(f"the tables are not those of version {version(connection)}: {d}") for d in drift(connection)
    ]
    if connection.dialect.name != "sqlite":
        return found
    said = [row[0] for row in connection.execute(text("PRAGMA integrity_check"))]
    found += [Finding(f"SQLite finds damage: {line}") for line in said if line != "ok"]
    loose = connection.execute(text("PRAGMA foreign_key_check")).all()
    if loose:
        found.append(Finding(f"{len(loose)} rows point to what is not there, the first in {loose[0][0]}"))
    posts = connection.execute(select(func.count()).select_from(Post)).scalar_one()
    words = connection.execute(text(f"SELECT count(*) FROM {SEARCH_TABLE}_docsize")).scalar_one()
    if posts != words:
        found.append(Finding(f"{words} posts can be searched, and there are {posts}"))
    return found


def _photos(store: Store, *, mend: bool) -> list[Finding]:
    with store.database.read() as connection:
        wanted = select(Media.sha256, func.max(Media.size)).where(Media.sha256.is_not(None))
        sizes = {str(name): size for name, size in connection.execute(wanted.group_by(Media.sha256))}
    named = set(sizes)
    kept = store.blobs.names()
    found = []
    # a photo that is kept again takes its old name
    advice = (
        f"copy the folder blobs of a backup over {store.blobs.folder}, or send their posts again with the "
        "photos (docs/operating.md)"
    )
    if named - kept:
        found.append(Finding(f"{len(named - kept)} photos that posts name are not there; {advice}"))
    cut = [
        name
        for name in named & kept
        if not _as_long(store.blobs.folder / store.blobs.name(name), sizes[name])
    ]
    if cut:
        found.append(Finding(f"{len(cut)} photos that posts name are not whole; {advice}"))
    limit = (datetime.now(UTC) - _ORPHAN_AGE).timestamp()
    # one that was just kept may be of a post that is on its way
    loose = [
        name for name in kept - named if (store.blobs.folder / store.blobs.name(name)).stat().st_mtime < limit
    ]
    if loose:
        for name in loose if mend else ():
            store.blobs.remove(name)
        found.append(Finding(f"{len(loose)} photos belong to no post", mended=mend))
    return found


def _as_long(file: Path, size: int | None) -> bool:
    """Whether a photo has the size that it was kept with, where that is known."""
    try:
        there = file.stat().st_size
    except FileNotFoundError:
        # erased since its name was read
        return True
    return size is None or there == size


def _recounted(
    store: Store,
    what: str,
    differ: Callable[[Connection], int],
    write: Callable[[Transaction], None],
    *,
    mend: bool,
) -> list[Finding]:
    with store.database.read() as connection:
        wrong = differ(connection)
    if not wrong:
        return []
    if mend:
        store.database.write(write)
    return [Finding(f"{wrong} {what} are not what a new count gives", mended=mend)]


def _counted_tallies(connection: Connection) -> Counter[Key]:
    """The tallies as posts and answers give them."""
    counts: Counter[Key] = Counter()

    def add(at: datetime, task: str, label: str, place: str, by: int) -> None:
        counts[hour_of(at), task, label, place] += by

    for counted in counted_posts(connection):
        count_post(add, counted, 1)
    return counts


def _tallies_differ(connection: Connection) -> int:
    counts = _counted_tallies(connection)
    columns = (Tally.hour, Tally.task, Tally.label, Tally.place, Tally.posts)
    kept: dict[Key, int] = {}
    for hour, task, label, place, posts in connection.execute(select(*columns)):
        kept[hour, task, label, place] = posts
    return sum(counts.get(key, 0) != kept.get(key, 0) for key in counts.keys() | kept.keys())


def _write_tallies(tx: Transaction) -> None:
    tx.connection.execute(delete(Tally))
    for (hour, task, label, place), posts in _counted_tallies(tx.connection).items():
        tx.tally(hour, task, label, place, posts)


def _sizes(connection: Connection) -> list[tuple[int, int]]:
    """Clusters with the size that a new count gives, where it is another."""
    found: list[tuple[int, int]] = []
    for column, of_photos in ((Post.cluster_id, False), (Post.shown_id, True)):
        counted = select(column.label("number"), func.count().label("n")).where(column.is_not(None))
        counts = counted.group_by(column).subquery()
        size = func.coalesce(counts.c.n, 0)
        wanted = select(Cluster.id, size).outerjoin(counts, counts.c.number == Cluster.id)
        wanted = wanted.where(Cluster.size != size, (Cluster.kind == "photo").is_(of_photos))
        found += [(number, n) for number, n in connection.execute(wanted)]
    return found


def _clusters_differ(connection: Connection) -> int:
    return len(_sizes(connection))


def _write_clusters(tx: Transaction) -> None:
    refresh_clusters(tx, [number for number, _ in _sizes(tx.connection)])
