"""An empty store of SQLite that is made once a process: to copy it is quicker than to make one."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from crisislens.store import open_store

__all__ = ["new_file"]


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    # kept by the cache, and so until the process ends
    folder = tempfile.TemporaryDirectory(prefix="empty-store-")
    open_store(f"{folder.name}/empty.db").close()
    return folder


def new_file(file: Path) -> Path:
    """Puts an empty store there, unless something is there; gives the path back."""
    if not file.exists():
        shutil.copy(f"{_folder().name}/empty.db", file)
    return file
