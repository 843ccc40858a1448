"""The engine: the only loop over posts. It cuts a source into chunks, skips those that the ledger
holds, has the others worked on by the executor, and enters them in the order of the source.

Chunks are cut by what the source holds (`cutting`), so a post stands in the same chunk after a
restart. Nothing is lost by a kill but the chunks in work. `step` says what one bad post costs,
`ledger` what is kept.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.cutting import CHUNK_LETTERS, chunks
from crisislens.runs.executor import Executor
from crisislens.runs.ledger import Ledger
from crisislens.runs.step import Chunk, Step, answers

__all__ = ["Progress", "RunCount", "known_total", "run_step"]

R = TypeVar("R")
P = TypeVar("P")

Progress = Callable[[int, int | None], None]
"""Told the rows that are done and all rows, None where nobody knows."""


@dataclass(frozen=True)
class RunCount:
    """What went through a run.

    Attributes:
        rows: Rows of the source.
        resumed: How many of them an earlier start had finished.
    """

    rows: int
    resumed: int


def run_step(
    source: Iterable[Post | FailedPost],
    step: Step[R],
    ledger: Ledger[R, P],
    *,
    executor: Executor,
    chunk_posts: int,
    chunk_letters: int | None = CHUNK_LETTERS,
    progress: Progress | None = None,
    total: int | None = None,
) -> RunCount:
    """Runs a step over every post of a source.

    Arguments:
        source: The posts; read once, front to back, never held whole.
        step: What is done to them.
        ledger: What is done already, and where the rest goes.
        executor: Where the chunks are worked on.
        chunk_posts: Rows a chunk, at most.
        chunk_letters: Letters that end one sooner; None only for a ledger whose chunks have a place
            by their count.
        progress: Called after each chunk.
        total: All rows; None asks the source, see `known_total`.

    Raises:
        CrisisLensError: A fault of the machine, as are MemoryError and OSError;
            what is finished stays.
        KeyboardInterrupt: As it came, with a note on what is kept.
    """
    total = known_total(source) if total is None else total
    stopped = threading.Event()

    def work(chunk: Chunk) -> P | None:
        # asked in the worker, not by the reader: a chunk is checked by reading all of its file
        if ledger.holds(chunk):
            return None
        records = answers(step, chunk)
        if stopped.is_set():
            # the run is over and its threads may be set otherwise by now: such a chunk is not kept
            return None
        return ledger.pack(chunk, records)

    rows = resumed = ledger.start()
    cut = _rest(source, chunk_posts, chunk_letters, skip=rows)
    try:
        # closed at once on an error: a generator left to the garbage collector keeps its threads
        with closing(executor.ordered(cut, work)) as done:
            for chunk, packed in done:
                ledger.enter(chunk, packed)
                rows += len(chunk.rows)
                resumed += len(chunk.rows) if packed is None else 0
                if progress is not None:
                    progress(rows, total)
    except KeyboardInterrupt as stop:
        of = "" if total is None else f" of {total}"
        stop.add_note(f"{rows}{of} rows are done; {ledger.kept()}")
        raise
    finally:
        stopped.set()
    return RunCount(rows, resumed)


def known_total(source: object) -> int | None:
    """How many rows a source has, where it can tell without reading them."""
    return len(source) if isinstance(source, Sized) else None


def _rest(
    source: Iterable[Post | FailedPost], most_rows: int, letters: int | None, *, skip: int
) -> Iterator[Chunk]:
    rows = iter(source)
    # the rows that are done are read again, which costs next to nothing
    # beside what is done to the others
    skipped = sum(1 for _ in islice(rows, skip))
    yield from chunks(rows, most_rows=most_rows, letters=letters, first_row=skipped)
