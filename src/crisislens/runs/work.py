"""The folder in which a run keeps what it has not finished:
only what we marked as ours is ever removed.
"""

import re
import shutil
from contextlib import suppress
from pathlib import Path

from crisislens.runs.files import writing

__all__ = ["MARKER", "WorkFolder"]

MARKER = ".crisislens-work"
"""The file that says that a folder is ours."""
_KEY = re.compile(r"[0-9a-f]{16}")
_WORDS = "crisislens keeps unfinished work here and removes it when the run is done\n"


class WorkFolder:
    """A folder with a folder for each run in it, named by the run's fingerprint.

    Arguments:
        path: The folder; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def ours(self) -> bool:
        """Whether we made it."""
        # a link could lead anywhere, and what it leads to would be removed
        return not self.path.is_symlink() and (self.path / MARKER).is_file()

    @property
    def taken(self) -> bool:
        """Whether something stands there that an empty folder of ours is not."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            return True
        return self.path.is_dir() and any(self.path.iterdir())

    def make(self) -> None:
        """Makes and marks it."""
        with writing(self.path.parent):
            self.path.mkdir(parents=True, exist_ok=True)
            # before anything else is in it, so that a kill leaves an empty folder or one of ours
            (self.path / MARKER).write_text(_WORDS, encoding="utf-8")

    def clear(self) -> None:
        """Removes what runs left, then the mark and the folder;
        what somebody else put there stays.
        """
        if not self.ours:
            return
        for run in self.path.iterdir():
            if _KEY.fullmatch(run.name) and run.is_dir() and not run.is_symlink():
                shutil.rmtree(run, ignore_errors=True)
        # last, so that a kill in between leaves a folder that is still known as ours
        (self.path / MARKER).unlink(missing_ok=True)
        with suppress(OSError):
            self.path.rmdir()
