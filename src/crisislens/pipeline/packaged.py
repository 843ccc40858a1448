"""Models that ship in the package, and a user's own, by name or folder."""

import importlib.resources
from pathlib import Path

from crisislens.core.errors import NotRegisteredError

__all__ = ["named_or_folder", "packaged"]


def packaged(kind: str, marker: str) -> dict[str, Path]:
    """The folders of `assets/KIND` that hold a file, by name.

    Arguments:
        kind: `bundles` or `extractors`.
        marker: The file without which a folder is none of them.
    """
    root = Path(str(importlib.resources.files("crisislens"))) / "assets" / kind
    return {p.name: p for p in sorted(root.iterdir()) if (p / marker).is_file()} if root.is_dir() else {}


def named_or_folder(name_or_folder: str | Path, ships: dict[str, Path], what: str) -> Path:
    """The folder of one that ships, by its name, or a user's own.

    Arguments:
        name_or_folder: The name or the folder.
        ships: Those that ship, see `packaged`.
        what: What they are called in the error.

    Raises:
        NotRegisteredError: If it is neither, with the names that exist.
    """
    folder = ships.get(str(name_or_folder), Path(name_or_folder))
    if not folder.is_dir():
        raise NotRegisteredError(
            f"no {what} named {str(name_or_folder)!r} and no such folder; {what}s that ship: "
            f"{', '.join(ships) or 'none'}"
        )
    return folder
