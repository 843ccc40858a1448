"""Where mathematics runs: one place that tells torch how many threads to use."""

import torch

from crisislens.core.threads import limit_threads

__all__ = ["set_threads"]


def set_threads(count: int | None = None) -> int:
    """Sets torch's threads within one operation to `count` (None: the available cores) and returns it."""
    count = limit_threads(count)
    torch.set_num_threads(count)
    return count
