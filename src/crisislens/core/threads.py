"""Threads, set once and in one place: torch, the tokenizers and BLAS would each start their own."""

import os

__all__ = ["available_cores", "limit_threads"]


def available_cores() -> int:
    """The number of processors that this process may use (its affinity mask, not the machine's
    count); at least 1.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(count: int | None = None) -> int:
    """Sets the thread counts of the tokenizers and BLAS for libraries that are not loaded yet;
    returns the count used.

    torch is told by `nn.device.set_threads`, which lives where torch may be imported.

    Arguments:
        count: Threads per library; None takes the available cores.
    """
    count = count or available_cores()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        # what the user has set stays
        os.environ.setdefault(name, str(count))
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # threads that spin at a barrier while others hold the cores made
    # encoding five times slower here
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return count
