"""Freed memory kept by the process: training takes and gives back the same
large blocks at every step; or given back to the system, where a thread keeps what it will not need.

glibc asks the kernel for every block above a threshold and gives it back at once; each time the
kernel fills it with zeros again, which is a good part of the time where small networks train on
cached features.
"""

import ctypes
import sys

__all__ = ["keep_freed_memory", "release_freed_memory"]

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# the largest that glibc takes; with none at all, holes between blocks grew to gigabytes
_LARGEST_KEPT = 32 * 2**20
_MOST_KEPT = 2**30


def keep_freed_memory() -> bool:
    """Lets malloc keep freed blocks for the next step; for processes that train, not for those that
    read a stream of posts.

    Returns:
        Whether the C library took both settings; False where it is not glibc, which changes nothing
        but speed.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)) and bool(mallopt(_M_TRIM_THRESHOLD, _MOST_KEPT))


def release_freed_memory() -> bool:
    """Gives the memory that malloc holds for nothing back to the system, of all threads; takes
    milliseconds.

    glibc keeps freed blocks for each thread apart: eight threads that decoded one large picture after
    the other held 2.7 GiB, all of it free.

    Returns:
        Whether any was given back; False where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return False
    return bool(trim(0))
