"""Sinks: where records go. A sink eats records in one pass and knows no model; several are fed
together, so that a run is read once however many files are made of it.

A sink is registered under the name that `analyze --also` takes; its file is `assessments.NAME`:

>>> from pathlib import Path
>>> class Ids(FileSink["Assessment"]):
...     def add(self, record):
...         self.write(record.value.post.id + "\\n")
>>> sinks = Registry("sink")
>>> sinks.register("ids")(Ids) is Ids
True

A sink writes beside its place. Only when every sink has eaten every record do the files take their
places. A record that one sink cannot write costs its row there and nothing else;
how many these are is told.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from crisislens.core.registry import Registry
from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.runs.files import part_of, take_place, writing
from crisislens.runs.record import Record, line_of_failed
from crisislens.runs.step import MACHINE_FAULTS

__all__ = ["SINKS", "Feed", "FileSink", "InMemory", "JsonLines", "Record", "Sink", "line_of_failed", "pour"]

R = TypeVar("R")


@runtime_checkable
class Sink(Protocol[R]):
    """Eats records."""

    name: str
    """What it is called when something is said of it, as a file's name."""
    lost: int
    """Records that it could not write."""

    def add(self, record: Record[R]) -> None:
        """Eats a record."""
        ...

    def fail(self, record: Record[R]) -> None:
        """Eats a row without a record, see `Record.failure`."""
        ...

    def commit(self) -> None:
        """All records are there: what was made takes its place."""
        ...

    def discard(self) -> None:
        """It did not come to that: nothing stays of what was made."""
        ...


SinkClass = Callable[[Path], Sink[Assessment]]
SINKS: Registry[SinkClass] = Registry(
    "sink",
    "crisislens.sinks",
    # by name alone: the report stands floors above
    ours={
        "csv": "crisislens.report.tables:CsvSink",
        "parquet": "crisislens.report.tables:ParquetSink",
        "geojson": "crisislens.report.geojson:GeoJsonSink",
    },
)
"""From the name that `analyze --also` takes, which is the suffix of the file, to what makes the
sink of a file.
"""


class FileSink(ABC, Generic[R]):
    """A text file beside its place.

    Arguments:
        path: The file; its folder is made where it is missing.
    """

    encoding: ClassVar[str] = "utf-8"

    def __init__(self, path: Path) -> None:
        self.path, self.part, self.name, self.lost = path, part_of(path), path.name, 0
        # at the start, so that a folder that cannot be made ends the run before it began
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream: IO[str] | None = self.part.open("w", encoding=self.encoding, newline="")

    @property
    def stream(self) -> IO[str]:
        """What is written; line ends stay as they are."""
        assert self._stream is not None, f"{self.name} is closed"
        return self._stream

    def write(self, text: str) -> None:
        """Writes text.

        Raises:
            RunError: If the disk is full.
        """
        with writing(self.path.parent):
            self.stream.write(text)

    @abstractmethod
    def add(self, record: Record[R]) -> None:
        """Eats a record."""

    def fail(self, record: Record[R]) -> None:
        """Failed rows have a file of their own."""

    def finish(self) -> None:
        """Writes what stands at the end."""

    def commit(self) -> None:
        """Puts the file in its place."""
        self.finish()
        self._close()
        take_place(self.part, self.path)

    def discard(self) -> None:
        """Removes what was written."""
        # what cannot be flushed is not wanted either
        with suppress(OSError):
            self._close()
        self.part.unlink(missing_ok=True)

    def _close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with writing(self.path.parent):
                stream.close()


class JsonLines(FileSink[R]):
    """Records as they are, one line each.

    Arguments:
        path: The file.
        failed: Whether it takes the failed rows instead of the records.
    """

    def __init__(self, path: Path, *, failed: bool = False) -> None:
        super().__init__(path)
        self._failed = failed

    def add(self, record: Record[R]) -> None:
        """Writes a record."""
        if not self._failed:
            self.write(record.line + "\n")

    def fail(self, record: Record[R]) -> None:
        """Writes a failed row."""
        if self._failed:
            self.write(record.line + "\n")


class InMemory(Generic[R]):
    """Keeps records in a list, for callers that want them at hand; memory grows with the run."""

    name = "memory"

    def __init__(self) -> None:
        self.lost = 0
        self.records: list[R] = []
        self.failures: list[FailedPost] = []

    def add(self, record: Record[R]) -> None:
        """Keeps a record."""
        self.records.append(record.value)

    def fail(self, record: Record[R]) -> None:
        """Keeps a failed row."""
        self.failures.append(record.failure)

    def commit(self) -> None:
        """Everything is there."""

    def discard(self) -> None:
        """Forgets what was kept."""
        self.records.clear()
        self.failures.clear()


class Feed(Generic[R]):
    """Several sinks that are fed together.

    Arguments:
        sinks: The sinks.
    """

    def __init__(self, sinks: Sequence[Sink[R]]) -> None:
        self.sinks = tuple(sinks)

    def add(self, record: Record[R]) -> None:
        """Gives every sink a record.

        Raises:
            CrisisLensError: A fault that is not the record's, as are MemoryError and OSError.
        """
        for sink in self.sinks:
            try:
                if record.failed:
                    sink.fail(record)
                else:
                    sink.add(record)
            except MACHINE_FAULTS:
                raise
            except Exception:
                sink.lost += 1

    def commit(self) -> dict[str, int]:
        """Everything was eaten; gives how many records which sink could not write."""
        # reached only when every record was eaten: until here all files stand beside their places
        for sink in self.sinks:
            sink.commit()
        return {sink.name: sink.lost for sink in self.sinks if sink.lost}

    def discard(self) -> None:
        """Nothing stays of what was made."""
        for sink in self.sinks:
            sink.discard()


def pour(records: Iterable[Record[R]], sinks: Sequence[Sink[R]]) -> dict[str, int]:
    """Fills sinks in one pass.

    Arguments:
        records: Any number; read once.
        sinks: All get a place in the end, or none.

    Returns:
        How many records could not be written, by the sink's name; without those that wrote all.
    """
    feed = Feed(sinks)
    try:
        for record in records:
            feed.add(record)
        return feed.commit()
    # also for Ctrl+C, which is no Exception
    except BaseException:
        feed.discard()
        raise
