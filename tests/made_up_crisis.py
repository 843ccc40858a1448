"""The made-up crisis, drawn once a process: its photos take longer to draw than most tests that read them."""

import shutil
import tempfile
from functools import cache
from pathlib import Path

from crisislens.demo import write_synthetic_crisis

__all__ = ["crisis_in"]


@cache
def _drawn() -> "tempfile.TemporaryDirectory[str]":
    # kept by the cache, and so until the process ends
    folder = tempfile.TemporaryDirectory(prefix="crisis-")
    write_synthetic_crisis(Path(folder.name))
    return folder


def crisis_in(folder: Path) -> Path:
    """Puts a copy of its sixty posts and their photos there; gives the path of the posts."""
    shutil.copytree(_drawn().name, folder, dirs_exist_ok=True)
    return folder / "posts.jsonl"
