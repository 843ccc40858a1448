"""What ships inside the package: one finder by kind and name, and the digests that it is held to.

Everything lies under `assets/KIND/NAME`. `assets/SHA256SUMS` pins every weight file, in the form
that `sha256sum --check` reads; a file that is found by its name is compared with it. The digests
stand apart from the models' own configurations because two of those are older than digests in them,
and to rewrite them would change the fingerprints that records and result files cite.
"""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.core.fingerprint import sha256_of_file

__all__ = ["asset", "find", "pinned", "shipped", "verify"]

_SUMS = "SHA256SUMS"


def asset(*parts: str) -> Path:
    """The path of a file or folder that ships.

    >>> asset("world", "outline.json.gz").is_file()
    True

    Arguments:
        parts: Its path under `assets`, part by part.
    """
    return Path(str(files("crisislens"))).joinpath("assets", *parts)


def shipped(kind: str, marker: str) -> dict[str, Path]:
    """The folders of a kind that ship, by name.

    Arguments:
        kind: A folder of `assets`, such as `bundles`.
        marker: The file without which a folder is none of them.
    """
    root = asset(kind)
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return {folder.name: folder for folder in folders if (folder / marker).is_file()}


def find(name_or_folder: str | Path, *, kind: str, marker: str, what: str) -> Path:
    """The folder of one that ships, by its name and verified, or a user's own.

    Arguments:
        name_or_folder: The name or the folder.
        kind: A folder of `assets`.
        marker: The file without which a folder there is none of them.
        what: What they are called in sentences, in the singular.

    Raises:
        NotRegisteredError: If it is neither, with the names that exist.
        ModelError: If it ships and a weight file of it is not the pinned one.
    """
    names = shipped(kind, marker)
    # a name that ships wins over a folder of that name in the working folder
    if str(name_or_folder) in names:
        folder = names[str(name_or_folder)]
        verify(folder)
        return folder
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise NotRegisteredError(
            f"no {what} named {str(name_or_folder)!r} and no such folder; {what}s that ship: "
            f"{', '.join(names) or 'none'}"
        )
    return folder


def pinned(path: Path) -> str | None:
    """The SHA-256 that a file which ships must have, 64 hex digits; None for any other file."""
    try:
        # resolved on both sides: a checkout may be reached through a link
        inside = path.resolve().relative_to(asset().resolve())
    except ValueError:
        return None
    return _sums().get(inside.as_posix())


def verify(path: Path) -> None:
    """Compares a weight file, or all of a folder, with their pinned digests;
    files of users have none.

    Raises:
        ModelError: If one is damaged or of another release.
    """
    found = sorted(path.rglob("*.safetensors")) if path.is_dir() else [path]
    for file in found:
        expected = pinned(file)
        if expected is not None and sha256_of_file(file) != expected:
            raise ModelError(
                f"{file} is not the file that crisislens ships (its SHA-256 differs); install crisislens "
                f"again"
            )


@lru_cache(maxsize=1)
def _sums() -> dict[str, str]:
    lines = asset(_SUMS).read_text(encoding="utf-8").split("\n")
    pairs = (line.split("  ", 1) for line in lines if line)
    return {name: digest for digest, name in pairs}
