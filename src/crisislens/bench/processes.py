"""Processes that share the work of a benchmark: what goes wrong ends all of them, and the next start
goes on from what is kept.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

from crisislens.core.allocator import keep_freed_memory
from crisislens.core.errors import ModelError

__all__ = ["say_up", "share"]

_LISTEN = 0.5
# of a process that shares the work
_lines: "SimpleQueue[str] | None" = None


Done = TypeVar("Done")


def share(
    work: Callable[..., Done],
    tasks: Sequence[tuple[object, ...]],
    *,
    jobs: int,
    say: Callable[[str], None],
    done: Callable[[Done], None],
) -> None:
    """Lets processes work on tasks, each with one thread.

    Arguments:
        work: A function of a module; it may speak through `say_up`.
        tasks: Its arguments, task by task.
        jobs: Processes at most.
        say: Told what the processes say.
        done: Given what each task came to.

    Raises:
        ModelError: If a process was killed.
        CrisisLensError: What a task raised.
    """
    # not fork: torch's threads do not survive it
    context = multiprocessing.get_context("spawn")
    lines = context.SimpleQueue()

    def listen() -> None:
        while not lines.empty():
            say(lines.get())

    pool = ProcessPoolExecutor(
        min(jobs, len(tasks)), mp_context=context, initializer=_start, initargs=(lines,)
    )
    try:
        waiting = {pool.submit(work, *task) for task in tasks}
        while waiting:
            finished, waiting = wait(waiting, timeout=_LISTEN, return_when=FIRST_COMPLETED)
            listen()
            for future in finished:
                done(future.result())
    except BaseException as error:
        # a pool that is shut down lets its processes finish what they do, which may be half an hour
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(cancel_futures=True)
        listen()
        if isinstance(error, BrokenProcessPool):
            raise ModelError(
                "a process of the grid was killed (too little memory?); start it again with fewer --jobs"
            ) from error
        raise
    pool.shutdown()


def say_up(line: str) -> None:
    """Says a line to whoever started this process."""
    assert _lines is not None
    _lines.put(line)


def _start(lines: "SimpleQueue[str]") -> None:
    """Of each process: one thread, where what it says goes, and an end when the parent's comes."""
    global _lines
    from crisislens.nn.device import set_threads

    # a process is told once, at its start: a queue cannot travel with each task
    _lines = lines
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    set_threads(1)
    keep_freed_memory()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        # not sys.exit, which would end this thread only
        os._exit(1)
