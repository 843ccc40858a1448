"""Where a command writes: apart from what it reads, and where a file can be."""

from collections.abc import Mapping
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.files import check_folder

__all__ = ["check_out", "keep_apart"]


def check_out(out: Path) -> None:
    """Refuses a place where no file can be, before the work that would be lost to it.

    Arguments:
        out: What `--out` says.

    Raises:
        InputError: If it is a folder, or its folder cannot be made or written.
    """
    if out.is_dir():
        raise InputError(f"--out {out} is a folder, and a file is written; give the name of a file")
    check_folder(out.parent, "--out")


def keep_apart(out: Path, read: Mapping[str, object]) -> None:
    """Refuses to write over what is read: people correct such files by hand.

    Arguments:
        out: What `--out` says.
        read: From what a file is to its path; what is no path, such as an option that is not set, is
            passed over.

    Raises:
        InputError: If they are one file.
    """
    for what, path in read.items():
        if isinstance(path, str | Path) and out.resolve() == Path(path).resolve():
            raise InputError(
                f"--out {out} is the file of {what}; name another, or what is in it would be lost"
            )
