"""Executors: where chunks are worked on. All of them give results in the order of the jobs, and
read at most a few jobs ahead, so that memory does not grow with the source.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, TypeVar, runtime_checkable

from crisislens.core.threads import available_cores

__all__ = ["Executor", "Here", "Threads"]

J = TypeVar("J")
P = TypeVar("P")


@runtime_checkable
class Executor(Protocol):
    """Runs jobs."""

    def ordered(self, jobs: Iterable[J], work: Callable[[J], P]) -> Generator[tuple[J, P], None, None]:
        """Works on jobs and yields each with its result, in their order.

        Arguments:
            jobs: Read in the caller's thread, a few ahead.
            work: What is done to each; it may be called from several threads at once.
        """
        ...


class Here:
    """One job after the other in the caller's thread."""

    def ordered(self, jobs: Iterable[J], work: Callable[[J], P]) -> Generator[tuple[J, P], None, None]:
        """See `Executor`."""
        for job in jobs:
            yield job, work(job)


class Threads:
    """Several jobs at a time, each in a thread of its own.

    Arguments:
        workers: Jobs in work at a time; None takes what `each` gives.
        each: Entered for the time of the run; gives how many threads there may be.
            `nn.device.one_thread_each` makes torch use one thread within an operation, so that
            results do not depend on their number.
        ahead: Jobs that may be started beyond the one whose result is awaited; None takes the
            workers.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        each: Callable[[], AbstractContextManager[int]] = lambda: nullcontext(available_cores()),
        ahead: int | None = None,
    ) -> None:
        self.workers, self.each, self.ahead = workers, each, ahead

    def ordered(self, jobs: Iterable[J], work: Callable[[J], P]) -> Generator[tuple[J, P], None, None]:
        """See `Executor`. An interrupted run does not wait for the jobs in work."""
        with self.each() as threads:
            workers = self.workers or threads
            ahead = self.ahead or workers
            pool = ThreadPoolExecutor(workers, thread_name_prefix="chunk")
            waiting: deque[tuple[J, Future[P]]] = deque()
            try:
                for job in jobs:
                    waiting.append((job, pool.submit(work, job)))
                    # the queue bounds memory: the pool itself takes any number of jobs at once
                    while len(waiting) > ahead:
                        done, future = waiting.popleft()
                        yield done, future.result()
                while waiting:
                    done, future = waiting.popleft()
                    yield done, future.result()
            except BaseException as error:
                # Ctrl+C must not wait for a model that is in the middle of a chunk; an error may
                pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
                raise
            pool.shutdown()
