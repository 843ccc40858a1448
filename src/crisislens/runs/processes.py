"""Hosts in processes of this machine, over pipes.

A process that dies (killed, out of memory) is started anew, and its call is made once more. If that
one dies too, the call failed (`HostEndedError`); after `_DEATHS` deaths without an answer in between, the
fault is the machine's and the run ends with what is finished.
"""

import multiprocessing
import os
import pickle
import signal
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from crisislens.core.errors import RunError
from crisislens.core.threads import limit_threads
from crisislens.runs.hosts import Answer, HostEndedError, Recipe, answered, opened, portable

__all__ = ["Processes"]

_POLL_S = 0.5
_DEATHS = 4


class Processes:
    """Processes that hold one object each. Use it as a context.

    Arguments:
        recipe: Makes the object; runs in the process.
        count: How many processes.
    """

    def __init__(self, recipe: Recipe, count: int) -> None:
        self.size = count
        self._recipe = recipe
        self._free: SimpleQueue[_Process | None] = SimpleQueue()
        self._all: set[_Process] = set()
        self._lock = threading.Lock()
        self._deaths = 0
        self._over = False

    def __enter__(self) -> "Processes":
        """Starts them side by side; each loads while the others do.

        Raises:
            RunError: If the object cannot be made, with the reason.
        """
        try:
            for process in [self._started() for _ in range(self.size)]:
                process.wait_ready()
                self._free.put(process)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def pids(self) -> tuple[int, ...]:
        """The numbers of the processes."""
        with self._lock:
            return tuple(process.pid for process in self._all)

    def end(self) -> None:
        """Ends them, whatever they do. Calls that wait raise `RunError`."""
        with self._lock:
            self._over = True
            processes = list(self._all)
            self._all.clear()
        for process in processes:
            process.end()

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """See `runs.hosts.Hosts`."""
        process = self._next()
        try:
            for _ in range(2):
                if process is None:
                    process = self._started()
                    process.wait_ready()
                answer = process.ask((method, arguments, named))
                if answer is not None:
                    self._deaths = 0
                    return opened(answer)
                self._bury(process)
                process = None
        finally:
            # None where it died: the next call starts one
            self._free.put(process)
        raise HostEndedError("the process that worked on it ended twice; was it out of memory?")

    def _next(self) -> "_Process | None":
        while True:
            # the queue is not woken by `end`, so it is looked at now and then
            with suppress(Empty):
                return self._free.get(timeout=_POLL_S)
            if self._over:
                raise RunError("the processes were stopped")

    def _started(self) -> "_Process":
        with self._lock:
            if self._over:
                raise RunError("the processes were stopped")
            process = _Process(self._recipe)
            self._all.add(process)
        return process

    def _bury(self, process: "_Process") -> None:
        with self._lock:
            self._all.discard(process)
            over, self._deaths = self._over, self._deaths + 1
            deaths = self._deaths
        process.end()
        if over:
            raise RunError("the processes were stopped")
        if deaths >= _DEATHS:
            raise RunError(
                f"worker processes keep ending ({deaths} times without an answer); is there enough memory? "
                "give fewer --processes"
            )


class _Process:
    """One process and the pipe to it. `spawn`, because torch's threads do not survive a fork."""

    def __init__(self, recipe: Recipe) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, recipe), name="host", daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid or 0

    def wait_ready(self) -> None:
        """Waits until the object is made.

        Raises:
            RunError: If the process ended before it was.
            Exception: What the recipe raised.
        """
        answer = self._answer()
        if answer is None:
            raise RunError("a worker process ended while it loaded the models; is there enough memory?")
        opened(answer)

    def ask(self, request: tuple[str, tuple[Any, ...], dict[str, Any]]) -> Answer | None:
        """The answer to a call; None where the process has ended."""
        try:
            _send(self._pipe, request)
        except OSError:
            return None
        return self._answer()

    def _answer(self) -> Answer | None:
        try:
            while not self._pipe.poll(_POLL_S):
                # looked at again: it may have answered and ended since
                if not self._process.is_alive() and not self._pipe.poll(0):
                    return None
            answer: Answer = _receive(self._pipe)
        except (EOFError, OSError):
            return None
        return answer

    def end(self) -> None:
        """Ends the process now; it holds nothing that is not kept elsewhere."""
        self._process.kill()
        self._process.join(timeout=10)
        with suppress(OSError):
            self._pipe.close()


def _serve(pipe: Connection, recipe: Recipe) -> None:
    """The process: makes the object, says so, and answers until the pipe ends."""
    # Ctrl+C in a terminal goes to all processes of it; this one is ended by its parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # for libraries that are not told otherwise; torch is told by the recipes that load it
    limit_threads(1)
    parent = os.getppid()
    try:
        held = recipe()
    except Exception as error:
        _send(pipe, ("raised", portable(error)))
        return
    with suppress(EOFError, OSError):
        _send(pipe, ("done", None))
        while True:
            while not pipe.poll(_POLL_S):
                # a parent that was killed closes no pipe of children that were started later
                if os.getppid() != parent:
                    return
            method, arguments, named = _receive(pipe)
            _send(pipe, answered(held, method, arguments, named))


def _send(pipe: Connection, value: object) -> None:
    # not `pipe.send`: torch would pass tensors as shared memory, which is gone with the process
    pipe.send_bytes(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))


def _receive(pipe: Connection) -> Any:
    # the two ends are one program, and nobody else has the pipe
    return pickle.loads(pipe.recv_bytes())  # noqa: S301
