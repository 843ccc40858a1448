"""News from the store to everybody who listens: one watcher a process, however many streams are open.

The watcher learns of commits of this process at once and looks every 250 ms as well, since on PostgreSQL
other processes write too. Listeners are only woken; each reads the outbox itself, from its own place, so that
a slow one misses nothing and costs nobody else anything.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from starlette.concurrency import run_in_threadpool

from crisislens.core.errors import CrisisLensError
from crisislens.serve.problems import ProblemError
from crisislens.store.events import Events

__all__ = ["News"]

_POLL_S: Final = 0.25


class News:
    """Tells that there may be new events.

    Arguments:
        events: The outbox.
        most: How many may listen at once.
    """

    def __init__(self, events: Events, *, most: int) -> None:
        self.events, self.most, self.listeners = events, most, 0
        self.ended = False
        self._fresh: asyncio.Event = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop: Callable[[], None] | None = None
        self._last = 0

    def start(self) -> None:
        """Begins to watch; called in the loop that serves."""
        loop = asyncio.get_running_loop()
        self._fresh = asyncio.Event()

        def tell() -> None:
            # a commit of the last second may come after the loop has ended
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake)

        self._stop = self.events.on_change(tell)
        self._task = loop.create_task(self._watch())

    def end(self) -> None:
        """Wakes everybody for the last time, so that open streams end."""
        self.ended = True
        self._wake()

    async def stop(self) -> None:
        """Ends watching."""
        self.end()
        if self._stop is not None:
            self._stop()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def mark(self) -> asyncio.Event:
        """What the next news will set. Take it before reading the outbox, so that none falls between."""
        return self._fresh

    async def changed(self, mark: asyncio.Event, timeout_s: float) -> bool:
        """Waits for news after a mark; False where the time ran out."""
        try:
            await asyncio.wait_for(mark.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    @property
    def full(self) -> bool:
        """Whether as many listen as may."""
        return self.listeners >= self.most

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Counts one listener.

        Raises:
            ProblemError: 429 where there are too many.
        """
        if self.full:
            raise ProblemError(
                429, f"{self.most} listeners are all that are served at once", {"Retry-After": "10"}
            )
        self.listeners += 1
        try:
            yield
        finally:
            self.listeners -= 1

    def _wake(self) -> None:
        # those who wait hold the old one, which is set for good; who comes later waits for the next
        before, self._fresh = self._fresh, asyncio.Event()
        before.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_POLL_S)
            if not self.listeners:
                continue
            # a store that cannot be read now is asked again
            with suppress(CrisisLensError):
                last = await run_in_threadpool(self.events.last)
                if last != self._last:
                    self._last = last
                    self._wake()
