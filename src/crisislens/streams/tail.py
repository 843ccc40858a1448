"""A file that grows: read on from where we were, through rotation and truncation.

The cursor names the file by its number on the disk and by its first bytes, and the place behind the last
whole line. A file that was renamed (rotation) is read to its end first, also when that happened while
nobody watched; one that was cut (copytruncate) is begun anew. A line without its end is left until the
end is there.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.lines import MAX_LINE
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, Placed
from crisislens.streams.rows import RowMaker

__all__ = ["FileSource"]

_BLOCK = 1 << 18
_HEAD = 256
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst"})
_GONE = "{name} was rotated and its older part is gone; what was written there last may be missing"
_LONG = f"the line is longer than {MAX_LINE:,} bytes; its rest was passed over"


class FileSource(Placed):
    """Follows a file of JSON lines.

    Arguments:
        path: The file; it may come later.
        name: Of the source.
        rows: How lines become posts.
        batch: Lines that are taken in together, at most.
        once: Whether to end at the end of the file.
    """

    kind = "file"
    edits = False

    def __init__(
        self, path: Path, name: str, rows: RowMaker, *, batch: int = 200, once: bool = False
    ) -> None:
        self.name, self.every_s = name, 0.5
        self._path, self._rows, self._batch, self._once = path, rows, batch, once
        self._looked = False

    def ended(self) -> bool:
        """Once, after a look."""
        return self._once and self._looked

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """The new lines."""
        self._looked = True
        try:
            parts, known, gone = self._parts(cursor)
            for number, path in enumerate(parts):
                start = cursor if known and cursor and not number else {}
                note = _GONE.format(name=self._path.name) if gone and not number else None
                yield from self._read(path, start, note, last=number == len(parts) - 1)
        except OSError as error:
            raise InputError(f"{self._path} cannot be read ({error.strerror or error}); check it") from error

    def _parts(self, cursor: dict[str, Any] | None) -> tuple[list[Path], bool, bool]:
        """The files to read in their order; whether the first is the cursor's; whether that one is gone."""
        now = [self._path] if self._path.is_file() else []
        if not cursor or (now and _is_same(self._path, cursor)):
            return now, bool(now and cursor), False
        older = [path for path in self._path.parent.glob(f"{_plain(self._path.name)}[.-]*") if path.is_file()]
        older = [path for path in older if path.suffix not in _PACKED and path != self._path]
        older.sort(key=lambda path: path.stat().st_mtime_ns)
        ours = next((i for i, path in enumerate(older) if _is_same(path, cursor)), None)
        if ours is not None:
            return [*older[ours:], *now], True, False
        # the same file cut short, or another one in its place
        cut = bool(now) and self._path.stat().st_ino == cursor.get("file")
        return now, False, bool(now) and not cut

    def _read(self, path: Path, cursor: dict[str, Any], note: str | None, *, last: bool) -> Iterator[Batch]:
        with path.open("rb") as stream:
            place = _Place(stream, int(cursor.get("at", 0)), bool(cursor.get("skip", False)))
            found: list[NewPost | Unread] = []
            lines = 0
            for line, at in place.lines(to_the_end=self._once or not last):
                if isinstance(line, Unread):
                    found.append(line)
                else:
                    # a file that was cut may begin with the same line again, and is the same file
                    name = f"line-{place.identity}-{at}-{fingerprint(line)[:8]}"
                    found.extend(self._rows.line(line, name))
                lines += 1
                if lines >= self._batch:
                    yield _batch(found, place.cursor(), note)
                    found, lines, note = [], 0, None
            # a file that was never read has its place kept too, or a rotation before its first line is missed
            if lines or note or place.moved or not cursor:
                yield _batch(found, place.cursor(), note)


class _Place:
    """Where in an open file we are."""

    def __init__(self, stream: BinaryIO, at: int, skip: bool) -> None:
        self._stream, self._at, self._skip = stream, at, skip
        self.moved = False
        self._number = os.fstat(stream.fileno()).st_ino
        self.identity = fingerprint([self._number, _first_line(stream)])[:12]

    def cursor(self) -> dict[str, Any]:
        """As plain values."""
        size = min(_HEAD, self._at)
        return {
            "file": self._number,
            "head": _head(self._stream, size),
            "size": size,
            "at": self._at,
            "skip": self._skip,
        }

    def lines(self, *, to_the_end: bool) -> Iterator[tuple[str | Unread, int]]:
        """Lines and where each begins; of the last one only with its end, or where the file is over."""
        while True:
            self._stream.seek(self._at)
            line = self._stream.readline(MAX_LINE + 1)
            whole = line.endswith(b"\n")
            if not line or (not whole and len(line) <= MAX_LINE and not to_the_end):
                return
            start, skipped = self._at, self._skip
            self._at += len(line)
            self._skip = not whole and len(line) > MAX_LINE
            if skipped:
                # the rest of one that was too long
                self._skip, self.moved = not whole, True
                continue
            if self._skip:
                yield Unread(raw=line[:_BLOCK].decode("utf-8", "replace"), reason=_LONG), start
            else:
                yield line.decode("utf-8", "replace").strip("\r\n\ufeff").replace("\0", ""), start


def _plain(name: str) -> str:
    """A name in which nothing is a sign of `glob`."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _first_line(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.readline(_HEAD).decode("latin-1")


def _head(stream: BinaryIO, size: int) -> str:
    stream.seek(0)
    return fingerprint(stream.read(size).decode("latin-1"))


def _is_same(path: Path, cursor: dict[str, Any]) -> bool:
    with suppress(OSError), path.open("rb") as stream:
        state = os.fstat(stream.fileno())
        if state.st_ino != cursor.get("file") or state.st_size < int(cursor.get("at", 0)):
            return False
        return _head(stream, int(cursor.get("size", 0))) == cursor.get("head")
    return False


def _batch(found: list[NewPost | Unread], cursor: dict[str, Any], note: str | None) -> Batch:
    posts = tuple(row for row in found if isinstance(row, NewPost))
    return Batch(posts, tuple(row for row in found if isinstance(row, Unread)), cursor, note)
