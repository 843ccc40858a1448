"""Posts that a reviewer put off, so that they are not given back at once."""

import time
from collections.abc import Callable
from threading import Lock

__all__ = ["Later"]


class Later:
    """What each person put off in the last half hour; forgotten when the process ends, which only means that
    a post may come back sooner.

    >>> later = Later(keep_s=10, clock=lambda: 0.0)
    >>> later.add(1, 7)
    >>> later.of(1), later.of(2)
    ((7,), ())

    Arguments:
        keep_s: How long, in seconds.
        clock: Seconds that never go back.
    """

    def __init__(self, keep_s: float = 1800.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep_s, self._clock, self._lock = keep_s, clock, Lock()
        self._until: dict[int, dict[int, float]] = {}

    def add(self, user_id: int, post_id: int) -> None:
        """Puts a post off."""
        with self._lock:
            self._until.setdefault(user_id, {})[post_id] = self._clock() + self._keep_s

    def remove(self, user_id: int, post_id: int) -> None:
        """Takes that back."""
        with self._lock:
            self._until.get(user_id, {}).pop(post_id, None)

    def of(self, user_id: int) -> tuple[int, ...]:
        """What a person put off."""
        now = self._clock()
        with self._lock:
            kept = {post: until for post, until in self._until.get(user_id, {}).items() if until > now}
            self._until[user_id] = kept
            return tuple(kept)
