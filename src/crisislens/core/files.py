"""Atomic files: a reader sees the old content or the new, never half of one, whenever the writer is
killed; and one writer a folder.
"""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from crisislens.core.errors import InputError

__all__ = ["FULL_DISK", "LOCK", "atomic_write", "check_folder", "full_disk", "sole_writer"]

LOCK = ".crisislens.lock"
"""The file that a folder holds while a run writes into it."""
# a quota that is used up looks to a user like a full disk, and is mended in the same way
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of a system's error that say that a disk is full."""


def full_disk(where: Path | str, error: Exception) -> str:
    """What is said where a disk is full.

    Arguments:
        where: The folder or file that was written; empty where the system did not name it.
        error: The fault.
    """
    reason = getattr(error, "strerror", None) or error
    if not where:
        # what it was nobody knows, so nothing is promised of it
        return f"the disk is full ({reason}): make room and start the same command again"
    return (
        f"the disk that holds {where} is full ({reason}); what is finished is kept: make room and start the "
        f"same command again"
    )


def check_folder(folder: Path, option: str) -> None:
    """Refuses a folder that could not be made or written, before hours of work are lost to it. Nothing is
    made.

    Arguments:
        folder: The folder; it need not be there.
        option: What the user named it or a folder above it with, as `--out`.

    Raises:
        InputError: If a file stands in its way, or nothing may be written there.
    """
    there = next(step for step in (folder, *folder.absolute().parents) if step.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file, and a folder is needed; give another {option}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"nothing may be written into {there}; give another {option}")


@contextmanager
def sole_writer(folder: Path, *, lock: str = LOCK, busy: str = "") -> Iterator[None]:
    """Holds a folder, made if it is not there, against other runs; the system lets go of it when
    the process is killed.

    Arguments:
        folder: The folder.
        lock: The name of the file in it that is held;
            runs that hold different ones may write side by side.
        busy: What is said where another run holds it; by default a sentence about the folder.

    Raises:
        InputError: If another run holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # at once or not at all: a second run that waits looks to its user like one that hangs
        held = FileLock(folder / lock, timeout=0)
        held.acquire()
    except Timeout:
        raise InputError(
            busy or f"another run is writing into {folder}; wait until it is done, or give another --out"
        ) from None
    except FileExistsError:
        raise InputError(
            f"{folder} is a file, and a folder is needed for the output; give another --out"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write into {folder} ({error.strerror or error}); give another --out"
        ) from error
    try:
        yield
    finally:
        if os.name == "posix":
            # elsewhere an open file cannot be removed, and filelock removes it itself
            with suppress(OSError):
                (folder / lock).unlink()
        held.release()


def atomic_write(path: Path, content: str | bytes) -> None:
    """Writes a file beside its place, flushes it to disk and renames it; makes missing parent
    folders. Text is UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    # in the same folder: a rename is atomic within one file system only
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101 - mkstemp makes 0600, which would hide a report from a colleague
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
