"""Ledgers: what of a run is done, on disk, so that a run that was killed goes on and ends with the
same bytes.

`chunk_files.ChunkFiles` keeps one file a finished chunk, for results that are put together at the
end. `Lines` keeps the whole lines of one growing file, for results that are written in order.
`Through` keeps nothing: the records go straight into sinks, and what the step was answered stands
in a store of its own.

What names a ledger (a folder, a part of a file's name) is the fingerprint of the source, the step
and the form of the records, so another run never finds it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Generic, Protocol, TypeVar, runtime_checkable

from crisislens.domain.assessment import FailedPost
from crisislens.runs.files import take_place, writing
from crisislens.runs.sinks import Feed, Record
from crisislens.runs.step import Chunk, failed_post

__all__ = ["Ledger", "Lines", "Through"]

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
P = TypeVar("P")


@runtime_checkable
class Ledger(Protocol[R_contra, P]):
    """Knows what is done. `holds` and `pack` are called where a chunk is worked on, `enter` in the
    engine's thread and in the order of the source.
    """

    def start(self) -> int:
        """Opens the ledger; gives the rows at the front that are done and need not come again."""
        ...

    def holds(self, chunk: Chunk) -> bool:
        """Whether a chunk is done, truly and wholly."""
        ...

    def pack(self, chunk: Chunk, records: Sequence[R_contra | FailedPost]) -> P:
        """Makes of a chunk's records what can be entered.

        Arguments:
            chunk: The rows.
            records: What the step said of each of them.
        """
        ...

    def enter(self, chunk: Chunk, packed: P | None) -> None:
        """Enters a chunk.

        Arguments:
            chunk: The rows.
            packed: What `pack` made; None for one that the ledger holds.
        """
        ...

    def kept(self) -> str:
        """What of an interrupted run is kept, in half a sentence."""
        ...


class Lines(Generic[R]):
    """The whole lines of `.NAME.KEY.part` beside a file, which takes its place at the end.

    Arguments:
        out: The file.
        key: Fingerprint of all that the lines depend on.
        record: A record as a JSON object, or a failed row as one.
        seen: Told each object once, in order: those of an earlier start and those that are made.
    """

    def __init__(
        self,
        out: Path,
        key: str,
        *,
        record: Callable[[R | FailedPost], Mapping[str, Any]],
        seen: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.out, self._record, self._seen = out, record, seen
        self.part = out.with_name(f".{out.name}.{key}.part")
        self._stream: IO[bytes] | None = None

    def start(self) -> int:
        """See `Ledger`. What follows the last whole line of an earlier start is cut off."""
        self._remove_other_parts()
        lines = whole = 0
        # a file that a kill left in the middle of a line goes on behind the last whole one
        self._stream = stream = self.part.open("a+b")
        stream.seek(0)
        for line in stream:
            if not line.endswith(b"\n"):
                break
            try:
                # counts of an earlier start are counted again, so the summary is that of all rows
                self._seen(json.loads(line))
            except (ValueError, KeyError, TypeError):
                break
            whole, lines = whole + len(line), lines + 1
        # what a kill left behind the last whole line would join the next one
        stream.truncate(whole)
        stream.seek(whole)
        return lines

    def holds(self, chunk: Chunk) -> bool:
        """See `Ledger`. What is done does not come again."""
        return False

    def pack(self, chunk: Chunk, records: Sequence[R | FailedPost]) -> tuple[bytes, list[Mapping[str, Any]]]:
        """See `Ledger`. A record that cannot be written costs its row only."""
        objects: list[Mapping[str, Any]] = []
        lines: list[str] = []
        for i, record in enumerate(records):
            try:
                made = self._record(record)
                line = json.dumps(made, ensure_ascii=False)
            except (ValueError, TypeError, RecursionError) as error:
                row = chunk.rows[i]
                made = self._record(failed_post(chunk.first_row + i, row.id, "could not be written", error))
                line = json.dumps(made, ensure_ascii=False)
            objects.append(made)
            lines.append(line + "\n")
        return "".join(lines).encode("utf-8", "backslashreplace"), objects

    def enter(self, chunk: Chunk, packed: tuple[bytes, list[Mapping[str, Any]]] | None) -> None:
        """See `Ledger`."""
        assert packed is not None, "Lines holds no chunk"
        assert self._stream is not None, "start comes first"
        text, objects = packed
        with writing(self.out.parent):
            self._stream.write(text)
            # to the system, not to the disk: a kill loses nothing, and a cut of power little
            self._stream.flush()
        for made in objects:
            self._seen(made)

    def kept(self) -> str:
        """See `Ledger`."""
        return f"they are kept in {self.part}"

    def finish(self) -> None:
        """Puts the file in its place."""
        self.close()
        take_place(self.part, self.out)

    def close(self) -> None:
        """Closes the part; it stays for the next start."""
        if self._stream is not None:
            with writing(self.out.parent):
                self._stream.close()
            self._stream = None

    def _remove_other_parts(self) -> None:
        """Removes what is left of runs into the same file over other posts or by other steps."""
        # the whole name, key and all: NAME may itself be a prefix of another file's name
        left = re.compile(rf"{re.escape(f'.{self.out.name}.')}[0-9a-f]{{16}}\.part")
        for other in self.out.parent.iterdir():
            if other != self.part and left.fullmatch(other.name):
                other.unlink()


class Through(Generic[R]):
    """Keeps nothing; records go straight into sinks, in order.

    Arguments:
        feed: The sinks.
        line: A record as one line of JSON.
        where: Where what the step was answered is kept,
            for the sentence that an interrupted run ends with.
    """

    def __init__(self, feed: Feed[R], *, line: Callable[[R], str], where: str) -> None:
        self._feed, self._line, self._where = feed, line, where

    def start(self) -> int:
        """See `Ledger`."""
        return 0

    def holds(self, chunk: Chunk) -> bool:
        """See `Ledger`."""
        return False

    def pack(self, chunk: Chunk, records: Sequence[R | FailedPost]) -> list[Record[R]]:
        """See `Ledger`. A record that cannot be written costs its row only."""
        packed: list[Record[R]] = []
        for i, record in enumerate(records):
            if isinstance(record, FailedPost):
                packed.append(Record.of_failed(record))
                continue
            try:
                packed.append(Record.of(record, self._line(record)))
            except (ValueError, TypeError, RecursionError) as error:
                row = chunk.rows[i]
                failed = failed_post(chunk.first_row + i, row.id, "could not be written", error)
                packed.append(Record.of_failed(failed))
        return packed

    def enter(self, chunk: Chunk, packed: list[Record[R]] | None) -> None:
        """See `Ledger`."""
        for record in packed or ():
            self._feed.add(record)

    def kept(self) -> str:
        """See `Ledger`."""
        return self._where
