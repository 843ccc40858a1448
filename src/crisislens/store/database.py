"""The database behind the store: connections that read, and one thread that writes.

Every change is a job: a function that gets a `Transaction`. The writer takes all jobs that wait, runs each
behind a savepoint, and commits once; so 64 clients cost one flush of the disk, not 64, and a job that fails
costs nobody else anything. A caller hears of its job when it is on disk.

A job may run more than once (on PostgreSQL, after a deadlock), so it changes nothing but the database.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from crisislens.core.errors import InputError, StoreBusyError, StoreError
from crisislens.core.files import sole_writer
from crisislens.store.engines import database_file, engine_for
from crisislens.store.faults import KEPT, again, as_store_error
from crisislens.store.transaction import Gathered, Transaction, write_gathered

__all__ = ["Database", "database_name"]

T = TypeVar("T")
Write = Callable[[Transaction], Any]

_MOST_JOBS = 128
_TRIES = 4


@dataclass(frozen=True)
class _Job:
    run: Write | None
    """None ends the writer."""
    future: "Future[Any]"
    outside: Callable[[Any], Any] | None = None
    """Run instead, with no transaction begun: checkpoints and the like."""


class Database:
    """A database that is open.

    Arguments:
        url: From `engines.parsed_url`.
        write: Whether it may be written; of SQLite one process may.
        readers: Connections that read side by side.

    Raises:
        StoreError: If another process writes this SQLite file.
        MissingExtraError: If a package is missing.
    """

    def __init__(self, url: URL, *, write: bool, readers: int = 8) -> None:
        self.url, self.writable = url, write
        self.file = database_file(url)
        self._held = ExitStack()
        self._listeners: list[Callable[[], None]] = []
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._closed = threading.Lock()
        self._open = True
        if write and self.file is not None:
            self._held.enter_context(_sole_process(self.file))
        try:
            self._reading = engine_for(url, write=False, connections=readers)
            self._writing: Engine | None = engine_for(url, write=True, connections=1) if write else None
        except BaseException:
            self._held.close()
            raise
        self._thread: threading.Thread | None = None
        if write:
            self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
            self._thread.start()

    @property
    def sqlite(self) -> bool:
        """Whether this is SQLite."""
        return self.file is not None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, one snapshot of SQLite for as long as it is held.

        Raises:
            StoreError: If the database cannot be read.
        """
        try:
            with self._reading.connect() as connection:
                yield connection
        except (SQLAlchemyError, UnicodeDecodeError) as error:
            raise as_store_error(error, self.url) from error

    def write(self, job: Callable[[Transaction], T]) -> T:
        """Runs a job and waits until it is on disk.

        Raises:
            StoreError: If it cannot be written; then nothing of it is.
            CrisisLensError: What the job raised.
        """
        return self.write_soon(job).result()

    def write_soon(self, job: Callable[[Transaction], T]) -> "Future[T]":
        """The same without waiting."""
        future: Future[T] = Future()
        self._put(_Job(job, future))
        return future

    def outside(self, work: Callable[[Any], T]) -> T:
        """Has the writer do something that no transaction may hold, such as a checkpoint; it gets the bare
        connection of the driver.
        """
        future: Future[T] = Future()
        self._put(_Job(None, future, work))
        return future.result()

    def on_commit(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Has a function called, in the writer's thread, after each commit that wrote events; returns what
        stops that.
        """
        self._listeners.append(tell)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(tell)

        return stop

    def close(self) -> None:
        """Finishes the writes that wait, and lets go of the file."""
        with self._closed:
            if not self._open:
                return
            self._open = False
        if self._thread is not None:
            self._jobs.put(_Job(None, Future()))
            self._thread.join()
        self._reading.dispose()
        if self._writing is not None:
            self._writing.dispose()
        self._held.close()

    def _put(self, job: _Job) -> None:
        with self._closed:
            if not self._open:
                raise StoreError("the store is closed; open it again")
            if not self.writable:
                raise StoreError("the store was opened for reading only; open it for writing")
            self._jobs.put(job)

    # the writer's thread

    def _work(self) -> None:
        ended = False
        while not ended:
            batch = [self._jobs.get()]
            with suppress(Empty):
                while len(batch) < _MOST_JOBS and batch[-1].run is not None:
                    batch.append(self._jobs.get_nowait())
            last = batch[-1]
            if last.run is None:
                batch.pop()
                ended = last.outside is None
            self._write_all(batch)
            if last.outside is not None:
                self._do_outside(last)

    def _write_all(self, batch: Sequence[_Job]) -> None:
        """One transaction for all, or, where they got in each other's way, one for each."""
        # whoever waits may have given up
        batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
        if not batch:
            return
        try:
            results, wrote = self._transact([job.run for job in batch if job.run is not None])
        except Exception as error:
            for job in batch:
                # one that fails is not to cost the others anything
                self._write_alone(job, error if len(batch) == 1 else None)
            return
        for job, result in zip(batch, results, strict=True):
            _resolve(job.future, result)
        if wrote:
            self._tell()

    def _write_alone(self, job: _Job, failed: Exception | None) -> None:
        assert job.run is not None
        for _ in range(_TRIES):
            if failed is not None and not again(failed):
                break
            try:
                [result], wrote = self._transact([job.run])
            except Exception as error:
                failed = error
                continue
            _resolve(job.future, result)
            if wrote:
                self._tell()
            return
        assert failed is not None
        self._fail(job, failed)

    def _transact(self, jobs: Sequence[Write]) -> tuple[list[Any], bool]:
        """What each job returned or raised, and whether events were written. Raises where all is lost."""
        assert self._writing is not None
        gathered = Gathered()
        results: list[Any] = []
        with self._writing.begin() as connection:
            for job in jobs:
                results.append(_run(connection, job, gathered))
            write_gathered(connection, gathered)
        return results, bool(gathered.events)

    def _do_outside(self, job: _Job) -> None:
        assert self._writing is not None
        assert job.outside is not None
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            raw = self._writing.raw_connection()
            try:
                if not self.sqlite:
                    raw.dbapi_connection.autocommit = True  # type: ignore[union-attr]
                result = job.outside(raw.dbapi_connection)
            finally:
                # SQLite's stays as it is; PostgreSQL's is not used again as if nothing had been set
                raw.close() if self.sqlite else raw.invalidate()
        except Exception as error:
            job.future.set_exception(StoreError(f"the store could not be tended ({error}); try again"))
        else:
            job.future.set_result(result)

    def _fail(self, job: _Job, error: Exception) -> None:
        if isinstance(error, SQLAlchemyError | UnicodeDecodeError):
            error = as_store_error(error, self.url)
        job.future.set_exception(error)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            # a listener's fault is not the store's
            with suppress(Exception):
                listener()


class _Raised:
    """What a job raised, until it is known that the others are on disk."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _run(connection: Connection, job: Write, gathered: Gathered) -> Any:
    """What a job returned, or what it raised, of which nothing is left."""
    transaction = Transaction(connection)
    savepoint = connection.begin_nested()
    try:
        result = job(transaction)
        savepoint.commit()
    except SQLAlchemyError:
        raise
    except Exception as error:
        savepoint.rollback()
        return _Raised(error)
    gathered.add(transaction.gathered)
    return result


def _resolve(future: "Future[Any]", result: Any) -> None:
    if isinstance(result, _Raised):
        future.set_exception(result.error)
    else:
        future.set_result(result)


@contextmanager
def _sole_process(file: Path) -> Iterator[None]:
    """Holds a SQLite store against other writing processes."""
    busy = (
        f"{file} is written by another process (crisislens serve, perhaps); stop it, or use PostgreSQL, "
        "which any number may write"
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(sole_writer(file.parent, lock=f".{file.name}.lock", busy=busy))
        except InputError as error:
            if str(error) == busy:
                raise StoreBusyError(busy) from None
            why = getattr(error.__cause__, "strerror", None) or "something else is there"
            raise StoreError(f"the store {file} cannot be written ({why}); mend that; {KEPT}") from None
        yield


def database_name(connection: Connection) -> str:
    """The database's name and version."""
    if connection.dialect.name == "sqlite":
        return f"sqlite {connection.execute(text('SELECT sqlite_version()')).scalar()}"
    return f"postgresql {connection.execute(text('SHOW server_version')).scalar()}"
