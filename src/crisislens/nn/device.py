"""Where mathematics runs: one place that tells torch how many threads to use."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from crisislens.core.threads import limit_threads

__all__ = ["one_thread_each", "set_threads"]


def set_threads(count: int | None = None) -> int:
    """Sets torch's threads within one operation to `count` (None: the available cores) and returns
    it.
    """
    count = limit_threads(count)
    torch.set_num_threads(count)
    return count


@contextmanager
def one_thread_each() -> Iterator[int]:
    """One thread within an operation, for work that is spread over threads of its own; gives how
    many those may be.

    The sums of a matrix product are then made in one order, whatever the batch size and the number
    of cores, so results are equal bit for bit; and small products, which is what a post needs, are
    not worth splitting: two threads side by side do more than two on one product.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
