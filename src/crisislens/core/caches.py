"""The folder for what can be made again: the system's own place for caches, or `CRISISLENS_CACHE`."""

import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path | None:
    """The folder, which need not exist; None where the user has no home."""
    if chosen := os.environ.get("CRISISLENS_CACHE"):
        return Path(chosen)
    named = {"win32": "LOCALAPPDATA"}.get(sys.platform, "XDG_CACHE_HOME")
    if (given := os.environ.get(named)) and Path(given).is_absolute():
        return Path(given) / "crisislens"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "crisislens"
