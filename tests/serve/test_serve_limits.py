"""Rates: bursts are let through, floods are not, and waiting helps as long as was said."""

import pytest

from crisislens.serve.limits import RateLimiter
from crisislens.serve.problems import ProblemError


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate_holds() -> None:
    clock = Clock()
    limiter = RateLimiter(rate_s=2.0, burst=5, clock=clock)
    assert [limiter.wait_s("a") for _ in range(5)] == [0.0] * 5
    assert limiter.wait_s("a") == pytest.approx(0.5)
    clock.now = 0.5
    assert limiter.wait_s("a") == 0.0
    assert limiter.wait_s("a") > 0


def test_visitors_do_not_share_a_bucket() -> None:
    limiter = RateLimiter(rate_s=1.0, burst=1, clock=Clock())
    assert limiter.wait_s("a") == 0.0
    assert limiter.wait_s("b") == 0.0
    assert limiter.wait_s("a") > 0


def test_waiting_as_long_as_was_said_is_enough() -> None:
    clock = Clock()
    limiter = RateLimiter(rate_s=0.25, burst=1, clock=clock)
    limiter.check("a", "calls")
    with pytest.raises(ProblemError) as refused:
        limiter.check("a", "calls")
    assert refused.value.status_code == 429
    assert refused.value.headers is not None
    clock.now += float(refused.value.headers["Retry-After"])
    limiter.check("a", "calls")


def test_a_full_bucket_does_not_grow() -> None:
    clock = Clock()
    limiter = RateLimiter(rate_s=10.0, burst=3, clock=clock)
    limiter.check("a", "calls")
    clock.now = 1e6
    assert [limiter.wait_s("a") == 0.0 for _ in range(4)] == [True, True, True, False]
