"""The ledger that keeps one file a finished chunk, for results that are put together at the end. See
`runs.ledger` for the others.

The first line of a file says what it holds: how many rows, the digest of the lines, of what stands
beside them, and the pictures that were read. A file that does not say so truly (cut, foreign, made
from a picture that was replaced) is made anew, never taken.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from crisislens.core.files import atomic_write
from crisislens.domain.assessment import FailedPost
from crisislens.runs.files import writing
from crisislens.runs.pictures import Mark
from crisislens.runs.sinks import Record, line_of_failed
from crisislens.runs.step import Chunk, failed_post

__all__ = ["ChunkFiles"]

R = TypeVar("R")
T = TypeVar("T")

# the first character of a line, so that counting needs no parsing
_GOOD, _FAILED = "A", "F"


class ChunkFiles(Generic[R]):
    """One file a chunk, `NNNNNN.jsonl`, and one beside it, `NNNNNN.side`, for what is no line.

    Arguments:
        folder: Of this run alone; its name holds the run's fingerprint.
        line: A record as one line of JSON.
        side: What else is kept of the records, as bytes; None for nothing.
        marks: The pictures that a chunk refers to, see `pictures.picture_marks`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        line: Callable[[R], str],
        side: Callable[[Sequence[R]], bytes] | None = None,
        marks: Callable[[Chunk], list[Mark]] = lambda _: [],
    ) -> None:
        self.folder, self._line, self._side, self._marks = folder, line, side, marks
        self._looked: dict[int, list[Mark]] = {}
        self._chunks = 0
        self.good = self.failed = 0
        """Records and failed rows that were entered."""
        self._counts: dict[int, tuple[int, int]] = {}

    def start(self) -> int:
        """See `Ledger`."""
        self.good = self.failed = self._chunks = 0
        return 0

    def holds(self, chunk: Chunk) -> bool:
        """See `Ledger`. The pictures are looked at here, before the step reads them."""
        # before the file is trusted: a picture replaced since makes even a whole file outdated
        marks = self._marks(chunk)
        header = self._checked(chunk.index)
        if header is None or header["rows"] != len(chunk.rows) or header["pictures"] != marks:
            self._looked[chunk.index] = marks
            return False
        self._counts[chunk.index] = (header["good"], header["failed"])
        return True

    def pack(self, chunk: Chunk, records: Sequence[R | FailedPost]) -> tuple[int, int]:
        """See `Ledger`. A record that cannot be written costs its row only."""
        lines: list[str] = []
        whole: list[R] = []
        for i, record in enumerate(records):
            if not isinstance(record, FailedPost):
                try:
                    lines.append(_GOOD + self._line(record))
                    whole.append(record)
                    continue
                except (ValueError, TypeError, RecursionError) as error:
                    row = chunk.rows[i]
                    record = failed_post(chunk.first_row + i, row.id, "could not be written", error)
            lines.append(_FAILED + line_of_failed(record))
        # halves of surrogate pairs stay as they are: the digest must be that of the very bytes
        body = "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")
        side = self._side(whole) if self._side is not None else None
        counts = (len(whole), len(lines) - len(whole))
        header = {
            "rows": len(lines),
            "good": counts[0],
            "failed": counts[1],
            "pictures": self._looked.pop(chunk.index, []),
            "body": _digest(body),
            "side": None if side is None else _digest(side),
        }
        with writing(self.folder):
            # the side first: a kill in between leaves no file of lines, and the chunk is made anew
            if side is not None:
                atomic_write(self._path(chunk.index, "side"), side)
            atomic_write(self._path(chunk.index), json.dumps(header).encode() + b"\n" + body)
        self._counts[chunk.index] = counts
        return counts

    def enter(self, chunk: Chunk, packed: tuple[int, int] | None) -> None:
        """See `Ledger`."""
        # popped, so that counts of a run of millions of chunks do not pile up
        good, failed = self._counts.pop(chunk.index)
        self.good, self.failed = self.good + good, self.failed + failed
        self._chunks = chunk.index + 1

    def kept(self) -> str:
        """See `Ledger`."""
        return f"they are kept in {self.folder.parent}"

    def sides(self) -> list[Path]:
        """What stands beside the lines, chunk by chunk."""
        return [self._path(index, "side") for index in range(self._chunks)]

    def records(self, read: Callable[[str], T]) -> Iterator[Record[T]]:
        """Everything that was entered, in the order of the source;
        lines are parsed where a sink asks.

        Arguments:
            read: What the sinks get, from a line.
        """
        for index in range(self._chunks):
            with self._path(index).open(encoding="utf-8", errors="surrogatepass", newline="\n") as lines:
                # the header
                next(lines)
                for line in lines:
                    yield Record(line[1:].rstrip("\n"), read, failed=line[0] == _FAILED)

    def _path(self, index: int, suffix: str = "jsonl") -> Path:
        return self.folder / f"{index:06d}.{suffix}"

    def _checked(self, index: int) -> dict[str, Any] | None:
        """What a chunk's file says of itself, if that is true."""
        try:
            head, _, body = self._path(index).read_bytes().partition(b"\n")
            header = json.loads(head)
            side = None if self._side is None else _digest(self._path(index, "side").read_bytes())
            true = (
                header["body"] == _digest(body)
                and header["side"] == side
                and header["good"] + header["failed"] == header["rows"] == body.count(b"\n")
                and "pictures" in header
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return header if true else None


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
