"""A store of what was once asked of somebody else: keyed by the content of the question, so that
nothing is ever asked twice.

One SQLite file; values are JSON. Several threads and processes may use it at once; what `put`
returned from is on disk, whenever the process is killed. Keys are made by `content_key`: SHA-256
over canonical JSON, wide enough that nobody can make two questions share one.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from crisislens.core.errors import CacheError, CrisisLensError, RunError
from crisislens.core.files import FULL_DISK, full_disk

__all__ = ["Store", "content_key"]

# for another process to finish its statement, in seconds
_WAIT_S = 30.0
# the second: the file through which readers and writers agree cannot grow
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NO_STORE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


def content_key(value: object) -> str:
    """64 hex digits over a JSON value; mappings are compared without regard to order.

    >>> content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Store:
    """A persistent mapping from a content key to a JSON value.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "answers.sqlite") as store:
    ...     store.put("k", {"text": "a flood"})
    ...     store.get("k"), store.get("other"), len(store)
    ({'text': 'a flood'}, None, 1)

    Arguments:
        path: The file; made where missing.

    Raises:
        CacheError: If the file is not a store or cannot be written.
        RunError: If the disk is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # a file that is no store is opened all the same, and must not stay open
            with ExitStack() as undo:
                base = sqlite3.connect(path, timeout=_WAIT_S, check_same_thread=False, isolation_level=None)
                self._base = undo.enter_context(closing(base))
                # readers do not wait for a writer, and a killed writer leaves a file that can be read
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, value TEXT NOT NULL, made_s "
                    "REAL NOT NULL)"
                )
                undo.pop_all()
        except (sqlite3.Error, OSError) as error:
            raise _told(path, error, opening=True) from error

    def get(self, key: str) -> Any:
        """The value of a key; None where there is none or it cannot be read,
        so that it is asked for again.

        Raises:
            CacheError: If the file cannot be read.
        """
        with self._guarded():
            row = self._base.execute("SELECT value FROM answers WHERE key = ?", (key,)).fetchone()
        try:
            return None if row is None else json.loads(row[0])
        # damage costs one question, not the run
        except ValueError:
            return None

    def put(self, key: str, value: object) -> None:
        """Keeps a value, in place of an earlier one; on disk when this returns.

        Raises:
            CacheError: If the file cannot be written.
            RunError: If the disk is full.
        """
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        with self._guarded():
            self._base.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, text, time.time()))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def __len__(self) -> int:
        with self._guarded():
            return int(self._base.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._base.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One statement at a time."""
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise _told(self.path, error, opening=False) from error


def _told(path: Path, error: sqlite3.Error | OSError, *, opening: bool) -> CrisisLensError:
    """What to do about a fault. Nobody is told to delete what was paid for because the disk is full or
    somebody else writes.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code in _FULL or getattr(error, "errno", None) in FULL_DISK:
        return RunError(full_disk(path, error))
    # the lower byte is the kind of a fault, the others say more of it
    kind = None if code is None else code & 0xFF
    if kind in _IN_USE:
        return CacheError(f"{path} is in use by another program ({error}); try again when that one is done")
    if opening and kind in _NO_STORE:
        return CacheError(
            f"{path} cannot be used as a store ({error}); name another file, or delete it to start anew"
        )
    if opening:
        return CacheError(
            f"{path} cannot be used as a store ({error}); name another file that can be written"
        )
    return CacheError(f"{path} cannot be used as a store ({error}); is the file another's?")
