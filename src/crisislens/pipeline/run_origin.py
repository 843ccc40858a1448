"""Of which file of posts the run in an output folder is.

`.crisislens-run` names the file and, without telling it, where it lies as seen from the folder. A folder that
holds what was made of another file is refused, finished or not, unless the caller says that it may go: two
days' posts with one output folder, which is the default, would leave the second day alone. A file that grew
is the same file; so is one with the same content, wherever it lies; and both may move together.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.data.source import PostSource

__all__ = ["RUN_FILE", "RunOrigin"]

RUN_FILE = ".crisislens-run"


@dataclass(frozen=True)
class RunOrigin:
    """Of which file of posts a folder's run is.

    Attributes:
        posts: Its name.
        place: A fingerprint of where it lies as seen from the folder, so that both may move together; empty
            where nobody knows.
        content: The fingerprint of the posts; empty where nobody knows.
    """

    posts: str
    place: str
    content: str

    @classmethod
    def of(cls, folder: Path, source: PostSource, origin: Path | None) -> "RunOrigin":
        """Of a run that is to be made.

        Arguments:
            folder: Where its output goes.
            source: The posts.
            origin: The file that they are in, where the caller knows.
        """
        posts = str(source.describe().get("file", ""))
        place = fingerprint(_seen_from(folder, origin)) if origin is not None else ""
        return cls(posts, place, source.fingerprint())

    @classmethod
    def read(cls, folder: Path) -> "RunOrigin | None":
        """Those of a folder; None where nothing is there, or a run from before folders said so."""
        try:
            told = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
            return cls(str(told["posts"]), str(told.get("place", "")), str(told.get("content", "")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def write(self, folder: Path) -> None:
        """Leaves them in the folder."""
        told = {"posts": self.posts, "place": self.place, "content": self.content}
        atomic_write(folder / RUN_FILE, json.dumps(told, ensure_ascii=False) + "\n")

    def differs(self, there: "RunOrigin") -> bool:
        """Whether another file is meant. A file that grew is the same file."""
        if self.posts == there.posts and self.content and self.content == there.content:
            return False
        elsewhere = bool(self.place and there.place) and self.place != there.place
        return self.posts != there.posts or elsewhere

    def refuse_another(self, folder: Path) -> None:
        """What was made of one file is not lost to another one.

        Arguments:
            folder: Where this run's output is to go.

        Raises:
            InputError: If the folder holds a run of another file.
        """
        there = RunOrigin.read(folder)
        if there is None or not self.differs(there):
            return
        held, asked = there.posts or "other posts", self.posts or "others"
        if held == asked:
            asked = "the file of that name in another folder"
        raise InputError(
            f"{folder} holds the run of {held}, and this one is of {asked}; "
            f"give another --out, or --replace to write over it"
        )


def _seen_from(folder: Path, origin: Path) -> str:
    try:
        return os.path.relpath(origin.resolve(), folder.resolve()).replace(os.sep, "/")
    except ValueError:
        # Windows knows no way from one drive to another
        return str(origin.resolve())
