"""What one visitor may cost: sizes, counts and calls a second. Every bound has a sentence and, where waiting
helps, the seconds to wait.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from crisislens.serve.problems import ProblemError

__all__ = ["Bucket", "Limits", "RateLimiter"]

_MOST_KEPT: Final = 10_000


@dataclass(frozen=True)
class Limits:
    """The bounds of a service.

    Attributes:
        body_bytes: The largest body of a request.
        text_characters: The longest text of a post.
        photo_bytes: The largest photo.
        photo_pixels: Width times height of a photo, as its header claims them.
        photos: Photos a post.
        posts: Posts a call.
        calls_s: Calls a second of one key, user or, without either, address; short bursts may be ten times
            that.
        sign_ins_min: Attempts to sign in per minute, of one address and of one name.
        streams: Open streams of events.
        page: Rows a page.
        wait_s: The longest that `?wait=` may block, in seconds.
        stream_s: How long a stream of events stays open, in seconds.
    """

    body_bytes: int = 20_000_000
    text_characters: int = 10_000
    photo_bytes: int = 10_000_000
    photo_pixels: int = 40_000_000
    photos: int = 4
    posts: int = 500
    calls_s: float = 60.0
    sign_ins_min: float = 10.0
    streams: int = 200
    page: int = 200
    wait_s: float = 30.0
    stream_s: float = 600.0


@dataclass
class Bucket:
    """Tokens of one visitor: how many are left, and when they were counted, in seconds."""

    tokens: float
    at: float


class RateLimiter:
    """A token bucket a visitor; the 10,000 latest are remembered.

    >>> limiter = RateLimiter(rate_s=1.0, burst=2, clock=lambda: 0.0)
    >>> [limiter.wait_s("a") for _ in range(3)]
    [0.0, 0.0, 1.0]

    Arguments:
        rate_s: Tokens a second.
        burst: Tokens that a full bucket holds.
        clock: Seconds that never go back.
    """

    def __init__(self, rate_s: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_s, self._burst, self._clock = rate_s, max(1.0, burst), clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, visitor: str) -> float:
        """Takes a token: 0 where there was one, else the seconds until there is one."""
        now = self._clock()
        with self._lock:
            bucket = self._buckets.pop(visitor, None) or Bucket(self._burst, now)
            bucket.tokens = min(self._burst, bucket.tokens + (now - bucket.at) * self._rate_s)
            bucket.at = now
            self._buckets[visitor] = bucket
            if len(self._buckets) > _MOST_KEPT:
                self._buckets.popitem(last=False)
            if bucket.tokens >= 1:
                bucket.tokens -= 1
                return 0.0
            return (1 - bucket.tokens) / self._rate_s

    def check(self, visitor: str, what: str) -> None:
        """Takes a token.

        Raises:
            ProblemError: 429 with `Retry-After` where there is none.
        """
        wait_s = self.wait_s(visitor)
        if wait_s > 0:
            seconds = str(math.ceil(wait_s))
            raise ProblemError(429, f"too many {what}; try again in {seconds} s", {"Retry-After": seconds})
