"""A thread that listens, and a short queue between it and whoever takes what it hears.

The queue is bounded: where the service is full, nobody takes from it, the thread waits, the socket's
buffers fill, and the sender is held. Memory stays flat whatever the sender does.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Generic, TypeVar

__all__ = ["Listener"]

T = TypeVar("T")
_WAITING = 1_000


class Listener(Generic[T]):
    """Runs an iterator in a thread.

    Arguments:
        listen: Makes the iterator; called in the thread.
        most: How many items wait at most.
    """

    def __init__(self, listen: Callable[[], Iterator[T]], *, most: int = _WAITING) -> None:
        self._items: queue.Queue[tuple[bool, Any]] = queue.Queue(most)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listen,), daemon=True)
        self._thread.start()

    def _run(self, listen: Callable[[], Iterator[T]]) -> None:
        try:
            for item in listen():
                if not self._put((True, item)):
                    return
            self._put((False, EOFError("the sender ended")))
        except Exception as error:
            self._put((False, error))

    def _put(self, item: tuple[bool, Any]) -> bool:
        """Waits until there is room; False when nobody wants it any more."""
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._items.put(item, timeout=0.5)
                return True
        return False

    def get(self, timeout_s: float) -> T | None:
        """The next item; None where none came in time.

        Raises:
            Exception: What ended the iterator; EOFError where it simply ended.
        """
        try:
            good, item = self._items.get(timeout=max(0.001, timeout_s))
        except queue.Empty:
            return None
        if not good:
            raise item
        found: T = item
        return found

    def some(self, most: int, *, wait_s: float, linger_s: float = 0.05) -> Iterator[T]:
        """Items that are there, at most so many; waits for the first, and a moment for each after it.

        Raises:
            Exception: As `get`; items that came before it are given first.
        """
        ends = time.monotonic() + wait_s
        for _ in range(most):
            left = ends - time.monotonic()
            item = self.get(left)
            if item is None:
                return
            yield item
            ends = min(ends, time.monotonic() + linger_s) if left > linger_s else ends

    def close(self) -> None:
        """Lets the thread end when it next has something to say."""
        self._closed.set()
