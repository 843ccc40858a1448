"""A folder in which files appear: each table that our readers know is taken once, when it is whole."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crisislens.core.errors import CrisisLensError, InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.encoding import bare_name
from crisislens.data.rows import row_name
from crisislens.data.table_formats import SUFFIXES
from crisislens.data.tabular import read_posts
from crisislens.domain.assessment import FailedPost
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, Placed
from crisislens.streams.rows import new_post

__all__ = ["FolderSource"]

_SETTLED_S = 2.0
_MOST_FILES = 20_000


class FolderSource(Placed):
    """Watches a folder.

    Arguments:
        folder: The folder.
        name: Of the source.
        columns: As of `--map`.
        batch: Posts that are taken in together, at most.
        once: Whether to end when all files that are there were taken.
        settled_s: How long a file must not have changed before it is read, in seconds.
    """

    kind = "folder"
    edits = False

    def __init__(
        self,
        folder: Path,
        name: str,
        columns: dict[str, str] | None = None,
        *,
        batch: int = 200,
        once: bool = False,
        settled_s: float = _SETTLED_S,
    ) -> None:
        self.name, self.every_s = name, min(2.0, settled_s or 0.1)
        self._folder, self._columns, self._batch, self._once = folder, columns, batch, once
        self._settled_s, self._waiting = settled_s, True

    def ended(self) -> bool:
        """Once, when no file waits to be whole."""
        return self._once and not self._waiting

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """The rows of new files, the oldest file first."""
        done = set((cursor or {}).get("done", ()))
        begun = dict((cursor or {}).get("begun") or {})
        there = self._files()
        # what is gone needs no memory
        done &= {key for _, key, _ in there}
        self._waiting = False
        for path, key, changed in there:
            if key in done:
                continue
            if time.time() - changed < self._settled_s:
                self._waiting = True
                continue
            yield from self._file(path, key, int(begun.get(key, 0)), done)
            done.add(key)

    def _files(self) -> list[tuple[Path, str, float]]:
        """Files, their keys, and when they changed, the oldest first."""
        found = []
        try:
            for path in self._folder.iterdir():
                # a link may lead out of the folder; a name with a point before it is not finished
                known = bare_name(path).suffix.lower() in SUFFIXES
                if not known or path.name.startswith(".") or path.is_symlink() or not path.is_file():
                    continue
                state = path.stat()
                key = fingerprint([path.name, state.st_size, state.st_mtime_ns])[:12]
                found.append((state.st_mtime_ns, path.name, (path, key, state.st_mtime)))
        except OSError as error:
            raise InputError(f"{self._folder} cannot be read ({error.strerror}); check the folder") from error
        if len(found) > _MOST_FILES:
            raise InputError(f"{self._folder} holds {len(found):,} files; move those away that were taken")
        return [entry for _, _, entry in sorted(found, key=lambda each: each[:2])]

    def _file(self, path: Path, key: str, taken: int, done: set[str]) -> Iterator[Batch]:
        """A file's rows behind those that were taken; a file that cannot be read is one dead letter."""
        found: list[NewPost | Unread] = []
        row = 0
        over = {"done": sorted({*done, key}), "begun": {}}
        try:
            source = read_posts(path, self._columns)
            for row, post in enumerate(source, start=1):
                if row <= taken:
                    continue
                if isinstance(post, FailedPost):
                    raw = json.dumps({"file": path.name, "row": post.row, "id": post.id})
                    found.append(Unread(raw=raw, reason=post.reason))
                else:
                    # the next file has a row of that number, too
                    made = post.id == row_name(row - 1)
                    found.append(new_post(post, f"{path.name}#{post.id}"[-500:] if made else post.id))
                if len(found) >= self._batch:
                    yield _batch(found, {"done": sorted(done), "begun": {key: row}})
                    found = []
        except CrisisLensError as error:
            found.append(Unread(raw=json.dumps({"file": path.name, "row": row}), reason=str(error)))
        yield _batch(found, over)


def _batch(found: list[NewPost | Unread], cursor: dict[str, Any]) -> Batch:
    posts = tuple(row for row in found if isinstance(row, NewPost))
    return Batch(posts, tuple(row for row in found if isinstance(row, Unread)), cursor)
